"""``teamsup logs``."""

import argparse
import heapq
import os
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from teamsup.hub import CallerError, Team
from teamsup.hub.engines.choice import open_hosts
from teamsup.hub.engines.hosts.team_hosts import HostReport
from teamsup.hub.errors import ExitCode
from teamsup.hub.validation import list_names, quote
from teamsup.supervisor.control.client import send_request
from teamsup.supervisor.hosts.request_router import EMPTY_LOG
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import command_hint, find_team

from ..arguments import positive_integer

_ANSWER_SECONDS = 10.0


class NoLog(CallerError):
    """No log has that name."""

    exit_code = ExitCode.NO_TEAM


EXAMPLES = ("teamsup logs -f", "teamsup logs gateway -n 500")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one worker, or 'supervisor' (default: all)")
    parser.add_argument("-f", "--follow", action="store_true", help="print new lines as they come, until Ctrl-C")
    parser.add_argument(
        "-n",
        "--lines",
        type=positive_integer,
        default=100,
        metavar="N",
        help="print the last N lines first (default: 100)",
    )


def run(arguments: argparse.Namespace) -> int:
    team = find_team(arguments.team)
    if arguments.name is not None and (host := _find_other_host(team, arguments.name)) is not None:
        return _show_elsewhere(team, arguments, host)
    logs = dict(_open_new_logs(team, {}))
    if not logs:
        raise NoLog(f"Team {team.name!r} has no logs yet. Start it with: {command_hint(team, 'start')}")
    if arguments.name is not None:
        if arguments.name not in logs:
            raise NoLog(f"There is no log of {quote(arguments.name)}. Known logs: {list_names([*logs])}.")
        logs = {arguments.name: logs[arguments.name]}
    tails = [[(line, name) for line in deque(log.read_all(), arguments.lines)] for name, log in logs.items()]
    width = max(map(len, logs))
    for line, name in deque(heapq.merge(*tails), arguments.lines):
        _print(name, line, width)
    if arguments.follow:
        _follow(team, arguments.name, logs, width)
    return 0


def _find_other_host(team: Team, name: str) -> HostReport | None:
    """Return the other host that runs a worker, or that ``NAME@HOST`` names; None: this host has the log."""
    hosts = open_hosts(team)
    if hosts is None:
        return None
    worker, _, named = name.partition("@")
    with hosts:
        view = hosts.read()
    lease = view.lease_of(worker)
    for host in view.others(hosts.identity):
        if host.name == named or (not named and lease is not None and lease.holder == host.identity):
            return host
    return None


def _show_elsewhere(team: Team, arguments: argparse.Namespace, host: HostReport) -> int:
    """Print the last lines of a log on another host."""
    worker = arguments.name.partition("@")[0]
    if arguments.follow:
        raise NoLog(f"{worker} runs on host {host.name}. Follow its log there: teamsup logs -f {worker}")
    text = send_request(team, f"logs {worker}@{host.name} {arguments.lines}", _ANSWER_SECONDS)
    for line in text.splitlines() if text != EMPTY_LOG else ():
        _print(f"{worker}@{host.name}", line, 0)
    return 0


def _open_new_logs(team: Team, known: Collection[str]) -> Iterator[tuple[str, "LogReader"]]:
    for path in sorted(team.logs.glob("*.log")):
        if path.stem not in known:
            yield path.stem, LogReader(path)


def _follow(team: Team, only: str | None, logs: dict[str, "LogReader"], width: int) -> None:
    from watchfiles import watch

    # A timeout counts as an event: one may have come before the watch was set up.
    for _ in watch(team.logs, recursive=False, debounce=50, step=20, rust_timeout=500, yield_on_timeout=True):
        if only is None:
            # A reload may have brought new workers.
            logs |= dict(_open_new_logs(team, logs))
        for name, log in logs.items():
            for line in log.read_new():
                _print(name, line, width)


def _print(name: str, line: str, width: int) -> None:
    time, text = line[:23], line[24:]
    print(sanitize(f"{time} {name:{width}} | {text}"), flush=True)


class LogReader:
    """Reads one log file from the last position, also after a rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO = path.open(encoding="utf-8", errors="replace")

    def read_all(self) -> Iterator[str]:
        """Return all lines, also of the older files, the oldest first."""
        older = self._path.parent.glob(f"{self._path.name}.[0-9]*")
        for path in sorted(older, key=lambda path: int(path.suffix[1:] or 0), reverse=True):
            with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
                yield from (line.rstrip("\n") for line in file)
        yield from self.read_new()

    def read_new(self) -> Iterator[str]:
        """Return the lines since the last call."""
        yield from self._read_rest()
        if self._path.exists() and self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino:
            self._file.close()
            self._file = self._path.open(encoding="utf-8", errors="replace")
            yield from self._read_rest()

    def close(self) -> None:
        self._file.close()

    def _read_rest(self) -> Iterator[str]:
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            # Another program has copied it away and emptied it.
            self._file.seek(0)
        while line := self._file.readline():
            yield line.rstrip("\n")
