"""``teamsup ps``: the state of the supervisor, its workers and the agents."""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from teamsup.hub import CallerError, SchemaTooNew, StoreError, Team
from teamsup.hub.validation import list_names, quote
from teamsup.status.crash import Crash
from teamsup.status.process_state import State
from teamsup.status.team_lock import describe_not_running
from teamsup.status.team_status import ParticipantStatus, read_team_status
from teamsup.terminal.formatting import format_duration, format_table, sanitize

EXIT_NOT_RUNNING = 3
EXIT_UNWELL = 4
_HEADINGS = ("NAME", "STATE", "PID", "UPTIME", "RESTARTS", "HEARTBEAT", "CPU %", "MEMORY", "UNREAD", "OLDEST", "NOTE")
_WATCH_SECONDS = 1.0
_CLEAR = "\x1b[H\x1b[J"
_RED, _GREEN, _DIM, _RESET = "\x1b[31m", "\x1b[32m", "\x1b[2m", "\x1b[0m"


class UnknownParticipant(CallerError):
    """No participant has that name."""

    exit_code = os.EX_NOUSER


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="show only this member, with its last crashes")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON for programs")
    form.add_argument("--watch", action="store_true", help="show the table every second, until Ctrl-C")
    parser.epilog = "Exit codes: 0 all are well; 3 the team does not run; 4 one is not well, or its state is unknown."


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    code = _show(team, arguments)
    while arguments.watch:
        time.sleep(_WATCH_SECONDS)
        try:
            code = _show(team, arguments)
        except SchemaTooNew:
            raise
        except StoreError as error:
            print(f"teamsup: {sanitize(str(error))}", file=sys.stderr)
    return code


def _show(team: Team, arguments: argparse.Namespace) -> int:
    """Print the status once, and return the exit code."""
    team_status = read_team_status(team)
    rows, trouble, running = team_status.rows, team_status.trouble, team_status.pid is not None
    if arguments.watch and isinstance(trouble, SchemaTooNew):
        raise trouble
    if arguments.name is not None:
        rows = [row for row in rows if row.name == arguments.name.lower()] or _raise_unknown(arguments.name, rows)
    if arguments.json:
        why = None if trouble is None else str(trouble)
        report = {"team": team.name, "running": running, "trouble": why, "rows": [asdict(row) for row in rows]}
        print(json.dumps(report, indent=2))
    else:
        if arguments.watch and sys.stdout.isatty():
            print(_CLEAR, end="")
        for line in _format_rows(rows) if rows else []:
            print(line)
        if arguments.name is not None:
            for crash in rows[0].crashes:
                print("\n".join(_describe_crash(crash)))
        sys.stdout.flush()
        if not running and trouble is None:
            print(describe_not_running(team), file=sys.stderr)
    if not running:
        if trouble is not None:
            raise trouble
        return EXIT_NOT_RUNNING
    if trouble is not None:
        print(f"teamsup: {sanitize(str(trouble))}", file=sys.stderr)
    return 0 if trouble is None and all(row.well for row in rows) else EXIT_UNWELL


def _raise_unknown(name: str, rows: Sequence[ParticipantStatus]) -> list[ParticipantStatus]:
    known = list_names([row.name for row in rows]) or "none yet"
    raise UnknownParticipant(f"There is no agent {quote(name)} in this team. Known agents: {known}.")


def _describe_crash(crash: Crash) -> list[str]:
    """Return the lines about one crash."""
    at = datetime.fromtimestamp(crash.at).astimezone().isoformat(" ", "seconds")
    then = (
        "not started again"
        if crash.next_try_at is None
        else f"started again after {crash.next_try_at - crash.at:.1f} s"
    )
    times = f", {crash.failures} in a row" if crash.failures > 1 else ""
    died = f"it {crash.reason}" if crash.pid is None else f"pid {crash.pid} died: {crash.reason}"
    return ["", f"{at} {died}{times}; {then}", *(f"    {line}" for line in crash.lines)]


def _format_rows(rows: Sequence[ParticipantStatus]) -> list[str]:
    plain = [line.rstrip() for line in format_table([_HEADINGS, *(_cells(row) for row in rows)])]
    if not sys.stdout.isatty():
        return plain
    columns = shutil.get_terminal_size().columns
    fitted = [line if len(line) <= columns else line[: columns - 1] + "…" for line in plain]
    if "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return fitted
    colours = [_DIM, *(_colour(row) for row in rows)]
    return [f"{colour}{line}{_RESET}" for colour, line in zip(colours, fitted, strict=True)]


def _colour(row: ParticipantStatus) -> str:
    if not row.well:
        return _RED
    return _GREEN if row.state == State.RUNNING else ""


def _cells(row: ParticipantStatus) -> tuple[str, ...]:
    def shown(value: object, text: str) -> str:
        return "-" if value is None else text

    cells = (
        row.name,
        row.state,
        shown(row.pid, str(row.pid)),
        shown(row.uptime_seconds, format_duration(row.uptime_seconds or 0)),
        shown(row.restarts, str(row.restarts)),
        shown(row.heartbeat_age_seconds, format_duration(row.heartbeat_age_seconds or 0)),
        shown(row.cpu_percent, f"{row.cpu_percent or 0:.1f}"),
        shown(row.memory_bytes, f"{(row.memory_bytes or 0) / 2**20:.0f} MiB"),
        str(row.unread),
        shown(row.oldest_unread_seconds, format_duration(row.oldest_unread_seconds or 0)),
        row.note if row.degraded_seconds is None else f"{row.note} (for {format_duration(row.degraded_seconds)})",
    )
    return tuple(sanitize(cell).replace("\n", " ").replace("\t", " ") for cell in cells)
