"""Which files may leave this machine for Discord, on a real disk."""

import os
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamsup.hub import MessageHub, Team
from teamsup.hub.settings import Settings
from teamsup.workers.gateway.bot_token import Secret
from teamsup.workers.gateway.sendable_files import NotSent, SendableFiles

Join = Callable[..., MessageHub]
MIB = 1 << 20
TOKEN = "a-token.for.tests"  # noqa: S105


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is listed in files_from."""
    folder = tmp_path / "reports"
    folder.mkdir()
    return folder


@pytest.fixture
def files(team: Team, join: Join, outside: Path) -> SendableFiles:
    join("lead")
    (team.folder / "files").mkdir()
    (outside / "token").write_text(TOKEN)
    (outside / "worker-variables").write_text("PASSWORD=1")
    (outside / "hook").write_text("hook's secret")
    settings = Settings(
        team,
        {
            "gateway": {"files_from": [str(outside)], "token_file": str(outside / "token")},
            "worker": {"bot": {"command": ["true"], "env_file": str(outside / "worker-variables")}},
            "source": {"prometheus": {"kind": "alertmanager", "secret_file": str(outside / "hook")}},
        },
    )
    return SendableFiles.configured(team, settings, Secret(TOKEN))


def refusal(files: SendableFiles, name: object, limit: int = MIB) -> str:
    with pytest.raises(NotSent) as refused:
        files.read(str(name), limit)
    return str(refused.value)


def test_files_of_the_team_and_of_listed_folders_go(files: SendableFiles, team: Team, outside: Path) -> None:
    (team.folder / "files" / "discord").mkdir()
    own, listed = team.folder / "files" / "discord" / "a.txt", outside / "b.txt"
    own.write_bytes(b"a")
    listed.write_bytes(b"b")
    (team.folder / "files" / "link").symlink_to(listed)
    assert [files.read(name, MIB) for name in ("files/discord/a.txt", str(own), str(listed), "files/link")] == [
        b"a",
        b"a",
        b"b",
        b"b",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "messages.db",
        "teamsup.toml",
        "logs/user_comm.log",
        "run/x",
        "note.txt",
        "files/../note.txt",
        "/proc/self/environ",
    ],
)
def test_what_is_elsewhere_does_not(files: SendableFiles, team: Team, name: str) -> None:
    path = team.folder / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text("secret")
    assert refusal(files, name) == "only what is below files/ in the team's folder, or below files_from, is sent"


def test_a_link_out_of_the_folder_does_not(files: SendableFiles, team: Team, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (team.folder / "files" / "file").symlink_to(tmp_path / "secret")
    (team.folder / "files" / "folder").symlink_to(tmp_path)
    for name in ("files/file", "files/folder/secret"):
        assert "only what is below files/" in refusal(files, name)


def test_no_folder_of_files_leads_out_when_it_is_a_link_itself(
    files: SendableFiles, team: Team, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (team.folder / "files").rmdir()
    (team.folder / "files").symlink_to(tmp_path)
    assert "only what is below files/" in refusal(files, "files/secret")


@pytest.mark.parametrize("name", ["token", "worker-variables", "hook"])
def test_secrets_in_a_listed_folder_do_not(files: SendableFiles, outside: Path, name: str) -> None:
    assert refusal(files, outside / name) == "it holds a secret"


def test_what_holds_the_bots_token_or_a_key_does_not(files: SendableFiles, outside: Path) -> None:
    (outside / "copy").write_text(f"token = {TOKEN}")
    (outside / "key.txt").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    for name in ("copy", "key.txt"):
        assert refusal(files, outside / name) == "it holds a secret"


@pytest.mark.parametrize("name", [".env", "prod.env", ".ssh/id", ".git/config"])
def test_hidden_files_and_variables_do_not(files: SendableFiles, outside: Path, name: str) -> None:
    (outside / name).parent.mkdir(exist_ok=True)
    (outside / name).write_text("x")
    assert "hidden files" in refusal(files, outside / name)


def test_no_copy_of_the_database_goes(files: SendableFiles, team: Team, outside: Path, join: Join) -> None:
    join("lead").send("lead", "secret")
    with sqlite3.connect(team.database) as db, sqlite3.connect(team.folder / "files" / "backup.bin") as copy:
        db.backup(copy)
    copy.close()
    db.close()
    assert refusal(files, "files/backup.bin") == "it is a database"
    with tarfile.open(outside / "team.tar", "w") as archive:
        archive.add(team.folder / "files" / "backup.bin")
    assert refusal(files, outside / "team.tar") == "it is a database"
    (outside / "wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(100))
    assert refusal(files, outside / "wal") == "it is a database"


def test_no_second_name_of_a_file_goes(files: SendableFiles, team: Team, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    os.link(tmp_path / "secret", team.folder / "files" / "a.txt")
    assert "hard link" in refusal(files, "files/a.txt")


def test_the_database_is_refused_unopened(files: SendableFiles, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """To open and close it would drop this process's locks."""
    database = team.folder / "files" / "a.txt"
    database.write_text("x")
    monkeypatch.setitem(vars(team), "database", database)
    opened: list[object] = []
    really = os.open

    def spied(path: object, *more: Any, **how: Any) -> int:  # noqa: ANN401 - what os.open takes
        opened.append(path)
        return really(path, *more, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", spied)
    assert refusal(files, "files/a.txt") == "it holds a secret"
    assert "files" in opened
    assert "a.txt" not in opened


def test_no_other_team_within_a_listed_folder_goes(files: SendableFiles, outside: Path) -> None:
    (outside / "teams" / "other" / "logs").mkdir(parents=True)
    (outside / "teams" / "other" / "messages.db").write_text("")
    (outside / "teams" / "other" / "logs" / "a.log").write_text("x")
    assert refusal(files, outside / "teams" / "other" / "logs" / "a.log") == "it is a part of a team itself"


def test_only_regular_files_go(files: SendableFiles, team: Team) -> None:
    os.mkfifo(team.folder / "files" / "pipe")
    (team.folder / "files" / "folder").mkdir()
    assert [refusal(files, f"files/{name}") for name in ("pipe", "folder")] == ["it is not a regular file"] * 2


@pytest.mark.parametrize("name", ["files/missing", "files/a\0b", "files/" + "x" * 300, "~nobody/x"])
def test_what_is_not_there_is_named_so(files: SendableFiles, name: str) -> None:
    assert refusal(files, name) == "there is no such file that may be read"


def test_what_is_too_large_says_how_large_it_may_be(files: SendableFiles, team: Team) -> None:
    (team.folder / "files" / "large").write_bytes(bytes(3 * MIB))
    assert refusal(files, "files/large", 2 * MIB) == "it has 3.0 MiB, and at most 2 MiB may be sent here"
