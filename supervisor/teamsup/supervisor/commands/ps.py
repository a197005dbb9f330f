"""``teamsup ps``: the supervisor, its workers and the agents, and how each of them is."""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import psutil

from teamsup.hub import Agent, MessageHub, StoreError, Team
from teamsup.hub.messages import NOT_CONFIGURED, OFFLINE, SUPERVISOR
from teamsup.hub.wording import duration, printable

from ..lifecycle import State
from ..state_file import TeamState, WorkerState, holder, not_running, read

EXIT_NOT_RUNNING = 3
EXIT_UNWELL = 4
_HEADINGS = ("NAME", "STATE", "PID", "UPTIME", "RESTARTS", "HEARTBEAT", "CPU %", "MEMORY", "UNREAD", "NOTE")


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
    note: str
    well: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the same for programs")
    parser.epilog = "Exit code 0: all well, 3: the team is not running, 4: somebody is unwell."


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
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
    if arguments.json:
        print(json.dumps({"team": team.name, "running": running, "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        for line in _table(rows) if rows else []:
            print(_fitted(line) if sys.stdout.isatty() else line)
        if not running and trouble is None:
            print(not_running(team), file=sys.stderr)
    if trouble is not None:
        raise trouble
    if not running:
        return EXIT_NOT_RUNNING
    return 0 if all(row.well for row in rows) else EXIT_UNWELL


def _rows(
    state: TeamState | None, agents: Mapping[str, Agent], undeliverable: Mapping[str, int], *, running: bool
) -> list[Row]:
    """The supervisor and its workers first, then agents, then names for which messages wait that nobody has."""
    workers: tuple[WorkerState, ...] = ()
    if state is not None:
        workers = (WorkerState(SUPERVISOR, State.RUNNING, state.pid, state.started_at, 0, ""), *state.workers)
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
    cpu, memory = _usage(worker.pid)
    not_configured = worker.state == State.EXITED and worker.reason == NOT_CONFIGURED
    silent = worker.state == State.RUNNING and (agent is None or not agent.is_present(now))
    return Row(
        name=worker.name,
        kind="supervisor" if worker.name == SUPERVISOR else "daemon",
        state=NOT_CONFIGURED if not_configured else worker.state,
        pid=worker.pid,
        uptime_seconds=None if worker.started_at is None else max(0.0, time.time() - worker.started_at),
        restarts=worker.restarts,
        heartbeat_age_seconds=_age(agent, now) if worker.pid is not None else None,
        cpu_percent=cpu,
        memory_bytes=memory,
        unread=0 if agent is None else agent.unread,
        note=(agent.note if agent is not None and worker.state != State.STOPPED else "") or worker.reason,
        well=not_configured or (worker.state in (State.STARTING, State.RUNNING, State.STOPPED) and not silent),
    )


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
        heartbeat_age_seconds=_age(agent, now),
        cpu_percent=None,
        memory_bytes=None,
        unread=agent.unread,
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
        note="nobody of that name has taken part yet",
        well=True,
    )


def _age(agent: Agent | None, now: datetime) -> float | None:
    if agent is None or agent.last_heartbeat is None:
        return None
    return max(0.0, (now - agent.last_heartbeat).total_seconds())


def _usage(pid: int | None) -> tuple[float | None, int | None]:
    """CPU per cent over the process's life, and resident bytes."""
    if pid is None:
        return None, None
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            life = max(0.01, time.time() - process.create_time())
            return round(100 * (times.user + times.system) / life, 1), process.memory_info().rss
    except psutil.Error:
        return None, None


def _fitted(line: str) -> str:
    width = shutil.get_terminal_size().columns
    return line if len(line) <= width else line[: width - 1] + "…"


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


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
        row.note,
    )
    return tuple(printable(cell).replace("\n", " ").replace("\t", " ") for cell in cells)
