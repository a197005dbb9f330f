"""What the workers and the supervisor print: prefixed on the terminal, with its time in a file per name."""

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from teamsup.hub.wording import printable

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 3


class _LogFile(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Nothing: a full disk must not end the team, and its workers will say it."""


class Journal:
    """The output of one team. ``width`` is that of the longest name."""

    def __init__(self, folder: Path, width: int, *, echo: bool) -> None:
        self._folder = folder
        self._width = width
        self._echo = echo
        self._files: dict[str, RotatingFileHandler] = {}

    def say(self, name: str, line: str) -> None:
        """Keep one line of output, and show it where somebody looks."""
        line = printable(line.rstrip())
        if name not in self._files:
            handler = _LogFile(
                self._folder / f"{name}.log", maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8"
            )
            handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%Y-%m-%d %H:%M:%S"))
            self._files[name] = handler
        self._files[name].emit(logging.makeLogRecord({"msg": line, "levelno": logging.INFO}))
        if self._echo:
            try:
                print(f"{name:{self._width}} | {line}", flush=True)
            except OSError:
                # The terminal is gone; the files go on.
                self._echo = False
                sys.stdout = open("/dev/null", "w")  # noqa: SIM115
