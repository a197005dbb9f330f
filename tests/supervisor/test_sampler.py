"""The supervisor looks once a minute, and counts what has happened since."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from teamsup.hub import Agent, MessageHub, StoreUnavailable
from teamsup.hub.queries import Queries
from teamsup.hub.tables.traffic import Traffic
from teamsup.status.crash import Crash
from teamsup.status.host_stats import HostStats
from teamsup.status.process_stats import ProcessStats
from teamsup.status.samples import read_finished_rows, read_minutes
from teamsup.status.state_file import TeamState, WorkerState
from teamsup.supervisor.sampler import Observation, Sampler, build_sample

Join = Callable[..., MessageHub]
WORKER = WorkerState("web", "RUNNING", 7, 100.0, 0, "", None, ())
CRASH = Crash(1030.0, 7, "exit code 1", 1, None, ())
BEFORE = Observation(1000.0, 0.0, {"web": (WORKER, ProcessStats(1.0, 9, 4.0))}, HostStats(10.0, 100.0, 40.0), 5)


def after(worker: WorkerState = WORKER, stats: ProcessStats | None = None) -> Observation:
    used = stats or ProcessStats(1.0, 8, 4.6)
    return Observation(1060.0, 60.0, {"web": (worker, used)}, HostStats(30.0, 200.0, 41.0), 12)


def test_a_sample_has_rates_and_quantiles_of_its_minute() -> None:
    waits = tuple(number / 100 for number in range(1, 101))
    sample = build_sample(BEFORE, after(), Traffic(12, 7, waits), [])
    assert (sample.at, sample.messages, sample.reads) == (1060.0, 7.0, 100)
    assert (sample.latency_p50, sample.latency_p99) == (0.5, 0.99)
    assert (sample.cpu_percent, sample.memory_percent) == (20.0, 41.0)
    assert sample.workers["web"].cpu_percent == pytest.approx(1.0)
    assert (sample.oldest_seconds, sample.usd_today) == (0.0, None)


def test_without_the_hub_only_processes_are_known() -> None:
    sample = build_sample(BEFORE, after(), None, None)
    assert (sample.messages, sample.reads, sample.latency_p50, sample.oldest_seconds) == (None,) * 4
    assert sample.workers["web"].memory_bytes == 8


def test_without_a_reading_there_is_no_latency() -> None:
    sample = build_sample(BEFORE, after(), Traffic(12, 0, ()), [])
    assert (sample.messages, sample.reads, sample.latency_p50, sample.latency_p99) == (0.0, 0, None, None)


@pytest.mark.parametrize(
    ("worker", "crashes", "starts"),
    [
        (WORKER, 0, 0),
        (replace(WORKER, pid=8, started_at=1031.0, crashes=(CRASH,)), 1, 0),
        (replace(WORKER, pid=8, started_at=1031.0, crashes=(CRASH, replace(CRASH, at=1040.0))), 2, 0),
        (replace(WORKER, pid=8, started_at=1031.0), 0, 1),
        (replace(WORKER, pid=None, started_at=None), 0, 0),
    ],
)
def test_crashes_and_wanted_starts_are_counted_apart(worker: WorkerState, crashes: int, starts: int) -> None:
    found = build_sample(BEFORE, after(worker), None, None).workers["web"]
    assert (found.crashes, found.starts) == (crashes, starts)


def test_a_new_process_does_not_use_less_than_nothing() -> None:
    new = replace(WORKER, pid=8, started_at=1031.0)
    found = build_sample(BEFORE, after(new, ProcessStats(3.5, 8, 0.2)), None, None).workers["web"]
    assert found.cpu_percent == 3.5


class Known:
    """What a supervisor without workers knows."""

    state = TeamState(os.getpid(), 1.0, ())

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    @property
    def agents(self) -> Mapping[str, Agent]:
        return {agent.name: agent for agent in self._hub.agents()}


@pytest.fixture
def sampler(join: Join) -> Sampler:
    return Sampler(join("supervisor"), Known(join("supervisor")))


def test_a_look_counts_what_was_written_and_read_since_the_last(join: Join, sampler: Sampler) -> None:
    ann, lead, now = join("ann"), join("lead"), time.time()
    ann.send("lead", "before the first look")
    sampler.take(now, 0.0)
    assert read_minutes(ann.team) == []
    for number in range(3):
        ann.send("lead", f"message {number}")
    lead.acknowledge(lead.claim(1)[0])
    sampler.take(now + 60, 60.0)
    (sample,) = read_minutes(ann.team)
    assert (sample.messages, sample.reads, sample.oldest_agent) == (3.0, 1, "lead")
    assert sample.latency_p50 is not None
    assert sample.oldest_seconds == pytest.approx(60, abs=5)
    assert sample.workers["supervisor"].memory_bytes


def test_nothing_is_known_of_the_time_that_a_laptop_slept(sampler: Sampler, join: Join) -> None:
    now = time.time()
    sampler.take(now, 0.0)
    sampler.take(now + 3600, 3600.0)
    assert read_minutes(join("ann").team) == []
    sampler.take(now + 3660, 3660.0)
    assert [sample.seconds for sample in read_minutes(join("ann").team)] == [60.0]


def test_a_row_is_written_once_its_ten_minutes_are_over_also_by_the_next_supervisor(
    sampler: Sampler, join: Join
) -> None:
    start, hub = 1_772_323_200.0, join("ann")
    for minute in range(12):
        sampler.take(start + 60 * minute, 60.0 * minute)
    assert [(row.at - start, row.seconds) for row in read_finished_rows(hub.team)] == [(600.0, 600.0)]
    following = Sampler(join("supervisor"), Known(join("supervisor")))
    for minute in range(14, 22):
        following.take(start + 60 * minute, 60.0 * minute)
    assert [row.at - start for row in read_finished_rows(hub.team)] == [600.0, 1200.0]
    assert [(sample.at - start) / 60 for sample in read_minutes(hub.team)] == [*range(1, 12), *range(15, 22)]


def test_a_hub_that_cannot_be_read_leaves_the_figures_of_the_host(
    sampler: Sampler, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    sampler.take(now, 0.0)

    def fails(*_: object, **__: object) -> None:
        raise StoreUnavailable("It is gone.")

    with monkeypatch.context() as patch:
        patch.setattr(Queries, "traffic", fails)
        sampler.take(now + 60, 60.0)
    sampler.take(now + 120, 120.0)
    sampler.take(now + 180, 180.0)
    found = read_minutes(join("ann").team)
    assert [sample.messages for sample in found] == [None, None, 0.0]
    assert all(sample.memory_percent is not None for sample in found)
