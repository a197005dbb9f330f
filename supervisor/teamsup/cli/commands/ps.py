"""``teamsup ps``: the state of the supervisor, its workers and the agents."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from teamsup.hub import CallerError, SchemaTooNew, StoreError, Team
from teamsup.hub.errors import ExitCode
from teamsup.hub.validation import describe_similar, list_names, quote
from teamsup.status.crash import Crash
from teamsup.status.process_state import State
from teamsup.status.team_lock import describe_not_running
from teamsup.status.team_status import ParticipantStatus, read_team_status
from teamsup.terminal.candidates import Kind, complete_as, match_names
from teamsup.terminal.formatting import format_duration, format_moment, format_table, sanitize
from teamsup.terminal.hints import qualify_hints

from ..help_text import terminal_columns

_HEADINGS = ("NAME", "STATE", "PID", "UPTIME", "RESTARTS", "HEARTBEAT", "CPU %", "MEMORY", "UNREAD", "OLDEST", "NOTE")
_LEFT_OUT_FIRST = ("PID", "CPU %", "HEARTBEAT", "MEMORY", "RESTARTS", "UPTIME", "OLDEST", "UNREAD")
"""The columns that a narrow terminal leaves out, in this order. A state and its reason are always shown."""
_LEAST_NOTE_COLUMNS = 30
_MOST_NOTE_LINES = 8
_WATCH_SECONDS = 1.0
_CLEAR = "\x1b[H\x1b[J"
_RED, _GREEN, _DIM, _RESET = "\x1b[31m", "\x1b[32m", "\x1b[2m", "\x1b[0m"


class UnknownParticipant(CallerError):
    """No participant has this name."""

    exit_code = ExitCode.UNKNOWN


EXAMPLES = ("teamsup ps", "teamsup ps gateway   # with its last crashes", "teamsup ps --watch")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    complete_as(
        Kind.MEMBER,
        parser.add_argument(
            "name",
            nargs="?",
            metavar="NAME",
            help="show only this member, with its last crashes; or a pattern in quotes, such as 'web-*'",
        ),
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON for programs")
    form.add_argument(
        "--alive",
        action="store_true",
        help="show which members are silent, for a health check: teamsup docs container",
    )
    form.add_argument("--watch", action="store_true", help="show the table every second, until Ctrl-C")
    parser.epilog = (
        "Exit codes: 0 all members are well; 3 the team does not run; 4 a member is not well, or its state is unknown."
    )


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    if arguments.alive:
        return _check_alive(team)
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


def _check_alive(team: Team) -> int:
    """Print the silent workers, which only a restart can repair, and return the exit code."""
    status = read_team_status(team)
    if status.pid is None:
        print(describe_not_running(team), file=sys.stderr)
        return ExitCode.NOT_RUNNING
    if status.trouble is not None:
        print(f"teamsup: {sanitize(str(status.trouble))} Nothing is known of the event loops.", file=sys.stderr)
    for row in status.silent:
        print(f"{row.name}: {sanitize(row.note)}")
    return ExitCode.UNWELL if status.silent else ExitCode.DONE


def _show(team: Team, arguments: argparse.Namespace) -> int:
    """Print the status once, and return the exit code."""
    team_status = read_team_status(team)
    rows, trouble, running = team_status.rows, team_status.trouble, team_status.is_running
    if arguments.watch and isinstance(trouble, SchemaTooNew):
        raise trouble
    if arguments.name is not None:
        wanted = match_names(arguments.name, [row.name for row in rows])
        rows = [row for row in rows if row.name in wanted] or _raise_unknown(arguments.name, rows)
    if arguments.json:
        from teamsup.terminal.json_output import print_json

        print_json(team.name, running=running, trouble=None if trouble is None else str(trouble), rows=rows)
    else:
        if arguments.watch and sys.stdout.isatty():
            print(_CLEAR, end="")
        for line in _format_rows(team, rows) if rows else []:
            print(line)
        if arguments.name is not None:
            for crash in rows[0].crashes if len({row.name for row in rows}) == 1 else ():
                print("\n".join(_describe_crash(crash)))
        sys.stdout.flush()
        if not running and trouble is None:
            print(describe_not_running(team), file=sys.stderr)
    if not running:
        if trouble is not None:
            raise trouble
        return ExitCode.NOT_RUNNING
    if trouble is not None:
        print(f"teamsup: {sanitize(str(trouble))}", file=sys.stderr)
    return 0 if trouble is None and all(row.well for row in rows) else ExitCode.UNWELL


def _raise_unknown(name: str, rows: Sequence[ParticipantStatus]) -> list[ParticipantStatus]:
    known = [row.name for row in rows]
    similar = describe_similar(name, known) or f" Known agents: {list_names(known) or 'none yet'}."
    raise UnknownParticipant(f"There is no agent {quote(name)} in this team.{similar}")


def _describe_crash(crash: Crash) -> list[str]:
    """Return the lines about one crash."""
    then = (
        "not started again"
        if crash.next_try_at is None
        else f"started again after {crash.next_try_at - crash.at:.1f} s"
    )
    times = f", {crash.failures} in a row" if crash.failures > 1 else ""
    died = f"it {crash.reason}" if crash.pid is None else f"pid {crash.pid} died: {crash.reason}"
    at = format_moment(datetime.fromtimestamp(crash.at, UTC))
    return ["", f"{at} {died}{times}; {then}", *(f"    {line}" for line in crash.lines)]


def _format_rows(team: Team, rows: Sequence[ParticipantStatus]) -> list[str]:
    cells = [_cells(team, row) for row in rows]
    if not sys.stdout.isatty():
        return [line.rstrip() for line in format_table([_HEADINGS, *cells])]
    fitted = fit_table(cells, terminal_columns())
    if "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return [line for lines in fitted for line in lines]
    colours = [_DIM, *(_colour(row) for row in rows)]
    return [f"{colour}{line}{_RESET}" for colour, lines in zip(colours, fitted, strict=True) for line in lines]


def fit_table(rows: Sequence[Sequence[str]], columns: int) -> list[list[str]]:
    """Return the lines of the headings and of each row, none longer than ``columns``. Pure.

    A column is left out if all its cells are empty, 0 or "-", or if the notes would have too little room. A long note
    continues on the next lines.
    """
    kept = [
        index for index, name in enumerate(_HEADINGS) if name == "NAME" or {row[index] for row in rows} - {"-", "", "0"}
    ]
    for name in _LEFT_OUT_FIRST:
        if _width_of(kept, rows) + _LEAST_NOTE_COLUMNS <= columns:
            break
        kept = [index for index in kept if _HEADINGS[index] != name]
    table = format_table([[each[index] for index in kept] for each in (_HEADINGS, *rows)])
    start = min(_width_of(kept, rows), max(0, columns - 10))
    return [_wrap_note(line.rstrip(), start, columns) for line in table]


def _width_of(kept: Sequence[int], rows: Sequence[Sequence[str]]) -> int:
    """Return the width of the table before the note."""
    others = [index for index in kept if _HEADINGS[index] != "NOTE"]
    return sum(2 + max(len(row[index]) for row in (_HEADINGS, *rows)) for index in others)


def _wrap_note(line: str, start: int, columns: int) -> list[str]:
    """Return the line in parts that fit. Parts after the first begin at the column ``start``."""
    if len(line) <= columns:
        return [line]
    import textwrap

    parts = textwrap.wrap(line[start:], columns - start) or [""]
    if len(parts) > _MOST_NOTE_LINES:
        parts = [*parts[: _MOST_NOTE_LINES - 1], parts[_MOST_NOTE_LINES - 1][: columns - start - 1] + "…"]
    return [f"{line[:start]}{parts[0]}", *(" " * start + part for part in parts[1:])]


def _colour(row: ParticipantStatus) -> str:
    if not row.well:
        return _RED
    return _GREEN if row.state == State.RUNNING else ""


def _cells(team: Team, row: ParticipantStatus) -> tuple[str, ...]:
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
        qualify_hints(team, row.note)
        if row.degraded_seconds is None
        else f"{row.note} (for {format_duration(row.degraded_seconds)})",
    )
    return tuple(sanitize(cell).replace("\n", " ").replace("\t", " ") for cell in cells)
