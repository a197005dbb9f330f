"""Find the process that holds the write lock of the hub's database, without opening that database.

SQLite locks byte 120 of messages.db-shm for the one writer of a WAL. Linux lists all such locks in /proc/locks.
Elsewhere F_GETLK asks the kernel for the owner of a lock, which needs a descriptor. If a process closes any descriptor
of messages.db, -wal or -shm, it loses all its locks. So this file then runs as a separate program.
"""

import fcntl
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

WRITE_LOCK_BYTE = 120
"""WAL_WRITE_LOCK of SQLite, in the file -shm."""
_LOCKS = Path("/proc/locks")
_QUERY_SECONDS = 5.0
# struct flock of 64-bit systems: Linux begins with the type of the lock, BSD and macOS end with it.
_FLOCK, _TYPE, _PID = ("hhqqi4x", 0, 4) if sys.platform == "linux" else ("qqihh", 3, 2)


@dataclass(frozen=True, slots=True)
class LockOwner:
    """The process that holds the write lock."""

    pid: int | None
    """None if the process is in another pid namespace, or if the lock belongs to an open file description."""


def find_lock_owner(database: Path, locks: Path = _LOCKS) -> LockOwner | None:
    """Return the process that holds the write lock of this database now, or None."""
    index = f"{os.path.realpath(database)}-shm"
    try:
        file = os.stat(index)
        listed = locks.read_text()
    except FileNotFoundError:
        # Without -shm no process has the database open; without /proc/locks the kernel is asked.
        return _query_in_child(index) if os.path.exists(index) else None
    except OSError:
        return _query_in_child(index)
    # On some file systems stat and the list show different devices. Then only F_GETLK helps.
    return parse_lock_owner(listed, file.st_dev, file.st_ino) or _query_in_child(index)


def parse_lock_owner(locks: str, device: int, inode: int) -> LockOwner | None:
    """Return the owner of the write lock according to a text like /proc/locks, or None. Pure."""
    for line in locks.splitlines():
        match line.split():
            # A line with "->" after its number waits for the lock above it.
            case [_, "POSIX" | "OFDLCK", _, "WRITE", pid, file, first, last]:
                if file == _file_name(device, inode) and int(first) <= WRITE_LOCK_BYTE <= _last_byte(last):
                    return LockOwner(_pid_or_none(int(pid)))
    return None


def _file_name(device: int, inode: int) -> str:
    return f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"


def _last_byte(last: str) -> float:
    return float("inf") if last == "EOF" else int(last)


def _pid_or_none(pid: int) -> int | None:
    return pid if pid > 0 else None


def _query_in_child(index: str) -> LockOwner | None:
    """Ask a child process for the owner of the write lock. Raise OSError or ValueError when no answer comes."""
    asked = subprocess.run(
        [sys.executable, "-I", "-S", __file__, index],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_QUERY_SECONDS,
        check=False,
        env={},
    )
    answer = asked.stdout.decode().strip()
    return None if answer == "free" else LockOwner(_pid_or_none(int(answer)))


def _query_lock(index: str) -> str:
    """Return the pid that owns the lock, or "free". Only for a process that has not opened the database."""
    request = struct.pack(_FLOCK, *_flock_request())
    with open(index, "r+b", buffering=0) as file:
        answer = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, request))
    return "free" if answer[_TYPE] == fcntl.F_UNLCK else str(answer[_PID])


def _flock_request() -> tuple[int, ...]:
    if sys.platform == "linux":
        return fcntl.F_WRLCK, os.SEEK_SET, WRITE_LOCK_BYTE, 1, 0
    return WRITE_LOCK_BYTE, 1, 0, fcntl.F_WRLCK, os.SEEK_SET


if __name__ == "__main__":
    print(_query_lock(sys.argv[1]))
