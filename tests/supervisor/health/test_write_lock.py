"""Which process holds the hub's write lock: the kernel's list as a table, and both ways to ask on a real database."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamsup.hub import MessageHub, Team
from teamsup.supervisor.health.write_lock import LockOwner, find_lock_owner, parse_lock_owner

DEVICE, INODE = os.makedev(0xFE, 0x0), 77
HOLDS = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("line", "pid"),
    [
        ("1: POSIX  ADVISORY  WRITE 4711 fe:00:77 120 120", 4711),
        ("1: POSIX  ADVISORY  WRITE 4711 fe:00:77 120 121", 4711),
        ("1: POSIX  ADVISORY  WRITE 4711 fe:00:77 0 EOF", 4711),
        ("1: POSIX  ADVISORY  WRITE 0 fe:00:77 120 120", None),
        ("1: OFDLCK ADVISORY  WRITE -1 fe:00:77 120 120", None),
    ],
)
def test_a_write_lock_that_covers_the_writers_byte_has_an_owner(line: str, pid: int | None) -> None:
    assert parse_lock_owner(line, DEVICE, INODE) == LockOwner(pid)


@pytest.mark.parametrize(
    "line",
    [
        "1: POSIX  ADVISORY  READ 4711 fe:00:77 120 120",
        "1: POSIX  ADVISORY  WRITE 4711 fe:00:77 121 121",
        "1: POSIX  ADVISORY  WRITE 4711 fe:00:78 120 120",
        "1: POSIX  ADVISORY  WRITE 4711 fe:01:77 120 120",
        "1: FLOCK  ADVISORY  WRITE 4711 fe:00:77 0 EOF",
        "1: -> POSIX  ADVISORY  WRITE 4711 fe:00:77 120 120",
        "1: LEASE  ACTIVE    WRITE 4711 fe:00:77 0 EOF",
        "",
    ],
)
def test_every_other_lock_is_not_a_write_lock(line: str) -> None:
    assert parse_lock_owner(line, DEVICE, INODE) is None


@pytest.fixture
def database(team: Team) -> Iterator[Path]:
    with MessageHub(team, agent="lead"):
        yield team.database


@pytest.fixture
def foreign_process(database: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the write lock until its stdin is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.communicate()


@pytest.mark.parametrize("locks", ["/proc/locks", "/nowhere/locks", os.devnull])
def test_its_owner_is_found_without_opening_the_database(
    database: Path, foreign_process: "subprocess.Popen[str]", locks: str
) -> None:
    """From the kernel's list, without a list, and with one that does not name the file."""
    os.kill(foreign_process.pid, signal.SIGSTOP)
    try:
        assert find_lock_owner(database, Path(locks)) == LockOwner(foreign_process.pid)
    finally:
        os.kill(foreign_process.pid, signal.SIGCONT)


@pytest.mark.parametrize("locks", ["/proc/locks", "/nowhere/locks"])
def test_our_own_lock_is_ours_and_still_there_afterwards(team: Team, locks: str) -> None:
    with MessageHub(team, agent="lead") as hub:
        with hub.transaction():
            assert find_lock_owner(team.database, Path(locks)) == LockOwner(os.getpid())
            assert find_lock_owner(team.database, Path(locks)) == LockOwner(os.getpid())
        assert find_lock_owner(team.database, Path(locks)) is None


def test_a_database_that_nobody_has_open_is_held_by_nobody(team: Team) -> None:
    team.create()

    assert find_lock_owner(team.database) is None
