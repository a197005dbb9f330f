"""Watch for writers that ring no doorbells: changes of the database's files, then the recipients of new rows.

It uses the Rust backend of watchfiles (documented at https://watchfiles.helpmanual.io/api/rust_backend/). With it, the
watcher can change the pause between two looks for events. ``watchfiles.watch`` would fix that pause.
"""

import itertools
import os
import sqlite3
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import StoreError
from .connection import open_observer

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

_EXTENSION = "watchfiles._rust_notify"

# Each pair is a pause and a timeout in milliseconds. watchfiles looks for events after each pause, so the pause decides
# between a quick wake-up and an idle processor.
#
# An event can come before its commit is visible (a writer at synchronous=FULL publishes after its fsync, which comes
# after the last event). So the watcher looks at once and again at the end of each timeout, which also keeps the pause
# short while more may come. An fsync of a fast disk takes one to three milliseconds.
_AFTER_EVENT_MS = tuple((1, timeout) for timeout in (1, 1, 1, 2, 4, 8, 16, 32, 64, 128))
# watchfiles can swallow an event that comes with a timeout, so a timeout is treated like an event.
_IDLE_MS = ((10, 50), (10, 1000))


class FileWatch:
    """A watch of one database. It begins when this object is made."""

    def __init__(self, database: Path) -> None:
        try:
            self._events = _open_events(database.parent)
        except (OSError, RuntimeError, ValueError, ImportError) as error:  # no descriptor left, or the folder is away
            raise StoreError(f"{database.parent} cannot be watched: {error}.") from error
        self._database = database
        self._pauses = Pauses()

    def close(self) -> None:
        self._events.close()

    def stop(self) -> None:
        self._pauses.stop()

    def recipients(self) -> Generator[Iterable[str] | None, None, None]:
        """Yield the agents with new deliveries after each look. End when the database was removed or replaced."""
        try:
            with closing(_NewDeliveries(self._database)) as new_deliveries:
                yield None  # for rows that came between the last watcher and this one
                pace: Iterator[tuple[int, int]] = itertools.cycle(_IDLE_MS)
                while not self._pauses.is_stopped and not new_deliveries.is_database_replaced():
                    milliseconds, timeout = next(pace)
                    self._pauses.set_length(milliseconds)
                    changes = self._events.watch(0, 0, timeout, self._pauses)
                    yield new_deliveries.find_recipients()
                    if isinstance(changes, set) and self._concerns_database(changes):
                        pace = itertools.chain(_AFTER_EVENT_MS, itertools.cycle(_IDLE_MS))
        except (RuntimeError, sqlite3.Error) as error:
            raise StoreError(f"{self._database} cannot be watched: {error}.") from error

    def _concerns_database(self, changes: set[tuple[int, str]]) -> bool:
        return any(os.path.basename(path).startswith(self._database.name) for _, path in changes)


def _open_events(folder: Path) -> "RustNotify":
    """Return the events of the files in a folder. Raise OSError, RuntimeError, ValueError or ImportError.

    Only the process that watches loads the extension. The package around it loads anyio and multiprocessing, which
    would take another 0.7 MiB of the supervisor.
    """
    if _EXTENSION not in sys.modules:
        package = PathFinder.find_spec("watchfiles")
        spec = PathFinder.find_spec(_EXTENSION, package.submodule_search_locations) if package else None
        if spec is None or spec.loader is None:
            raise ImportError(_EXTENSION)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[_EXTENSION] = module
    events: RustNotify = sys.modules[_EXTENSION].RustNotify([str(folder)], False, False, 0, False, False)
    return events


class Pauses:
    """The ``stop_event`` of watchfiles, which asks ``is_set()`` before each look for events.

    Given a step, watchfiles sleeps before each look. It returns events when the next look finds no more: after one and
    a half steps on average. With a step of 0 it never sleeps, and the pauses are made here. A pause comes before every
    second look, so an event is returned after half a pause on average.
    """

    def __init__(self) -> None:
        self._milliseconds = 0.0
        self.is_stopped = False
        self._is_second_look = False

    def set_length(self, milliseconds: float) -> None:
        """Set the length of each pause from now on."""
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

    def __init__(self, database: Path) -> None:
        self._database = database
        self._inode = _find_inode(database)
        # Never create the database here, because a person may just have moved it away.
        self._db = open_observer(database)
        try:
            self._last_message: int = self._db.execute("SELECT coalesce(max(message), 0) FROM deliveries").fetchone()[0]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._db.close()

    def is_database_replaced(self) -> bool:
        """Return whether the database was removed or replaced since the watch began."""
        return _find_inode(self._database) != self._inode

    def find_recipients(self) -> list[str]:
        """Return the agents with new deliveries."""
        rows = self._db.execute(
            "SELECT recipient, max(message) FROM deliveries WHERE message > ? GROUP BY recipient", (self._last_message,)
        ).fetchall()
        if rows:
            self._last_message = max(newest for _, newest in rows)
        return [recipient for recipient, _ in rows]


def _find_inode(database: Path) -> tuple[int, int]:
    found = os.stat(database)
    return found.st_dev, found.st_ino
