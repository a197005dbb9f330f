"""What the workers and the supervisor print: prefixed on the terminal, with its time in a file per name."""

import logging
import sys
from collections.abc import Sequence
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
        self._width = max(map(len, names))
        self._echo = echo
        self._files = {name: _LogFile(folder / f"{name}.log") for name in names}

    def say(self, name: str, line: str) -> None:
        """Keep one line of output, and show it where somebody looks."""
        line = printable(line.rstrip())
        self._files[name].emit(logging.makeLogRecord({"msg": line, "levelno": logging.INFO}))
        if self._echo:
            try:
                print(f"{name:{self._width}} | {line}", flush=True)
            except OSError:
                # The terminal is gone; the files go on.
                self._echo = False
                sys.stdout = open("/dev/null", "w")  # noqa: SIM115
