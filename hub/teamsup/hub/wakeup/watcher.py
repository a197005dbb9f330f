"""Watch for writers that ring no doorbells. Watching slows every writer a little, so a team has one watcher: the
process with the lock on ``watch.lock``. It finds the recipients of new rows and rings their doorbells.

It uses the Rust backend of watchfiles (documented at https://watchfiles.helpmanual.io/api/rust_backend/). There the
watcher chooses the pause between two looks for events, which ``watchfiles.watch`` fixes for its whole life.
"""

import atexit
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from ..engines.sqlite.connection import open_observer
from ..engines.sqlite.file_lock import try_lock
from ..errors import StoreError
from ..team import Team
from .doorbell import Doorbells

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

# Each pair is a pause and a timeout in milliseconds. watchfiles looks for events after each pause, so the pause decides
# between a quick wake-up and an idle processor.
#
# An event can come before its commit is visible (a writer at synchronous=FULL publishes after its fsync, which comes
# after the last event). So the watcher looks at once and again at the end of each timeout, which also keeps the pause
# short while more may come.
_AFTER_EVENT_MS = tuple((1, timeout) for timeout in (2, 4, 8, 16, 32, 64, 128))
# watchfiles can swallow an event that comes with a timeout, so a timeout is treated like an event.
_IDLE_MS = ((10, 50), (10, 1000))


class Watcher:
    """A thread that watches the team's folder while this process holds the team's watch lock."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._doorbells = Doorbells(team.run)
        self._thread: threading.Thread | None = None
        self._pauses = Pauses()

    def start_if_free(self) -> bool:
        """Take the lock and watch, unless another process does. Return whether this process watches."""
        if self._thread is not None and self._thread.is_alive():
            return True
        try:
            lock_file = try_lock(self._team.folder / "watch.lock")
        except StoreError:
            return False
        if lock_file is None:
            return False
        try:
            from watchfiles._rust_notify import RustNotify  # only the process that watches needs it

            events = RustNotify([str(self._team.folder)], False, False, 0, False, False)
        except (OSError, RuntimeError, ValueError, ImportError):  # no descriptor left, or the folder is away
            os.close(lock_file)
            return False
        if self._thread is None:
            atexit.register(self.stop)  # a thread that is inside of watchfiles must not outlive the interpreter
        self._thread = threading.Thread(
            target=self._watch, args=(events, lock_file), name="teamsup-watcher", daemon=True
        )
        self._thread.start()
        return True

    def stop(self) -> None:
        """End the watch and free the lock."""
        atexit.unregister(self.stop)
        self._pauses.stop()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, events: "RustNotify", lock_file: int) -> None:
        try:
            # After any error, such as a missing folder, another process can watch, or this one again.
            with (
                closing(events),
                suppress(OSError, RuntimeError, sqlite3.Error),
                closing(_NewDeliveries(self._team, self._doorbells)) as new_deliveries,
            ):
                # For rows that came between the last watcher and this one.
                self._doorbells.ring_all()
                pace: Iterator[tuple[int, int]] = itertools.cycle(_IDLE_MS)
                while not self._pauses.is_stopped and not new_deliveries.is_database_replaced():
                    milliseconds, timeout = next(pace)
                    self._pauses.set_length(milliseconds)
                    changes = events.watch(0, 0, timeout, self._pauses)
                    new_deliveries.ring()
                    if isinstance(changes, set) and self._concerns_database(changes):
                        pace = itertools.chain(_AFTER_EVENT_MS, itertools.cycle(_IDLE_MS))
        finally:
            os.close(lock_file)

    def _concerns_database(self, changes: set[tuple[int, str]]) -> bool:
        return any(os.path.basename(path).startswith(self._team.database.name) for _, path in changes)


class Pauses:
    """The ``stop_event`` of watchfiles, which asks ``is_set()`` before each look for events.

    Given a step, watchfiles sleeps before each look. It returns events when the next look finds no more: after one and
    a half steps on average. With a step of 0 it never sleeps, and the pauses are made here. They come before every
    second look only, so an event is returned after half a pause on average.
    """

    def __init__(self) -> None:
        self._milliseconds = 0.0
        self.is_stopped = False
        self._is_second_look = False

    def set_length(self, milliseconds: float) -> None:
        """Pause for so long from now on."""
        self._milliseconds = milliseconds

    def stop(self) -> None:
        """Let watchfiles return after this pause."""
        self.is_stopped = True

    def is_set(self) -> bool:
        """Pause before every second look. Return whether to stop."""
        if not self._is_second_look:
            time.sleep(self._milliseconds / 1000)
        self._is_second_look = not self._is_second_look
        return self.is_stopped


class _NewDeliveries:
    """Find the recipients of deliveries since the last look."""

    def __init__(self, team: Team, bells: Doorbells) -> None:
        self._team = team
        self._doorbells = bells
        self._database_inode = _find_database_inode(team)
        # Never create the file here, because it may have been moved away just now.
        self._db = open_observer(team.database)
        try:
            self._last_message: int = self._db.execute("SELECT coalesce(max(message), 0) FROM deliveries").fetchone()[0]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._db.close()

    def is_database_replaced(self) -> bool:
        """Return whether the database was removed or replaced since the watch began."""
        return _find_database_inode(self._team) != self._database_inode

    def ring(self) -> None:
        """Ring the doorbells of agents with new deliveries."""
        rows = self._db.execute(
            "SELECT recipient, max(message) FROM deliveries WHERE message > ? GROUP BY recipient", (self._last_message,)
        ).fetchall()
        if rows:
            self._last_message = max(newest for _, newest in rows)
            self._doorbells.ring(recipient for recipient, _ in rows)


def _find_database_inode(team: Team) -> tuple[int, int]:
    found = os.stat(team.database)
    return found.st_dev, found.st_ino
