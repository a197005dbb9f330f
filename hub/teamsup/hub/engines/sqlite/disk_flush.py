"""Flush commits to the disk after they have become visible. So readers do not wait for the disk, and threads share an
fsync.
"""

import errno
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from ...errors import StoreError


class DiskFlush:
    """The flushed part of one database's write-ahead log. ``count_commits`` returns the number of commits so far.

    SQLite's synchronous=FULL would flush inside a commit.
    """

    def __init__(self, database: Path, count_commits: Callable[[], int]) -> None:
        self._database = database
        self._count_commits = count_commits
        self._lock = threading.Lock()
        self._flushed_commits = 0
        self._lost_commits = 0

    def flush(self) -> None:
        """Flush every commit so far to the disk. Raise StoreError, also for a commit that was lost earlier."""
        # Yield the core: a reader that woke on it would otherwise wait until the disk write has begun.
        if sys.platform == "linux":
            os.sched_yield()
        mine = self._count_commits()
        with self._lock:
            if self._flushed_commits < mine:
                covered = self._count_commits()
                try:
                    fsync(f"{self._database}-wal")
                except OSError as error:
                    # The kernel reports a lost write once; the next fsync would succeed without it. A log that could
                    # not be opened has lost nothing.
                    if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOENT):
                        self._lost_commits = covered
                    why = f"{self._database} was written, but not onto the disk: {error.strerror}."
                    raise StoreError(why) from error
                self._flushed_commits = covered
            if mine <= self._lost_commits:
                raise StoreError(f"{self._database} was written, but may not be on the disk.")


def fsync(path: str) -> None:
    """Flush a file to the disk. SQLite does not lock a WAL, so opening and closing it is harmless."""
    file = os.open(path, os.O_RDWR)
    try:
        if sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(file)
    finally:
        os.close(file)
