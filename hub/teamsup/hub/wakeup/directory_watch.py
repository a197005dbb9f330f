"""Hears when files of one folder are written, by whomever.

On Linux from inotify itself: it wakes nobody until something happens, where watchfiles would have to look a hundred
times a second to be nearly as quick. Elsewhere from watchfiles.
"""

import ctypes
import os
import select
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_IN_MODIFY, _IN_MOVED_TO, _IN_CREATE = 0x2, 0x80, 0x100
_IN_Q_OVERFLOW, _IN_IGNORED = 0x4000, 0x8000
_EVENT_HEADER = struct.Struct("iIII")
_POLL_MILLISECONDS = 10  # milliseconds: with watchfiles an event is heard within about one and a half of these


class DirectoryWatch(Protocol):
    def wait(self, seconds: float) -> bool:
        """Whether a file whose name begins as was asked for has changed, within so many seconds.

        False may also be wrong. Raises OSError once the folder is gone.
        """

    def interrupt(self) -> None:
        """Have wait() return, from another thread."""

    def close(self) -> None: ...


def watch_directory(folder: Path, prefix: str) -> DirectoryWatch:
    """Raises OSError where the folder cannot be watched."""
    return _InotifyWatch(folder, prefix) if sys.platform == "linux" else _PollingWatch(folder, prefix)


class _InotifyWatch:
    def __init__(self, folder: Path, prefix: str) -> None:
        self._prefix = os.fsencode(prefix)
        self._lock = threading.Lock()
        self._closed = False
        libc = ctypes.CDLL(None, use_errno=True)
        self._events: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._events < 0:
            raise OSError(ctypes.get_errno(), "inotify is not to be had")
        self._interrupted, self._interrupt = os.pipe()
        if libc.inotify_add_watch(self._events, os.fsencode(folder), _IN_MODIFY | _IN_MOVED_TO | _IN_CREATE) < 0:
            number = ctypes.get_errno()
            self.close()
            raise OSError(number, os.strerror(number), str(folder))
        self._poll = select.poll()
        self._poll.register(self._events, select.POLLIN)
        self._poll.register(self._interrupted, select.POLLIN)

    def wait(self, seconds: float) -> bool:
        self._poll.poll(seconds * 1000)
        changed = False
        with suppress(BlockingIOError):
            while True:
                changed |= self._is_relevant(os.read(self._events, 65536))
        return changed

    def interrupt(self) -> None:
        # Once closed, these numbers may be somebody else's files.
        with self._lock:
            if not self._closed:
                os.write(self._interrupt, b"!")

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for file in (self._events, self._interrupted, self._interrupt):
                os.close(file)

    def _is_relevant(self, events: bytes) -> bool:
        """Of the layout struct inotify_event of inotify(7)."""
        place, matters = 0, False
        while place < len(events):
            _, mask, _, length = _EVENT_HEADER.unpack_from(events, place)
            if mask & _IN_IGNORED:
                raise FileNotFoundError("the watched folder is gone")
            name = events[place + _EVENT_HEADER.size : place + _EVENT_HEADER.size + length]
            matters |= bool(mask & _IN_Q_OVERFLOW) or name.startswith(self._prefix)
            place += _EVENT_HEADER.size + length
        return matters


class _PollingWatch:
    def __init__(self, folder: Path, prefix: str) -> None:
        from watchfiles._rust_notify import RustNotify

        self._prefix = str(folder / prefix)
        self._stop = threading.Event()
        self._changes = RustNotify([str(folder)], False, False, 0, False, False)

    def wait(self, seconds: float) -> bool:
        event = self._changes.watch(_POLL_MILLISECONDS, _POLL_MILLISECONDS, round(seconds * 1000), self._stop)
        return isinstance(event, set) and any(path.startswith(self._prefix) for _, path in event)

    def interrupt(self) -> None:
        self._stop.set()

    def close(self) -> None:
        self._changes.close()
