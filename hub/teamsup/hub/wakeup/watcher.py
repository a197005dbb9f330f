"""Hears the writers that know nothing of doorbells.

Watching slows every writer a little, so a team has one watcher: whoever holds the lock on ``watch.lock``. It looks up
for whom new rows are and rings their doorbells.
"""

import itertools
import os
import sqlite3
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from ..engines.sqlite.file_lock import try_lock
from ..errors import StoreError
from ..team import Team
from .doorbell import Doorbells

if TYPE_CHECKING:
    from .directory_watch import DirectoryWatch

_IDLE_SECONDS = 1.0
# A burst of writes is one commit, and looked at once.
_BURST_SECONDS = 0.002
# An event can come before its commit is visible (a writer at synchronous=FULL publishes after its fsync, which comes
# after the last event), so after an event the watcher looks again, so many seconds later each time; once less when it
# has found what it was woken for.
_RECHECK_SECONDS = (0.008, 0.05)


class Watcher:
    """A thread that watches the team's folder while this process holds the team's watch lock."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._doorbells = Doorbells(team.run)
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._directory_watch: DirectoryWatch | None = None

    def start_if_free(self) -> bool:
        """Take the lock and watch, unless another process does. True when this process watches."""
        if self._thread is not None and self._thread.is_alive():
            return True
        try:
            lock_file = try_lock(self._team.folder / "watch.lock")
        except StoreError:
            return False
        if lock_file is None:
            return False
        from . import directory_watch  # only the one that watches needs it

        try:
            self._directory_watch = directory_watch.watch_directory(self._team.folder, self._team.database.name)
        except OSError:
            os.close(lock_file)
            return False
        self._thread = threading.Thread(
            target=self._watch, args=(self._directory_watch, lock_file), name="teamsup-watcher", daemon=True
        )
        self._thread.start()
        return True

    def stop(self) -> None:
        self._stopping = True
        if self._thread is not None and self._directory_watch is not None:
            self._directory_watch.interrupt()
            self._thread.join()

    def _watch(self, changes: "DirectoryWatch", lock_file: int) -> None:
        try:
            # What ends it, a folder that is away too, lets another process watch, or this one again.
            with (
                closing(changes),
                suppress(OSError, sqlite3.Error),
                closing(_NewDeliveries(self._team, self._doorbells)) as look,
            ):
                # For what came between the last watcher and us.
                self._doorbells.ring_all()
                pauses = itertools.chain(_RECHECK_SECONDS, itertools.repeat(_IDLE_SECONDS))
                while not self._stopping and not look.is_database_replaced():
                    changed = changes.wait(next(pauses))
                    if changed:
                        time.sleep(_BURST_SECONDS)
                    found = look.ring_new()
                    if changed:
                        pauses = itertools.chain(_RECHECK_SECONDS[found:], itertools.repeat(_IDLE_SECONDS))
        finally:
            os.close(lock_file)


class _NewDeliveries:
    """Finds the recipients of deliveries that are new since the last look."""

    def __init__(self, team: Team, bells: Doorbells) -> None:
        self._team = team
        self._doorbells = bells
        self._database_inode = _find_database_inode(team)
        # Never to make the file, in case it is moved away just now.
        self._db = sqlite3.connect(f"{team.database.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=1)
        try:
            self._db.execute("PRAGMA query_only=1")
            self._last_message: int = self._db.execute("SELECT coalesce(max(message), 0) FROM deliveries").fetchone()[0]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._db.close()

    def is_database_replaced(self) -> bool:
        """Whether the database was removed or replaced since."""
        return _find_database_inode(self._team) != self._database_inode

    def ring_new(self) -> bool:
        """Whether there was anybody to ring for."""
        rows = self._db.execute(
            "SELECT recipient, max(message) FROM deliveries WHERE message > ? GROUP BY recipient", (self._last_message,)
        ).fetchall()
        if rows:
            self._last_message = max(newest for _, newest in rows)
            self._doorbells.ring(recipient for recipient, _ in rows)
        return bool(rows)


def _find_database_inode(team: Team) -> tuple[int, int]:
    found = os.stat(team.database)
    return found.st_dev, found.st_ino
