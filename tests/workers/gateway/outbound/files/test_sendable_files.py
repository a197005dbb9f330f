"""Which files may leave this machine for Discord, on a real disk."""

import base64
import bz2
import gzip
import io
import lzma
import os
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from teamsup.config.loader import Config
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.connection.token import BotToken
from teamsup.workers.gateway.outbound.files.sendable_files import FileNotSendable, SendableFiles

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
    settings = Config(
        team,
        {
            "gateway": {"files_from": [str(outside)], "token_file": str(outside / "token")},
            "worker": {"bot": {"command": ["true"], "env_file": str(outside / "worker-variables")}},
            "source": {"prometheus": {"kind": "alertmanager", "secret_file": str(outside / "hook")}},
        },
    )
    return SendableFiles.from_config(team, settings, BotToken(TOKEN))


def refusal(files: SendableFiles, name: object, limit: int = MIB) -> str:
    with pytest.raises(FileNotSendable) as refused:
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
def test_a_file_elsewhere_is_not_sent(files: SendableFiles, team: Team, name: str) -> None:
    path = team.folder / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text("secret")
    assert refusal(files, name) == "only files below files/ in the team's folder, or below files_from, are sent"


def test_a_link_out_of_the_folder_does_not(files: SendableFiles, team: Team, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (team.folder / "files" / "file").symlink_to(tmp_path / "secret")
    (team.folder / "files" / "folder").symlink_to(tmp_path)
    for name in ("files/file", "files/folder/secret"):
        assert "only files below files/" in refusal(files, name)


def test_no_folder_of_files_leads_out_when_it_is_a_link_itself(
    files: SendableFiles, team: Team, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (team.folder / "files").rmdir()
    (team.folder / "files").symlink_to(tmp_path)
    assert "only files below files/" in refusal(files, "files/secret")


@pytest.mark.parametrize("name", ["token", "worker-variables", "hook"])
def test_secrets_in_a_listed_folder_do_not(files: SendableFiles, outside: Path, name: str) -> None:
    assert refusal(files, outside / name) == "it contains a secret"


def test_a_file_with_the_bots_token_or_a_key_is_not_sent(files: SendableFiles, outside: Path) -> None:
    (outside / "copy").write_text(f"token = {TOKEN}")
    (outside / "key.txt").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    for name in ("copy", "key.txt"):
        assert refusal(files, outside / name) == "it contains a secret"


@pytest.mark.parametrize("name", [".env", "prod.env", ".ssh/id", ".git/config"])
def test_hidden_files_and_variables_do_not(files: SendableFiles, outside: Path, name: str) -> None:
    (outside / name).parent.mkdir(exist_ok=True)
    (outside / name).write_text("x")
    assert "hidden files" in refusal(files, outside / name)


def test_no_copy_of_the_database_goes(files: SendableFiles, team: Team, outside: Path, join: Join) -> None:
    join("lead").send("lead", "secret")
    with (
        closing(sqlite3.connect(team.database)) as db,
        closing(sqlite3.connect(team.folder / "files" / "backup.bin")) as copy,
    ):
        db.backup(copy)
    assert refusal(files, "files/backup.bin") == "it is a database"
    with tarfile.open(outside / "team.tar", "w") as archive:
        archive.add(team.folder / "files" / "backup.bin")
    assert refusal(files, outside / "team.tar") == "it is a database"
    (outside / "base64.txt").write_bytes(base64.encodebytes((team.folder / "files" / "backup.bin").read_bytes()))
    assert refusal(files, outside / "base64.txt") == "it is a database"
    dump = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE messages (x);\n"
    (outside / "dump.sql.gz").write_bytes(gzip.compress(dump.encode()))
    assert refusal(files, outside / "dump.sql.gz") == "it is a database"
    (outside / "wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(100))
    assert refusal(files, outside / "wal") == "it is a database"


def _zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("first", "nothing")
        archive.writestr("second", content)
    return packed.getvalue()


def _tarred(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        for name, data in (("first", b"nothing"), ("second", gzip.compress(content))):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


PACKERS = [
    gzip.compress,
    bz2.compress,
    lzma.compress,
    _zipped,
    _tarred,
    lambda content: gzip.compress(_zipped(content)),
]


@pytest.mark.parametrize("pack", PACKERS)
def test_nothing_goes_packed_that_does_not_go_plain(
    files: SendableFiles, team: Team, outside: Path, pack: Callable[[bytes], bytes]
) -> None:
    team.configuration.write_text("[gateway]\n# " + "who may write\n# " * 10 + "users = [1]\n")
    (team.logs / "user_comm.log").write_text("2026-11-30 05:53:20 INFO what somebody asked and who they were\n" * 9)
    team.accepted_configuration.write_text('{"gateway": {"users": [1], "home_channel": 123456789, "channels": [1, 2]}}')
    known = {
        "it is a database": b"SQLite format 3\0" + bytes(1000),
        "it contains a secret": f"the token is {TOKEN}".encode(),
    }
    for why, content in known.items():
        (outside / "packed").write_bytes(pack(content))
        assert refusal(files, outside / "packed") == why
    for own in (team.configuration, team.logs / "user_comm.log", team.accepted_configuration):
        for content in (own.read_bytes(), pack(own.read_bytes())):
            (outside / "copy").write_bytes(content)
            assert refusal(files, outside / "copy") == "it is a copy of one of the team's own files"
    (outside / "report").write_bytes(pack(b"all is well\n" * 100))
    assert files.read(str(outside / "report"), MIB)


def test_the_values_of_secrets_do_not_go(files: SendableFiles, outside: Path) -> None:
    (outside / "worker-variables").write_text("LEVEL=production\nexport DB_PASSWORD='tr0ub4dor&3'\nSHORT_KEY=1\n")
    for text in ("hook's secret", "log in with tr0ub4dor&3 please"):
        (outside / "copy").write_text(f"see: {text}.")
        assert refusal(files, outside / "copy") == "it contains a secret"
    (outside / "report").write_text("1 production host is well")
    assert files.read(str(outside / "report"), MIB)


def test_a_file_that_cannot_be_searched_is_not_sent(files: SendableFiles, outside: Path) -> None:
    (outside / "bomb").write_bytes(gzip.compress(bytes(65 * MIB)))
    assert refusal(files, outside / "bomb") == "it unpacks to more than 64 MiB, too much to inspect"
    (outside / "zstd").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(10))
    assert "packed with zstd, which cannot be inspected" in refusal(files, outside / "zstd")
    locked = bytearray(_zipped(b"secret"))
    for begins, flags in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        place = 0
        while (place := locked.find(begins, place)) >= 0:
            locked[place + flags] |= 1
            place += 4
    (outside / "locked.zip").write_bytes(locked)
    assert "such as with a password" in refusal(files, outside / "locked.zip")
    often = b"all is well"
    for _ in range(6):
        often = gzip.compress(often)
    (outside / "often").write_bytes(often)
    assert "packed more than 4 times" in refusal(files, outside / "often")


def test_a_broken_archive_is_searched_as_far_as_it_can_be_read(files: SendableFiles, outside: Path) -> None:
    packed = gzip.compress(b"SQLite format 3\0" + os.urandom(300_000))
    (outside / "cut").write_bytes(packed[:200_000])
    assert refusal(files, outside / "cut") == "it is a database"
    for name, content in (("a.gz", b"\x1f\x8bnot really"), ("a.zip", b"PK\5\6" + bytes(18)), ("a.xz", b"\xfd7zXZ\0")):
        (outside / name).write_bytes(content)
        assert files.read(str(outside / name), MIB) == content


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
    assert refusal(files, "files/a.txt") == "it contains a secret"
    assert "files" in opened
    assert "a.txt" not in opened


def test_no_other_team_within_a_listed_folder_goes(files: SendableFiles, outside: Path) -> None:
    (outside / "teams" / "other" / "logs").mkdir(parents=True)
    (outside / "teams" / "other" / "messages.db").write_text("")
    (outside / "teams" / "other" / "logs" / "a.log").write_text("x")
    assert refusal(files, outside / "teams" / "other" / "logs" / "a.log") == "it is one of a team's own files"


def test_only_regular_files_go(files: SendableFiles, team: Team) -> None:
    os.mkfifo(team.folder / "files" / "pipe")
    (team.folder / "files" / "folder").mkdir()
    assert [refusal(files, f"files/{name}") for name in ("pipe", "folder")] == ["it is not a regular file"] * 2


@pytest.mark.parametrize("name", ["files/missing", "files/a\0b", "files/" + "x" * 300, "~nobody/x"])
def test_a_missing_file_is_named_so(files: SendableFiles, name: str) -> None:
    assert refusal(files, name) == "there is no such readable file"


def test_a_file_that_is_too_large_names_its_limit(files: SendableFiles, team: Team) -> None:
    (team.folder / "files" / "large").write_bytes(bytes(3 * MIB))
    assert refusal(files, "files/large", 2 * MIB) == "it has 3.0 MiB, and at most 2 MiB may be sent here"
