"""Hears the writers that know nothing of doorbells.

Watching slows every writer a little, so a team has one watcher: whoever holds the lock on ``watch.lock``. It looks up
for whom new rows are and rings their doorbells.
"""

import os
import sqlite3
import threading
from contextlib import suppress

from .doorbell import ring, ring_all
from .file_lock import try_lock
from .team import Team

# In milliseconds. A step of 10 hears a commit within about 15 at half a percent of a core; a step of 1 would cost six
# times that.
_STEP = 10
_IDLE = 1000
# An event can come before its commit is visible (at synchronous=FULL the fsync comes after the last event), so after
# an event the watcher looks this many times more.
_LOOKS_AFTER_EVENT = 3
_LOOK_AGAIN = 50


class Watcher:
    """A thread that watches the team's folder while this process holds the team's watch lock."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._lock_file: int | None = None

    def start_if_free(self) -> bool:
        """Take the lock and watch, unless another process does. True when this process watches."""
        if self._thread is not None and self._thread.is_alive():
            return True
        try:
            lock_file = try_lock(self._team.folder / "watch.lock")
        except OSError:
            return False
        if lock_file is None:
            return False
        self._lock_file = lock_file
        self._thread = threading.Thread(target=self._watch, name="teamsup-watcher", daemon=True)
        self._thread.start()
        return True

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        database = str(self._team.database)
        try:
            # Imported by the one process that watches: everybody else is spared its memory.
            from watchfiles._rust_notify import RustNotify

            with (
                suppress(OSError, sqlite3.Error),
                RustNotify([str(self._team.folder)], False, False, 0, False, False) as changes,
            ):
                look = _Look(self._team)
                # For what came between the last watcher and us.
                ring_all(self._team.run)
                looks = 0
                while not self._stop.is_set():
                    event = changes.watch(_STEP, _STEP, _LOOK_AGAIN if looks else _IDLE, self._stop)
                    if isinstance(event, set):
                        if not any(path.startswith(database) for _, path in event):
                            continue
                        looks = _LOOKS_AFTER_EVENT
                    else:
                        # A timeout may have swallowed an event, so it counts as one.
                        looks = max(0, looks - 1)
                    if look.is_of_another_file():
                        look = _Look(self._team)
                    look.ring_new()
        finally:
            if self._lock_file is not None:
                os.close(self._lock_file)


class _Look:
    """Finds the recipients of deliveries that are new since the last look."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._file = os.stat(team.database).st_ino
        self._db = sqlite3.connect(team.database, isolation_level=None, timeout=1)
        self._db.execute("PRAGMA query_only=1")
        self._seen: int = self._db.execute("SELECT coalesce(max(message), 0) FROM deliveries").fetchone()[0]

    def is_of_another_file(self) -> bool:
        """Whether the database was removed or replaced since."""
        return os.stat(self._team.database).st_ino != self._file

    def ring_new(self) -> None:
        rows = self._db.execute(
            "SELECT recipient, max(message) FROM deliveries WHERE message > ? GROUP BY recipient", (self._seen,)
        ).fetchall()
        if rows:
            self._seen = max(newest for _, newest in rows)
            ring(self._team.run, (recipient for recipient, _ in rows))
