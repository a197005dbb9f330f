"""What the workers and the supervisor print: prefixed on the terminal, with its time in a file per name."""

import logging
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from teamsup.hub.wording import printable

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 3


class _LogFile(RotatingFileHandler):
    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
        self.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%Y-%m-%d %H:%M:%S"))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Nothing: a full disk must not end the team, and its workers will say it."""


class Journal:
    """The output of one team: of its supervisor and its workers."""

    def __init__(self, folder: Path, names: Sequence[str], *, echo: bool) -> None:
        self._files = {name: _LogFile(folder / f"{name}.log") for name in names}
        self._echo = _Echo(max(map(len, names))) if echo else None

    def say(self, name: str, line: str) -> None:
        """Keep one line of output, and show it where somebody looks."""
        line = printable(line.rstrip())
        self._files[name].emit(logging.makeLogRecord({"msg": line, "levelno": logging.INFO}))
        if self._echo is not None:
            self._echo.show(name, line)

    def close(self) -> None:
        if self._echo is not None:
            self._echo.close()


class _Echo:
    """Shows lines in a thread of its own: a terminal that is held, or a pipe that nobody reads, must not hold up the
    supervisor. What does not fit into the queue stands in the files."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=1000)
        self._thread = threading.Thread(target=self._print, name="teamsup-echo", daemon=True)
        self._thread.start()

    def show(self, name: str, line: str) -> None:
        with suppress(queue.Full):
            self._lines.put_nowait(f"{name:{self._width}} | {line}")

    def close(self) -> None:
        """Show what is left, if somebody looks within a second."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=1)
        self._thread.join(1)

    def _print(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                print(line, flush=True)
            except (OSError, ValueError):
                # The terminal is gone.
                return
