"""``teamsup ps``: the supervisor, its workers and the agents, and how each of them is."""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from teamsup.hub import Agent, CallerError, MessageHub, StoreError, Team
from teamsup.hub.messages import DEGRADED, NOT_CONFIGURED, OFFLINE, PRESENT_SECONDS, SUPERVISOR
from teamsup.hub.wording import duration, printable

from ..deaths import Death
from ..degradation import degradation
from ..lifecycle import State, is_done
from ..state_file import TeamState, WorkerState, holder, not_running, read
from ..usage import usage_of

EXIT_NOT_RUNNING = 3
EXIT_UNWELL = 4
_HEADINGS = ("NAME", "STATE", "PID", "UPTIME", "RESTARTS", "HEARTBEAT", "CPU %", "MEMORY", "UNREAD", "OLDEST", "NOTE")
_WELL = (State.STARTING, State.RUNNING, State.STOPPED)
_DEGRADED, _UNKNOWN = DEGRADED.upper(), "unknown"
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
    degraded_seconds: float | None = None
    """Since when it runs and cannot do its work; None also where that is not known."""
    deaths: tuple[Death, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this one, with its last deaths")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the same for programs")
    form.add_argument("--watch", action="store_true", help="show it anew every second, until Ctrl-C")
    parser.epilog = "Exit code 0: all well, 3: the team is not running, 4: somebody is not well, or that is not known."


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    code = _show(team, arguments)
    while arguments.watch:
        time.sleep(_WATCH_SECONDS)
        try:
            code = _show(team, arguments)
        except StoreError as error:
            print(f"teamsup: {printable(str(error))}", file=sys.stderr)
    return code


def _show(team: Team, arguments: argparse.Namespace) -> int:
    """Look once and print it; the exit code."""
    agents: dict[str, Agent] = {}
    undeliverable: dict[str, int] = {}
    trouble: StoreError | None = None
    pid = holder(team)
    running = pid is not None
    try:
        if team.database.exists():
            with MessageHub(team) as hub:
                agents = {agent.name: agent for agent in hub.agents()}
                undeliverable = hub.undeliverable()
        elif running:
            raise StoreError(f"{team.database} is gone.")
    except StoreError as error:
        trouble = error
    state = read(team)
    rows = _rows(_workers(state, pid), agents, undeliverable, trouble)
    if state is not None and state.trouble_since is not None and running:
        rows[0] = replace(rows[0], degraded_seconds=max(0.0, time.time() - state.trouble_since))
    if arguments.name is not None:
        rows = [row for row in rows if row.name == arguments.name.lower()] or _unknown(arguments.name, rows)
    if arguments.json:
        why = None if trouble is None else str(trouble)
        report = {"team": team.name, "running": running, "trouble": why, "rows": [asdict(row) for row in rows]}
        print(json.dumps(report, indent=2))
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
    if not running:
        if trouble is not None:
            raise trouble
        return EXIT_NOT_RUNNING
    if trouble is not None:
        print(f"teamsup: {printable(str(trouble))}", file=sys.stderr)
    return 0 if trouble is None and all(row.well for row in rows) else EXIT_UNWELL


def _unknown(name: str, rows: Sequence[Row]) -> list[Row]:
    known = ", ".join(row.name for row in rows) or "none yet"
    raise UnknownName(f"Nobody named {name!r} is in this team; known are: {known}.")


def _workers(state: TeamState | None, pid: int | None) -> tuple[WorkerState, ...]:
    """The supervisor, which runs if it has a pid, and its workers."""
    if pid is None:
        workers = () if state is None else (_itself(state), *state.workers)
        return tuple(replace(each, state=State.STOPPED, pid=None, started_at=None, reason="") for each in workers)
    if state is None:
        reason = "it runs, and what it has published cannot be read"
        return (WorkerState(SUPERVISOR, _UNKNOWN, pid, None, 0, reason, PRESENT_SECONDS, ()),)
    return (_itself(state), *state.workers)


def _itself(state: TeamState) -> WorkerState:
    shown = _DEGRADED if state.trouble else State.RUNNING
    return WorkerState(SUPERVISOR, shown, state.pid, state.started_at, 0, state.trouble, PRESENT_SECONDS, ())


def _rows(
    workers: Sequence[WorkerState],
    agents: Mapping[str, Agent],
    undeliverable: Mapping[str, int],
    trouble: StoreError | None,
) -> list[Row]:
    """The supervisor and its workers first, then agents, then names for which messages wait that nobody has."""
    names = {worker.name for worker in workers}
    others = [agent for agent in agents.values() if agent.name not in names and agent.kind != "console"]
    return [
        *(_worker_row(worker, agents.get(worker.name), trouble) for worker in workers),
        *(_agent_row(agent) for agent in others),
        *(_undeliverable_row(name, count) for name, count in undeliverable.items()),
    ]


