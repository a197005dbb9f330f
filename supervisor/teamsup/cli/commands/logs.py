"""``teamsup logs``."""

import argparse
import heapq
import os
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from functools import partial
from itertools import dropwhile
from pathlib import Path
from typing import TextIO

from teamsup.hub import CallerError, Team
from teamsup.hub.engines.choice import open_hosts
from teamsup.hub.engines.hosts.team_hosts import HostReport
from teamsup.hub.errors import ExitCode
from teamsup.hub.validation import list_names, quote
from teamsup.supervisor.control.client import EMPTY_LOG, send_request
from teamsup.terminal.candidates import Kind, complete_as, match_names
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import command_hint, find_team
from teamsup.terminal.json_output import print_json_line

from ..arguments import positive_integer

_ANSWER_SECONDS = 10.0
_USUAL_LINES = 100
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class NoLog(CallerError):
    """There is no log of this name."""

    exit_code = ExitCode.NO_TEAM


EXAMPLES = ("teamsup logs -f", "teamsup logs gateway -n 500")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    complete_as(
        Kind.WORKER,
        parser.add_argument(
            "name", nargs="?", help="one worker, 'supervisor', or a pattern such as 'web-*' (default: all)"
        ),
    )
    parser.add_argument("-f", "--follow", action="store_true", help="print new lines as they come, until Ctrl-C")
    parser.add_argument(
        "-n",
        "--lines",
        type=positive_integer,
        default=None,
        metavar="N",
        help="print the last N lines first (default: 100; all with --since)",
    )
    parser.add_argument(
        "--since",
        type=_since,
        metavar="WHEN",
        help='print only lines since then: an age such as 10m, 2h or 3d, or a UTC time such as "14:30", "2026-11-30" '
        'or "2026-11-30 14:30"',
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object in each line")
    parser.add_argument(
        "--reopen",
        action="store_true",
        help="let the supervisor reopen all logs, after another program has moved them",
    )


def run(arguments: argparse.Namespace) -> int:
    team = find_team(arguments.team)
    if arguments.reopen:
        print(send_request(team, "reopen", _ANSWER_SECONDS))
        return 0
    if arguments.name is not None and (host := _find_other_host(team, arguments.name)) is not None:
        return _show_elsewhere(team, arguments, host)
    most = arguments.lines or (None if arguments.since else _USUAL_LINES)
    logs = dict(_open_new_logs(team, {}))
    if not logs:
        raise NoLog(f"Team {team.name!r} has no logs yet. Start it with: {command_hint(team, 'start')}")
    if arguments.name is not None:
        wanted = match_names(arguments.name, logs)
        if not wanted:
            raise NoLog(f"There is no log of {quote(arguments.name)}. Known logs: {list_names([*logs])}.")
        logs = {name: logs[name] for name in wanted}
    tails = [[(line, name) for line in deque(_read_since(log, arguments.since), most)] for name, log in logs.items()]
    width = max(map(len, logs))
    show = partial(_print_json, team.name) if arguments.json else partial(_print, width=width)
    for line, name in deque(heapq.merge(*tails), most):
        show(name, line)
    if arguments.follow:
        _follow(team, arguments.name, logs, show)
    return 0


def _find_other_host(team: Team, name: str) -> HostReport | None:
    """Return the other host that runs a worker, or that ``NAME@HOST`` names. Return None if this host has the log."""
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
    if arguments.since:
        raise NoLog(f"{worker} runs on host {host.name}. Use --since there: teamsup logs --since 2h {worker}")
    text = send_request(team, f"logs {worker}@{host.name} {arguments.lines or _USUAL_LINES}", _ANSWER_SECONDS)
    show = partial(_print_json, team.name) if arguments.json else partial(_print, width=0)
    for line in text.splitlines() if text != EMPTY_LOG else ():
        show(f"{worker}@{host.name}", line)
    return 0


def _since(text: str) -> str:
    try:
        return parse_since(text)
    except (ValueError, OverflowError):
        hint = "write 10m, 2h, 3d, or a time in UTC: 14:30, 2026-11-30 14:30"
        raise argparse.ArgumentTypeError(f"{quote(text)} is not a time: {hint}") from None


def parse_since(text: str, now: datetime | None = None) -> str:
    """Return the time that a person means, in the format of a log. A time without a zone is in UTC, like all times that
    teamsup prints. Raise ValueError. It is pure if ``now`` is given.
    """
    now = (now or datetime.now(UTC)).replace(tzinfo=None)
    given = text.strip().removesuffix("UTC").strip()
    if match := re.fullmatch(r"(\d{1,6})([smhd])", given):
        moment = now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    elif re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", given):
        moment = datetime.combine(now.date(), time.fromisoformat(given.zfill(5 if given.count(":") == 1 else 8)))
        moment -= timedelta(days=moment > now)
    else:
        moment = datetime.fromisoformat(given)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(" ", "milliseconds")


def _read_since(log: "LogReader", since: str | None) -> Iterator[str]:
    """Yield the lines from a time on. Lines are in the order of time, except after a clock was set back."""
    lines = log.read_all()
    return lines if since is None else dropwhile(lambda line: line[: len(since)] < since, lines)


def _open_new_logs(team: Team, known: Collection[str]) -> Iterator[tuple[str, "LogReader"]]:
    for path in sorted(team.logs.glob("*.log")):
        if path.stem not in known:
            yield path.stem, LogReader(path)


def _follow(team: Team, only: str | None, logs: dict[str, "LogReader"], show: Callable[[str, str], None]) -> None:
    from watchfiles import watch

    from .watch import has_reader

    # A timeout counts as an event: one may have come before the watch was set up.
    for _ in watch(team.logs, recursive=False, debounce=50, step=20, rust_timeout=500, yield_on_timeout=True):
        if not has_reader():  # of a quiet team no line would notice it
            raise BrokenPipeError
        if only is None:
            # A reload may have brought new workers.
            logs |= dict(_open_new_logs(team, logs))
        for name, log in logs.items():
            for line in log.read_new():
                show(name, line)


def _print(name: str, line: str, width: int) -> None:
    at, text = split_line(line)
    print(sanitize(f"{at:24} {name:{width}} | {text}"), flush=True)


def _print_json(team: str, name: str, line: str) -> None:
    at, text = split_line(line)
    print_json_line(team, at=at.replace(" ", "T"), worker=name, text=text)


def split_line(line: str) -> tuple[str, str]:
    """Return the time and the text of a line. A line of an older teamsup has the local time, without a Z."""
    return line[:24].rstrip(), line[24:].removeprefix(" ") if line[23:24] == "Z" else line[24:]


class LogReader:
    """Reads one log file from the last position, even after a rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO = path.open(encoding="utf-8", errors="replace")

    def read_all(self) -> Iterator[str]:
        """Return all lines, including those of older files, the oldest first."""
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
            # Another program has copied the log away and emptied it.
            self._file.seek(0)
        while line := self._file.readline():
            yield line.rstrip("\n")
