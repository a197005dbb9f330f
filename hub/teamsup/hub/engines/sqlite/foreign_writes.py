"""Watch for writers that ring no doorbells: changes of the database's files, then the recipients of new rows.

On Linux the kernel wakes the watcher. Elsewhere the Rust backend of watchfiles looks at intervals (documented at
https://watchfiles.helpmanual.io/api/rust_backend/).
"""

import ctypes
import os
import select
import sqlite3
import struct
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...errors import StoreError
from .connection import open_observer

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

_EXTENSION = "watchfiles._rust_notify"
# From sys/inotify.h: modified, moved in or out, created, deleted; and the folder itself deleted, moved or unmounted.
_CHANGES = 0x002 | 0x040 | 0x080 | 0x100 | 0x200 | 0x400 | 0x800
_QUEUE_OVERFLOW = 0x4000
_HEADER = struct.Struct("iIII")
_READ_BYTES = 16384
_BURST_PAUSE_SECONDS = 0.001
"""Seconds to collect the events of one commit, so that each commit costs one look."""
_LOOK_SECONDS = 0.01

# An event can come before its commit is visible (a writer at synchronous=FULL publishes after its fsync, which comes
# after the last event). So the watcher looks at once, and again after each of these seconds without an event.
_AFTER_EVENT_SECONDS = (0.002, 0.01, 0.05, 0.25)
_IDLE_SECONDS = 1.0
"""Seconds between two looks without an event, because not every file system reports all of them."""


class FileWatch:
    """A watch of one database. It begins when this object is made."""

    def __init__(self, database: Path) -> None:
        try:
            self._events = open_file_events(database.parent)
        except (OSError, RuntimeError, ValueError, ImportError) as error:  # no descriptor left, or the folder is away
            raise StoreError(f"{database.parent} cannot be watched: {error}.") from error
        self._database = database
        self._is_stopped = False

    def close(self) -> None:
        self._events.close()

    def stop(self) -> None:
        self._is_stopped = True
        self._events.stop()

    def recipients(self) -> Generator[Iterable[str] | None, None, None]:
        """Yield the agents with new deliveries after each look. End when the database was removed or replaced."""
        try:
            with closing(_NewDeliveries(self._database)) as new_deliveries:
                yield None  # for rows that came between the last watcher and this one
                later = iter(_AFTER_EVENT_SECONDS)
                while not self._is_stopped and not new_deliveries.is_database_replaced():
                    if self._events.wait(self._database.name, next(later, _IDLE_SECONDS)):
                        later = iter(_AFTER_EVENT_SECONDS)
                    yield new_deliveries.find_recipients()
        except (OSError, RuntimeError, sqlite3.Error) as error:
            raise StoreError(f"{self._database} cannot be watched: {error}.") from error


class _NewDeliveries:
    """Find the recipients of deliveries since the last look."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._inode = _find_inode(database)
        # Never create the file here, because it may have been moved away just now.
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


class FileEvents(Protocol):
    """The changes of files in one folder since this object was made."""

    def wait(self, prefix: str, seconds: float) -> bool:
        """Return whether a file whose name begins with ``prefix`` has changed, at the latest after these seconds.

        Raise OSError or RuntimeError if the folder cannot be watched any more.
        """
        ...

    def stop(self) -> None:
        """Let ``wait`` return soon, now and from now on. Any thread may call this."""
        ...

    def close(self) -> None:
        """Free the descriptors. No thread may wait any more."""
        ...


def open_file_events(folder: Path) -> FileEvents:
    """Watch a folder. Raise OSError, RuntimeError, ValueError or ImportError if this is not possible."""
    return KernelEvents(folder) if sys.platform == "linux" else TimedEvents(folder)


class KernelEvents:
    """The kernel wakes the waiter. Python has no module for inotify, so ctypes calls it."""

    def __init__(self, folder: Path) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._events = library.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._events < 0:
            raise OSError(ctypes.get_errno(), "no inotify")
        try:
            if library.inotify_add_watch(self._events, os.fsencode(folder), ctypes.c_uint32(_CHANGES)) < 0:
                raise OSError(ctypes.get_errno(), "no watch", str(folder))
            self._stop_receiver, self._stop_sender = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        except BaseException:
            os.close(self._events)
            raise
        self._poll = select.poll()
        self._poll.register(self._events, select.POLLIN)
        self._poll.register(self._stop_receiver, select.POLLIN)
        self._lock = threading.Lock()
        self._is_closed = False

    def wait(self, prefix: str, seconds: float) -> bool:
        begins, ends_at = os.fsencode(prefix), time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            ready = [descriptor for descriptor, _ in self._poll.poll(left * 1000)]
            if self._stop_receiver in ready:
                return False
            if ready:
                time.sleep(_BURST_PAUSE_SECONDS)
                if any(name.startswith(begins) or not name for name in self._read_names()):
                    return True
        return False

    def _read_names(self) -> Iterator[bytes]:
        """Yield the name of each changed file; an empty name stands for the folder, and for events that were lost."""
        events, position = os.read(self._events, _READ_BYTES), 0
        while position < len(events):
            _, mask, _, length = _HEADER.unpack_from(events, position)
            position += _HEADER.size
            yield b"" if mask & _QUEUE_OVERFLOW else events[position : position + length].rstrip(b"\0")
            position += length

    def stop(self) -> None:
        with self._lock, suppress(BlockingIOError):
            if not self._is_closed:  # else the number may be that of another file
                os.write(self._stop_sender, b"\0")

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            for descriptor in (self._events, self._stop_receiver, self._stop_sender):
                os.close(descriptor)


class TimedEvents:
    """watchfiles looks for events after each pause, so the pause decides between a quick wake-up and an idle processor.

    It also returns when its timeout passes. It can swallow an event that comes then.
    """

    def __init__(self, folder: Path) -> None:
        self._events = _open_rust(folder)
        self._pauses = Pauses()

    def wait(self, prefix: str, seconds: float) -> bool:
        self._pauses.set_length(_LOOK_SECONDS if seconds >= _IDLE_SECONDS else _BURST_PAUSE_SECONDS)
        changes = self._events.watch(0, 0, max(1, round(seconds * 1000)), self._pauses)
        return isinstance(changes, set) and any(os.path.basename(path).startswith(prefix) for _, path in changes)

    def stop(self) -> None:
        self._pauses.stop()

    def close(self) -> None:
        self._events.close()


class Pauses:
    """The ``stop_event`` of watchfiles, which asks ``is_set()`` before each look for events.

    Given a step, watchfiles sleeps before each look. It returns events when the next look finds no more: after one and
    a half steps on average. With a step of 0 it never sleeps, and the pauses are made here. A pause comes before every
    second look, so an event is returned after half a pause on average.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._is_stopped = False
        self._is_second_look = False

    def set_length(self, seconds: float) -> None:
        """Set the length of each pause from now on."""
        self._seconds = seconds

    def stop(self) -> None:
        """Let watchfiles return after this pause."""
        self._is_stopped = True

    def is_set(self) -> bool:
        """Pause before every second look. Return whether to stop."""
        if not self._is_second_look:
            time.sleep(self._seconds)
        self._is_second_look = not self._is_second_look
        return self._is_stopped


def _open_rust(folder: Path) -> "RustNotify":
    """Return the events of the files in a folder. Raise OSError, RuntimeError, ValueError or ImportError.

    The package around the extension loads anyio and multiprocessing, which would take another 0.7 MiB.
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
