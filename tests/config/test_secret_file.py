"""Files with secrets."""

import os
from pathlib import Path

import pytest

from teamsup.config.secret_file import UnusableSecretFile, read_secret_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_text("open sesame\n")
    return path


def test_a_file_that_only_its_owner_can_read_is_read(file: Path) -> None:
    assert read_secret_file(file) == read_secret_file(str(file)) == "open sesame\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_can_use_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(UnusableSecretFile, match=f"^others can read {file}; run chmod 600 on it$"):
        read_secret_file(file)


def test_systemd_protects_its_credentials_by_their_folder(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.chmod(0o444)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(file.parent))
    assert read_secret_file("$CREDENTIALS_DIRECTORY/secret") == "open sesame\n"


def test_a_home_folder_is_expanded_in_a_text_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(file.parent))
    assert read_secret_file("~/secret") == "open sesame\n"
    with pytest.raises(UnusableSecretFile, match="cannot be read: No such file"):
        read_secret_file(Path("~/secret"))


@pytest.mark.parametrize("named", ["/nowhere/secret", "a\0b", "~nobody-of-that-name/secret"])
def test_a_file_that_cannot_be_read_is_named_with_the_reason(named: str) -> None:
    with pytest.raises(UnusableSecretFile, match=r"cannot be read: ."):
        read_secret_file(named)


def test_a_file_that_is_not_text_is_refused_without_waiting_for_it(tmp_path: Path, file: Path) -> None:
    file.write_bytes(b"\xff")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path, reason in (
        (file, "it is not text"),
        (tmp_path, "it is not a file"),
        (tmp_path / "pipe", "it is not a file"),
    ):
        with pytest.raises(UnusableSecretFile, match=reason):
            read_secret_file(path)
