"""What follows a fault of ours: no run starts past its limits, and nothing that people are asked is lost."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from teamsup.config.loader import Config
from teamsup.hub import MessageHub, OptionalNotConfigured, StoreError, Team
from teamsup.workers.agent_runner import agent_runner
from teamsup.workers.agent_runner.agent_runner import AgentRunner
from teamsup.workers.agent_runner.processes import run_process
from teamsup.workers.agent_runner.processes.run_follower import RunFollower
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.sections import AgentSection

NOW = 1_800_000_000.0


class FaultyFollower:
    """Follows a run as far as a test says, and fails the first time."""

    def __init__(self, act: Callable[[Run], object]) -> None:
        self.act = act
        self.followed: list[str] = []
        self.asked: list[str] = []

    async def follow(self, run: Run) -> None:
        self.followed.append(run.state)
        if len(self.followed) == 1:
            self.act(run)
            raise OSError("no space left")

    def ask_people(self, run: Run) -> None:
        self.asked.append(run.state)

    async def end_if_stopped(self, run: Run) -> None:
        pass


class FollowingHarness:
    """agent-runner with a running run of ``gcp``; no process is started."""

    def __init__(self, hub: MessageHub) -> None:
        hub.register("daemon")
        hub.enroll("gcp")
        self.runner = AgentRunner(hub, Config(hub.team, {"agent": {"gcp": {"start": ["message"]}}}))
        self.table = self.runner._table
        planned = self.table.insert("gcp", Cause("schedule", "tick"), NOW)
        started = self.table.record_start(planned, "mark", NOW)
        assert started is not None
        self.run = started

    async def follow(self, follower: FaultyFollower | RunFollower) -> None:
        self.runner._follower = follower  # type: ignore[assignment]
        task = asyncio.current_task()
        assert task is not None
        self.runner._followed[self.run.id] = task
        await self.runner._follow_to_end(self.run)
        assert self.runner._followed == {}


@pytest.fixture
def harness(team: Team, monkeypatch: pytest.MonkeyPatch) -> Iterator[FollowingHarness]:
    monkeypatch.setattr(agent_runner, "_AFTER_FAULT_SECONDS", 0.0)
    monkeypatch.setattr(agent_runner, "_RETRY_SECONDS", 0.0)
    with MessageHub(team, agent="agent-runner") as hub:
        harness = FollowingHarness(hub)
        yield harness
        harness.runner._close_hubs()


@pytest.mark.parametrize("state", ["planned", "done", "stopped"])
async def test_after_a_fault_a_run_without_a_process_is_left_to_the_dispatcher(
    harness: FollowingHarness, state: str
) -> None:
    follower = FaultyFollower(lambda run: harness.table.update(run, state=state))
    await harness.follow(follower)
    assert (follower.followed, follower.asked) == (["running"], [])


@pytest.mark.parametrize("state", ["parked", "unknown"])
async def test_after_a_fault_people_are_asked_and_nothing_is_started(harness: FollowingHarness, state: str) -> None:
    follower = FaultyFollower(lambda run: harness.table.update(run, state=state))
    await harness.follow(follower)
    assert (follower.followed, follower.asked) == (["running"], [state])


async def test_after_a_fault_a_process_is_followed_again(harness: FollowingHarness) -> None:
    follower = FaultyFollower(lambda _: None)
    await harness.follow(follower)
    assert follower.followed == ["running", "running"]


async def test_a_store_that_cannot_be_read_after_a_fault_ends_nothing(
    harness: FollowingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: Iterator[StoreError | Run] = iter([StoreError("busy"), harness.run])

    def get(_: int) -> Run:
        answer = next(answers)
        if isinstance(answer, StoreError):
            raise answer
        return answer

    monkeypatch.setattr(harness.table, "get", get)
    follower = FaultyFollower(lambda _: None)
    await harness.follow(follower)
    assert follower.followed == ["running", "running"]


def test_a_report_that_cannot_be_stored_does_not_stop_a_run(
    harness: FollowingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(*_: object) -> None:
        raise StoreError("busy")

    monkeypatch.setattr(harness.runner._presence_of_runs, "report", report)
    harness.runner._report(harness.run, "")


async def test_a_start_that_the_system_refuses_keeps_the_decision_of_people(
    harness: FollowingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError("too many processes")

    monkeypatch.setattr(run_process, "spawn", refuse)
    harness.runner._settings.agents = {"gcp": AgentSection(command=("true",))}
    directory = harness.runner._settings.directory("gcp")
    planned = harness.table.update(harness.run, state="planned", is_decided=True, directory=directory)

    await harness.runner._follower.follow(planned)

    found = harness.table.get(planned.id)
    assert found is not None
    assert (found.state, found.starts, found.is_decided) == ("planned", 2, True)
    assert "too many processes" in found.reason


@pytest.mark.parametrize("state", ["planned", "parked", "unknown"])
@pytest.mark.parametrize("is_faulty", [False, True], ids=["at the end of its task", "after a fault"])
async def test_a_stop_is_not_lost_when_the_process_has_just_ended(
    harness: FollowingHarness, monkeypatch: pytest.MonkeyPatch, state: str, is_faulty: bool
) -> None:
    async def follow(run: Run) -> None:
        harness.table.update(run, state=state)
        harness.runner._loop = asyncio.get_running_loop()
        assert await asyncio.to_thread(harness.runner._request_stop, run.id, "ann stopped it")
        if is_faulty:
            raise OSError("no space left")

    monkeypatch.setattr(harness.runner._follower, "follow", follow)
    await harness.follow(harness.runner._follower)

    found = harness.table.get(harness.run.id)
    assert found is not None
    assert (found.state, found.reason) == ("stopped", "ann stopped it")


async def test_a_run_without_a_task_is_not_said_to_be_followed(harness: FollowingHarness) -> None:
    harness.runner._loop = asyncio.get_running_loop()
    assert not await asyncio.to_thread(harness.runner._request_stop, harness.run.id, "ann stopped it")


@pytest.mark.parametrize(
    ("state", "then"),
    [("planned", "stopped"), ("parked", "stopped"), ("unknown", "stopped"), ("running", "running")],
)
def test_a_run_whose_section_was_removed_ends_unless_it_has_a_process(
    harness: FollowingHarness, state: str, then: str
) -> None:
    harness.table.update(harness.run, state=state)
    harness.runner._settings.agents = {"oci": AgentSection()}
    taken_over = harness.runner._take_over()
    found = harness.table.get(harness.run.id)
    assert found is not None
    assert found.state == then
    assert [run.id for run in taken_over] == ([harness.run.id] if then == "running" else [])


async def test_the_end_of_a_process_whose_section_was_removed_ends_its_run(harness: FollowingHarness) -> None:
    harness.runner._settings.agents = {"oci": AgentSection()}
    harness.table.update(harness.run, state="parked")

    async with asyncio.TaskGroup() as tasks:
        await harness.runner._dispatch(tasks)

    found = harness.table.get(harness.run.id)
    assert found is not None
    assert (found.state, found.reason) == ("stopped", "its section was removed")


def test_the_removal_of_the_last_section_ends_all_runs(harness: FollowingHarness) -> None:
    with pytest.raises(OptionalNotConfigured):
        AgentRunner(harness.runner.hub, Config(harness.runner.hub.team, {}))
    found = harness.table.get(harness.run.id)
    assert found is not None
    assert found.state == "stopped"


async def test_a_run_under_way_is_judged_by_the_program_that_began_it(harness: FollowingHarness) -> None:
    harness.runner._settings.agents = {"gcp": AgentSection(command=("true",))}
    directory = harness.runner._settings.directory("gcp")
    planned = harness.table.update(harness.run, state="planned", directory=directory)
    follower = harness.runner._follower

    started = await follower._start(planned)
    assert started is not None
    run, process = started
    assert process is not None
    await run_process.wait_ended(process)
    harness.runner._settings.agents = {"gcp": AgentSection()}
    follower._conclude(run)

    found = harness.table.get(planned.id)
    assert found is not None
    assert (found.state, found.program) == ("done", "command")


async def test_another_program_does_not_go_on_with_a_run(harness: FollowingHarness) -> None:
    harness.runner._settings.agents = {"gcp": AgentSection(command=("true",))}
    directory = harness.runner._settings.directory("gcp")
    planned = harness.table.update(harness.run, state="planned", program="claude", directory=directory)

    await harness.runner._follower.follow(planned)

    found = harness.table.get(planned.id)
    assert found is not None
    assert (found.state, found.starts, found.reason) == ("failed", 1, "its program was changed while it was under way")