def _worker_row(worker: WorkerState, agent: Agent | None, trouble: StoreError | None) -> Row:
    now = datetime.now(UTC)
    usage = usage_of(worker.pid) if worker.pid is not None else None
    state, note, well = _condition(worker, agent, now, is_alive=usage is not None, trouble=trouble)
    return Row(
        name=worker.name,
        kind="supervisor" if worker.name == SUPERVISOR else "daemon",
        state=state,
        pid=worker.pid,
        uptime_seconds=None if worker.started_at is None else max(0.0, time.time() - worker.started_at),
        restarts=worker.restarts,
        heartbeat_age_seconds=_age(agent.last_heartbeat if agent else None, now) if worker.pid is not None else None,
        cpu_percent=usage.cpu_percent if usage else None,
        memory_bytes=usage.memory_bytes if usage else None,
        unread=0 if agent is None else agent.unread,
        oldest_unread_seconds=_age(agent.oldest_unread if agent else None, now),
        note=note,
        well=well,
        degraded_seconds=_age(agent.degraded_since, now) if agent is not None and state == _DEGRADED else None,
        deaths=worker.deaths,
    )


def _condition(
    worker: WorkerState, agent: Agent | None, now: datetime, *, is_alive: bool, trouble: StoreError | None
) -> tuple[str, str, bool]:
    """A worker's state, the reason or its own note, and whether it is well. What is not known is not well."""
    own = agent.note if agent is not None and worker.state in (State.RUNNING, State.EXITED) else ""
    if worker.state == State.EXITED and worker.reason == NOT_CONFIGURED:
        return NOT_CONFIGURED, own or worker.reason, agent is not None and bool(agent.metadata.get("optional"))
    if worker.next_try_at is not None:
        return worker.state, f"{worker.reason}; next try in {duration(worker.next_try_at - time.time())}", False
    if worker.state not in _WELL:
        return worker.state, own or worker.reason, is_done(worker.state, worker.reason)
    if worker.pid is not None and not is_alive:
        # With a full disk the supervisor cannot publish a death.
        return _UNKNOWN, f"its process is gone, and its state was {worker.state}", False
    if worker.state == State.RUNNING:
        if reason := degradation(worker, agent, now):
            return _DEGRADED, reason, False
        deadline = worker.heartbeat_seconds
        if deadline is not None and (silence := _silence(agent, now, deadline, trouble)):
            return _UNKNOWN, silence, False
    return worker.state, own or worker.reason, True


def _silence(agent: Agent | None, now: datetime, deadline: float, trouble: StoreError | None) -> str:
    """Why it is not known whether somebody works who should send heartbeats; empty: it is."""
    if trouble is not None:
        return "its heartbeats cannot be read"
    if agent is None or agent.last_heartbeat is None:
        return "no heartbeat has come"
    age = (now - agent.last_heartbeat).total_seconds()
    if age < -PRESENT_SECONDS:
        return f"its last heartbeat is {duration(-age)} ahead of the clock"
    return f"no heartbeat for {duration(age)}" if age > deadline else ""


def _agent_row(agent: Agent) -> Row:
    now = datetime.now(UTC)
    is_present, beat = agent.is_present(now), agent.last_heartbeat
    state, note, well = (agent.status if is_present else OFFLINE), agent.note, True
    if not is_present and agent.degraded:
        note = f"degraded when last seen: {note}"
    if agent.degraded and is_present:
        state, well = _DEGRADED, False
    elif not is_present and agent.status != OFFLINE and beat is not None and beat > now:
        state, note, well = _UNKNOWN, _silence(agent, now, PRESENT_SECONDS, None), False
    return Row(
        name=agent.name,
        kind=agent.kind,
        state=state,
        pid=None,
        uptime_seconds=None,
        restarts=None,
        heartbeat_age_seconds=_age(beat, now),
        cpu_percent=None,
        memory_bytes=None,
        unread=agent.unread,
        oldest_unread_seconds=_age(agent.oldest_unread, now),
        note=note,
        well=well,
        degraded_seconds=_age(agent.degraded_since, now) if is_present else None,
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
        row.note if row.degraded_seconds is None else f"{row.note} (for {duration(row.degraded_seconds)})",
    )
    return tuple(printable(cell).replace("\n", " ").replace("\t", " ") for cell in cells)
