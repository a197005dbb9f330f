"""``teamsup logs``."""

import argparse
import heapq
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from teamsup.hub import CallerError, Team
from teamsup.hub.wording import printable


class NoLog(CallerError):
    """There is no log of that name."""

    exit_code = os.EX_NOINPUT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one worker, or 'supervisor' (default: all)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes, until Ctrl-C")
    parser.add_argument("-n", "--lines", type=int, default=100, metavar="N", help="begin so far back (default: 100)")


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    logs = {path.stem: _Log(path) for path in sorted(team.logs.glob("*.log"))}
    if arguments.name is not None and arguments.name not in logs:
        known = ", ".join(logs) or "none: the team has never run"
        raise NoLog(f"There is no log of {arguments.name!r}. Known are: {known}.")
    if arguments.name is not None:
        logs = {arguments.name: logs[arguments.name]}
    width = max(map(len, logs), default=0)
    tails = [[(line, name) for line in deque(log.lines(), arguments.lines)] for name, log in logs.items()]
    for line, name in list(heapq.merge(*tails))[-arguments.lines or len(tails) :]:
        _print(name, line, width)
    if arguments.follow:
        _follow(team.logs, logs, width)
    return 0


def _follow(folder: Path, logs: dict[str, "_Log"], width: int) -> None:
    from watchfiles import watch

    for _ in watch(folder, recursive=False, debounce=50, step=20, raise_interrupt=True):
        for name, log in logs.items():
            for line in log.lines():
                _print(name, line, width)


def _print(name: str, line: str, width: int) -> None:
    time, text = line[:23], line[24:]
    print(f"{time} {name:{width}} | {printable(text)}", flush=True)


class _Log:
    """One log file, read on from where it was left, also when it was rotated in between."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO = path.open(encoding="utf-8", errors="replace")

    def lines(self) -> Iterator[str]:
        """The lines that were added since the last call."""
        yield from self._rest()
        if self._path.exists() and self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino:
            self._file.close()
            self._file = self._path.open(encoding="utf-8", errors="replace")
            yield from self._rest()

    def _rest(self) -> Iterator[str]:
        while line := self._file.readline():
            yield line.rstrip("\n")
