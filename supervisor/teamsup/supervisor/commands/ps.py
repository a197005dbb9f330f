"""``teamsup ps``: the supervisor, its workers and the agents, and how each of them is."""

import argparse
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from teamsup.hub import Agent, CallerError, MessageHub, StoreError, Team
from teamsup.hub.messages import NOT_CONFIGURED, OFFLINE, PRESENT_SECONDS, SUPERVISOR
from teamsup.hub.wording import duration, printable

from ..deaths import Death
from ..lifecycle import State, is_done
from ..state_file import TeamState, WorkerState, holder, not_running, read
from ..usage import usage_of

EXIT_NOT_RUNNING = 3
EXIT_UNWELL = 4
_HEADINGS = ("NAME", "STATE", "PID", "UPTIME", "RESTARTS", "HEARTBEAT", "CPU %", "MEMORY", "UNREAD", "OLDEST", "NOTE")
_WELL = (State.STARTING, State.RUNNING, State.STOPPED)
_WATCH_SECONDS = 1.0
_CLEAR = "\x1b[H\x1b[J"
_RED, _GREEN, _DIM, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[2m", "\x1b[0m"


class UnknownName(CallerError):
    """Nobody of that name is there to be shown."""

    exit_code = os.EX_NOUSER


@dataclass(frozen=True, slots=True)
class Row:
    """One participant. ``cpu_percent`` is the average of its life, of one core; None is unknown."""

    name: str
    kind: str
    state: str
    pid: int | None
    uptime_seconds: float | None
    restarts: int | None
    heartbeat_age_seconds: float | None
    cpu_percent: float | None
    memory_bytes: int | None
    unread: int
    oldest_unread_seconds: float | None
    note: str
    well: bool
    deaths: tuple[Death, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this one, with its last deaths")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the same for programs")
    form.add_argument("--watch", action="store_true", help="show it anew every second, until Ctrl-C")
    parser.epilog = "Exit code 0: all well, 3: the team is not running, 4: somebody is unwell."


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    code = _show(team, arguments)
    while arguments.watch:
        time.sleep(_WATCH_SECONDS)
        with contextlib.suppress(StoreError):
            code = _show(team, arguments)
    return code


def _show(team: Team, arguments: argparse.Namespace) -> int:
    """Look once and print it; the exit code."""
    agents: dict[str, Agent] = {}
    undeliverable: dict[str, int] = {}
    trouble: StoreError | None = None
    if team.database.exists():
        try:
            with MessageHub(team) as hub:
                agents = {agent.name: agent for agent in hub.agents()}
                undeliverable = hub.undeliverable()
        except StoreError as error:
            trouble = error
    running = holder(team) is not None
    rows = _rows(read(team), agents, undeliverable, running=running)
    if arguments.name is not None:
        rows = [row for row in rows if row.name == arguments.name.lower()] or _unknown(arguments.name, rows)
    if arguments.json:
        print(json.dumps({"team": team.name, "running": running, "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        if arguments.watch and sys.stdout.isatty():
            print(_CLEAR, end="")
        for line in _table(rows) if rows else []:
            print(line)
        if arguments.name is not None:
            for death in rows[0].deaths:
                print("\n".join(_told(death)))
        sys.stdout.flush()
        if not running and trouble is None:
            print(not_running(team), file=sys.stderr)
    if trouble is not None:
        raise trouble
    if not running:
        return EXIT_NOT_RUNNING
    return 0 if all(row.well for row in rows) else EXIT_UNWELL


def _unknown(name: str, rows: Sequence[Row]) -> list[Row]:
    known = ", ".join(row.name for row in rows) or "none yet"
    raise UnknownName(f"Nobody named {name!r} is in this team; known are: {known}.")


def _rows(
    state: TeamState | None, agents: Mapping[str, Agent], undeliverable: Mapping[str, int], *, running: bool
) -> list[Row]:
    """The supervisor and its workers first, then agents, then names for which messages wait that nobody has."""
    workers: tuple[WorkerState, ...] = ()
    if state is not None:
        itself = WorkerState(SUPERVISOR, State.RUNNING, state.pid, state.started_at, 0, "", PRESENT_SECONDS, ())
        workers = (itself, *state.workers)
    if not running:
        workers = tuple(replace(worker, state=State.STOPPED, pid=None, started_at=None) for worker in workers)
    names = {worker.name for worker in workers}
    others = [agent for agent in agents.values() if agent.name not in names and agent.kind != "console"]
    return [
        *(_worker_row(worker, agents.get(worker.name)) for worker in workers),
        *(_agent_row(agent) for agent in others),
        *(_undeliverable_row(name, count) for name, count in undeliverable.items()),
    ]


def _worker_row(worker: WorkerState, agent: Agent | None) -> Row:
    now = datetime.now(UTC)
    usage = usage_of(worker.pid) if worker.pid is not None else None
    not_configured = worker.state == State.EXITED and worker.reason == NOT_CONFIGURED
    # With a full disk the supervisor cannot publish a death.
    dead = worker.pid is not None and usage is None
    age = _age(agent.last_heartbeat if agent else None, now)
    deadline = worker.heartbeat_seconds
    silent = worker.state == State.RUNNING and deadline is not None and (age is None or age > deadline)
    return Row(
        name=worker.name,
        kind="supervisor" if worker.name == SUPERVISOR else "daemon",
        state=NOT_CONFIGURED if not_configured else worker.state,
        pid=worker.pid,
        uptime_seconds=None if worker.started_at is None else max(0.0, time.time() - worker.started_at),
        restarts=worker.restarts,
        heartbeat_age_seconds=age if worker.pid is not None else None,
        cpu_percent=usage.cpu_percent if usage else None,
        memory_bytes=usage.memory_bytes if usage else None,
        unread=0 if agent is None else agent.unread,
        oldest_unread_seconds=_age(agent.oldest_unread if agent else None, now),
        note=_note(worker, agent),
        well=not_configured
        or is_done(worker.state, worker.reason)
        or (worker.state in _WELL and not silent and not dead),
        deaths=worker.deaths,
    )


def _note(worker: WorkerState, agent: Agent | None) -> str:
    if worker.next_try_at is not None:
        return f"{worker.reason}; next try in {duration(worker.next_try_at - time.time())}"
    own = agent.note if agent is not None and worker.state in (State.RUNNING, State.EXITED) else ""
    return own or worker.reason


def _agent_row(agent: Agent) -> Row:
    now = datetime.now(UTC)
    present = agent.is_present(now)
    return Row(
        name=agent.name,
        kind=agent.kind,
        state=agent.status if present else OFFLINE,
        pid=None,
        uptime_seconds=None,
        restarts=None,
        heartbeat_age_seconds=_age(agent.last_heartbeat, now),
        cpu_percent=None,
        memory_bytes=None,
        unread=agent.unread,
        oldest_unread_seconds=_age(agent.oldest_unread, now),
        note=agent.note,
        well=True,
    )


def _undeliverable_row(name: str, count: int) -> Row:
    return Row(
        name=name,
        kind="unknown",
        state="undeliverable",
        pid=None,
        uptime_seconds=None,
        restarts=None,
        heartbeat_age_seconds=None,
        cpu_percent=None,
        memory_bytes=None,
        unread=count,
        oldest_unread_seconds=None,
        note="nobody of that name has taken part yet",
        well=True,
    )


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else max(0.0, (now - moment).total_seconds())


def _told(death: Death) -> list[str]:
    """One death, for people."""
    at = datetime.fromtimestamp(death.at).astimezone().isoformat(" ", "seconds")
    then = (
        "not started again"
        if death.next_try_at is None
        else f"started again after {death.next_try_at - death.at:.1f} s"
    )
    times = f", {death.failures} in a row" if death.failures > 1 else ""
    who = "it" if death.pid is None else f"pid {death.pid}"
    return ["", f"{at} {who} died: {death.reason}{times}; {then}", *(f"    {line}" for line in death.lines)]


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    plain = ["  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    if not sys.stdout.isatty():
        return plain
    columns = shutil.get_terminal_size().columns
    fitted = [line if len(line) <= columns else line[: columns - 1] + "…" for line in plain]
    if "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return fitted
    colours = [_DIM, *(_colour(row) for row in rows)]
    return [f"{colour}{line}{_PLAIN}" for colour, line in zip(colours, fitted, strict=True)]


def _colour(row: Row) -> str:
    if not row.well:
        return _RED
    return _GREEN if row.state == State.RUNNING else ""


def _cells(row: Row) -> tuple[str, ...]:
    def shown(value: object, text: str) -> str:
        return "-" if value is None else text

    cells = (
        row.name,
        row.state,
        shown(row.pid, str(row.pid)),
        shown(row.uptime_seconds, duration(row.uptime_seconds or 0)),
        shown(row.restarts, str(row.restarts)),
        shown(row.heartbeat_age_seconds, duration(row.heartbeat_age_seconds or 0)),
        shown(row.cpu_percent, f"{row.cpu_percent or 0:.1f}"),
        shown(row.memory_bytes, f"{(row.memory_bytes or 0) / 2**20:.0f} MiB"),
        str(row.unread),
        shown(row.oldest_unread_seconds, duration(row.oldest_unread_seconds or 0)),
        row.note,
    )
    return tuple(printable(cell).replace("\n", " ").replace("\t", " ") for cell in cells)
