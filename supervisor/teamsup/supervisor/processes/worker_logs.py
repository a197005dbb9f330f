"""The output of workers and the supervisor. On the terminal each line has a prefix; in the file of its worker it has
the time.
"""

import queue
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from teamsup.terminal.formatting import sanitize

from .log_file import LogFile

_LINES_PER_WRITE = 50


class WorkerLogs:
    """The output of one team: of its supervisor and its workers."""

    def __init__(self, folder: Path, *, echo: bool) -> None:
        self._folder = folder
        self._files: dict[str, LogFile] = {}
        self._echo = _TerminalEcho() if echo else None

    def open(self, name: str, size: int = 10 * 2**20, kept: int = 3) -> None:
        """Write the output to a file of at most ``size`` bytes, and keep ``kept`` older files."""
        if name not in self._files:
            self._files[name] = LogFile(self._folder / f"{name}.log", size, kept)
        self._files[name].set_limits(size, kept)
        if self._echo is not None:
            self._echo.reserve_width(len(name))

    def require_writable(self, name: str) -> None:
        """Raise OSError unless its file can be opened."""
        self._files[name].require_writable()

    def reopen(self) -> None:
        """Open each file by its name again, because another program may have moved it."""
        for file in self._files.values():
            file.reopen()

    def close_log(self, name: str) -> None:
        """Close the worker's file, because the worker will print nothing more."""
        if (file := self._files.pop(name, None)) is not None:
            file.close()

    def write(self, name: str, *lines: str) -> None:
        """Write lines of output to the file, and to the terminal if there is one."""
        # Write UTC, so that lines are in order. In local time an hour may come twice.
        at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"[:23] + "Z"
        shown = [sanitize(line.rstrip()) for line in lines]
        # A few at a time: a worker that prints without end must cost little, and its files must stay small.
        for some in range(0, len(shown), _LINES_PER_WRITE):
            if (file := self._files.get(name)) is not None:
                file.write(at, shown[some : some + _LINES_PER_WRITE])
        if self._echo is not None:
            for line in shown:
                self._echo.show(name, line)

    def flush(self) -> None:
        """Wait until the terminal has all lines, but at most a second."""
        if self._echo is not None:
            self._echo.flush()

    def close(self) -> None:
        if self._echo is not None:
            self._echo.close()


class _TerminalEcho:
    """Prints lines in a separate thread, because a stopped terminal or an unread pipe must not delay the supervisor.
    Lines that do not fit into the queue are only in the files.
    """

    def __init__(self) -> None:
        self._width = 0
        self._lines: queue.Queue[str | threading.Event | None] = queue.Queue(maxsize=1000)
        self._thread = threading.Thread(target=self._print, name="teamsup-echo", daemon=True)
        self._thread.start()

    def reserve_width(self, characters: int) -> None:
        """Leave room for a name of this many characters before each line."""
        self._width = max(self._width, characters)

    def show(self, name: str, line: str) -> None:
        with suppress(queue.Full):
            self._lines.put_nowait(f"{name:{self._width}} | {line}")

    def flush(self) -> None:
        """Return when all lines so far are printed, or after a second."""
        is_printed = threading.Event()
        with suppress(queue.Full):
            self._lines.put(is_printed, timeout=1)
            is_printed.wait(1)

    def close(self) -> None:
        """Print the remaining lines, if the terminal takes them within a second."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=1)
        self._thread.join(1)

    def _print(self) -> None:
        while (line := self._lines.get()) is not None:
            if isinstance(line, threading.Event):
                line.set()
                continue
            try:
                print(line, flush=True)
            except (OSError, ValueError):
                # The terminal is gone.
                return
