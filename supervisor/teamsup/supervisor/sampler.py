"""Sample the team once a minute: its messages and their waiting times, its processes, its host and its cost."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from teamsup.config.startable_agents import read_cost_today
from teamsup.hub import Agent, MessageHub, StoreError, Team
from teamsup.hub.models import SUPERVISOR
from teamsup.hub.tables.traffic import Traffic
from teamsup.status.host_stats import HostStats, cpu_percent_between, read_host_stats
from teamsup.status.process_stats import ProcessStats, read_stats
from teamsup.status.samples import (
    KEPT_MINUTES,
    MINUTE_SECONDS,
    TeamSample,
    WorkerSample,
    append_rows,
    combine_rows,
    read_finished_rows,
    read_minutes,
    row_number,
    write_minutes,
)
from teamsup.status.state_file import TeamState, WorkerState

SAMPLE_SECONDS = MINUTE_SECONDS
_LONGEST_RATIO = 1.5
"""If the last look is more than this many minutes ago, for example after sleep, the time in between is unknown."""
_BEYOND_ALL = 2**62
"""An ``id`` above all messages, so that the first look does not count messages."""
_FIRST_READINGS = 1000
"""In the first hour, count the readings of at most this many earlier messages."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The facts of one look. Differences between two looks make a sample. ``at`` is in Unix seconds."""

    at: float
    moment: float
    """Monotonic seconds. A change of the clock does not affect them, and they stop while the machine sleeps."""
    workers: Mapping[str, tuple[WorkerState, ProcessStats | None]]
    host: HostStats | None
    newest: int | None = None
    """The ``id`` of the newest message, or None if the hub could not be read."""


class KnownTeam(Protocol):
    """The team as the supervisor already knows it."""

    @property
    def state(self) -> TeamState:
        """The supervisor and its workers."""

    @property
    def agents(self) -> Mapping[str, Agent]:
        """The agents by name, as they were some seconds ago."""


class Sampler:
    """Keeps the samples of an hour in memory, and writes them. ``team`` contains the facts that the supervisor already
    has.
    """

    def __init__(self, hub: MessageHub, team: KnownTeam) -> None:
        self._hub = hub
        self._known = team
        self._before: Observation | None = None
        self._newest_ids: list[int] = []
        self._samples: list[TeamSample] | None = None
        self._written = -1

    async def sample(self) -> None:
        """Take the sample of the last minute, in a thread. Raise OSError if it cannot be written."""
        await asyncio.to_thread(self.take, time.time(), time.monotonic())

    def take(self, now: float, moment: float) -> None:
        """Take the sample of the minute before ``now``. Raise OSError if it cannot be written."""
        before, team = self._before, self._hub.team
        traffic = self._read_traffic(now)
        newest = None if traffic is None else traffic.newest
        state, agents = self._known.state, None if traffic is None else [*self._known.agents.values()]
        itself = WorkerState(SUPERVISOR, "RUNNING", state.pid, state.started_at, 0, "", None, ())
        workers = {
            each.name: (each, None if each.pid is None else read_stats(each.pid)) for each in (itself, *state.workers)
        }
        self._before = Observation(now, moment, workers, read_host_stats(), newest)
        if newest is not None:
            self._newest_ids = [*self._newest_ids, newest][-KEPT_MINUTES:]
        if self._samples is None:
            self._samples, self._written = _read_written(team)
        if before is None or not 0 < moment - before.moment <= _LONGEST_RATIO * MINUTE_SECONDS:
            return
        counted = traffic if before.newest is not None else None
        sample = build_sample(before, self._before, counted, agents)
        kept = [each for each in self._samples if now - KEPT_MINUTES * MINUTE_SECONDS - 1 <= each.at < now]
        self._samples = [*kept, sample]
        write_minutes(team, self._samples)
        self._write_rows(team, row_number(sample))

    def _read_traffic(self, now: float) -> Traffic | None:
        """Return the traffic since the last look, or None if the hub cannot be read."""
        before = self._before
        after = before.newest if before is not None and before.newest is not None else _BEYOND_ALL
        oldest = self._newest_ids[0] if len(self._newest_ids) >= KEPT_MINUTES else after - _FIRST_READINGS
        since = datetime.fromtimestamp(now if before is None else before.at, UTC)
        try:
            return self._hub.queries.traffic(after=after, oldest=oldest, since=since)
        except StoreError:
            return None

    def _write_rows(self, team: Team, present: int) -> None:
        """Write the rows of all ten-minute spans that are over. After an error the next sample tries again."""
        over = [each for each in self._samples or () if self._written < row_number(each) < present]
        if over:
            append_rows(team, combine_rows(over))
            self._written = row_number(over[-1])


def build_sample(
    before: Observation, now: Observation, traffic: Traffic | None, agents: Sequence[Agent] | None
) -> TeamSample:
    """Return the sample of the time between two looks. Pure."""
    seconds = now.moment - before.moment
    waits = () if traffic is None else sorted(traffic.wait_seconds)
    oldest, agent = (None, "") if agents is None else _find_oldest(agents, now.at)
    return TeamSample(
        now.at,
        seconds,
        None if traffic is None else traffic.messages * 60 / seconds,
        None if traffic is None else len(waits),
        _quantile(waits, 0.5),
        _quantile(waits, 0.99),
        oldest,
        agent,
        cpu_percent_between(before.host, now.host),
        None if now.host is None else now.host.memory_percent,
        None if agents is None else read_cost_today(agents, datetime.fromtimestamp(now.at, UTC)),
        {
            name: _sample_worker(before.workers.get(name), state, stats, seconds)
            for name, (state, stats) in now.workers.items()
        },
    )


def _sample_worker(
    before: tuple[WorkerState, ProcessStats | None] | None,
    state: WorkerState,
    stats: ProcessStats | None,
    seconds: float,
) -> WorkerSample:
    crashes, starts, cpu = 0, 0, None if stats is None else stats.cpu_percent
    if before is not None:
        earlier, earlier_stats = before
        known = earlier.crashes[-1].at if earlier.crashes else -math.inf
        crashes = sum(crash.at > known for crash in state.crashes)
        is_new = state.pid is not None and (state.pid, state.started_at) != (earlier.pid, earlier.started_at)
        starts = int(is_new and not crashes)
        if not is_new and stats is not None and earlier_stats is not None:
            cpu = 100 * max(0.0, stats.cpu_seconds - earlier_stats.cpu_seconds) / seconds
    return WorkerSample(cpu, None if stats is None else stats.memory_bytes, crashes, starts)


def _find_oldest(agents: Sequence[Agent], now: float) -> tuple[float, str]:
    """Return the age of the oldest unread message, and its agent. Leave out consoles, because people are
    not measured.
    """
    ages = [
        (max(0.0, now - agent.oldest_unread.timestamp()), agent.name)
        for agent in agents
        if agent.oldest_unread is not None and agent.kind != "console"
    ]
    return max(ages, default=(0.0, ""))


def _quantile(values: Sequence[float], share: float) -> float | None:
    """Return the quantile of a share. This share of the values does not exceed it."""
    return values[max(0, math.ceil(share * len(values)) - 1)] if values else None


def _read_written(team: Team) -> tuple[list[TeamSample], int]:
    """Return the samples of an earlier supervisor, and the number of its last row."""
    rows = read_finished_rows(team)
    return read_minutes(team), row_number(rows[-1]) if rows else -1
