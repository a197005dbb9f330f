"""What is started now: sessions that go on, ticks that were missed, and who learns why something waits."""

from collections.abc import Callable
from typing import Any

import pytest

from teamsup.config.loader import Config
from teamsup.hub import MessageHub, Team
from teamsup.workers.agent_runner.processes.agent_settings import AgentSettings
from teamsup.workers.agent_runner.run_table import AgentPause, RunTable
from teamsup.workers.agent_runner.starts.dispatcher import Dispatch, Dispatcher

BEGIN = 1_800_000_000.0


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now


class DispatcherHarness:
    """A dispatcher for ``gcp``, a person and another agent."""

    def __init__(self, team: Team, join: Callable[..., MessageHub], clock: Clock, **keys: object) -> None:
        self.clock = clock
        self.ann = join("console-ann", clock=clock)
        self.ann.register("console")
        self.runner = join("agent-runner", registers=False, clock=clock)
        self.gcp = join("gcp", registers=False, clock=clock)
        self.join = join
        self.ann.enroll("gcp")
        self.table = RunTable(self.runner)
        settings = AgentSettings(team, Config(team, {"agent": {"gcp": {"start": ["message"], **keys}}}))
        self.dispatcher = Dispatcher(self.runner, settings, lambda _: self.gcp, clock)

    def look(self) -> Dispatch:
        return self.dispatcher.look(set())

    def finish_run(self, **changes: object) -> None:
        """End the newest run, and its message."""
        run = self.table.latest()[0]
        for delivery in self.gcp.queries.peek(1):
            raise AssertionError(f"{delivery.message_id} was not claimed")
        self.table.update(run, state="done", ended_at=self.clock.now, transcript=run.session_id, **changes)
        self.runner.execute("UPDATE deliveries SET state = 'done', done_at = ?, lease_token = NULL", ("2027",))


@pytest.fixture
def make_harness(team: Team, join: Callable[..., MessageHub]) -> Callable[..., DispatcherHarness]:
    return lambda **keys: DispatcherHarness(team, join, Clock(), **keys)


@pytest.mark.parametrize(
    ("keys", "has_login", "minutes", "is_resumed"),
    [
        ({}, True, 54, True),
        ({}, True, 56, False),
        ({}, False, 3, True),
        ({}, False, 5, False),
        ({"keep_session_minutes": 10}, False, 9, True),
        ({"keep_session_minutes": 10}, True, 11, False),
        ({"keep_session_minutes": 0}, True, 0, False),
    ],
)
def test_a_conversation_goes_on_in_its_session_while_that_is_in_the_prompt_cache(
    make_harness: Callable[..., DispatcherHarness],
    keys: dict[str, Any],
    has_login: bool,
    minutes: int,
    is_resumed: bool,
) -> None:
    harness = make_harness(**keys)
    harness.ann.send("gcp", "first", conversation_id="c")
    (first,) = harness.look().starts
    harness.finish_run(usd=0.5, has_login=has_login)
    harness.clock.now += minutes * 60

    harness.ann.send("gcp", "second", conversation_id="c")
    (second,) = harness.look().starts

    assert second.is_resumed == is_resumed
    assert (second.session_id == first.session_id) == is_resumed
    assert second.session_usd_before == (0.5 if is_resumed else 0.0)


def test_a_session_is_not_resumed_with_another_model_or_in_another_conversation(
    make_harness: Callable[..., DispatcherHarness],
) -> None:
    harness = make_harness()
    harness.ann.send("gcp", "first", conversation_id="c")
    harness.look()
    harness.finish_run(model="another")
    harness.ann.send("gcp", "second", conversation_id="c")
    assert [run.is_resumed for run in harness.look().starts] == [False]


def test_a_message_is_claimed_only_when_it_starts(make_harness: Callable[..., DispatcherHarness]) -> None:
    harness = make_harness()
    harness.table.pause(AgentPause("agent", "gcp", "ann paused it", BEGIN, BEGIN + 600))
    message = harness.ann.send("gcp", "hello")

    found = harness.look()

    assert found.starts == []
    assert found.waits["gcp"].reason == "ann paused it"
    assert found.due == BEGIN + 600
    assert harness.ann.queries.trace(message.message_id)[0].state == "ready"
    harness.clock.now += 601
    assert len(harness.look().starts) == 1


def test_a_person_learns_once_why_it_waits_and_an_agent_does_not(
    make_harness: Callable[..., DispatcherHarness], join: Callable[..., MessageHub]
) -> None:
    harness = make_harness()
    harness.table.pause(AgentPause("agent", "gcp", "ann paused it", BEGIN))
    asked = harness.ann.send("gcp", "hello")
    other = join("oci", clock=harness.clock).send("gcp", "hello too")

    for _ in range(3):
        harness.look()

    assert [each.content for each in harness.ann.queries.find(reply_to=asked.message_id)] == [
        "It waits: ann paused it."
    ]
    assert harness.ann.queries.find(reply_to=other.message_id) == []


def test_a_new_schedule_has_missed_nothing_and_a_stop_of_a_day_gives_one_run(
    make_harness: Callable[..., DispatcherHarness],
) -> None:
    harness = make_harness(start=["schedule"], schedule="*/30 * * * *", timezone="UTC")
    assert harness.look().starts == []
    assert harness.look().next_ticks["gcp"] == BEGIN + 1800

    harness.clock.now += 86_400 + 5

    (run,) = harness.look().starts
    assert run.cause.kind == "schedule"
    assert harness.look().starts == [run], "it is the same one until it has been started"
    harness.table.record_start(run, "mark", harness.clock.now)
    harness.clock.now += 1800
    harness.look()
    assert len(harness.table.latest()) == 1, "a tick while it still runs starts no other"


def test_a_clock_that_was_set_back_starts_nothing_twice(make_harness: Callable[..., DispatcherHarness]) -> None:
    harness = make_harness(start=["schedule"], schedule="*/30 * * * *", timezone="UTC", max_parallel=3)
    harness.look()
    harness.clock.now += 1800
    (run,) = harness.look().starts
    harness.table.update(run, state="done", starts=1, ended_at=harness.clock.now)
    harness.clock.now -= 1700

    assert harness.look().starts == []
    assert len(harness.table.latest()) == 1


def test_a_clock_that_was_set_back_prolongs_no_pause(make_harness: Callable[..., DispatcherHarness]) -> None:
    harness = make_harness()
    now = harness.clock.now
    harness.table.pause(AgentPause("agent", "gcp", "the disk is full", now, now + 900))
    harness.ann.send("gcp", "go")
    assert harness.look().starts == []

    harness.clock.now -= 3600

    assert len(harness.look().starts) == 1


def test_a_clock_that_was_set_back_a_little_ends_no_pause(make_harness: Callable[..., DispatcherHarness]) -> None:
    harness = make_harness()
    now = harness.clock.now
    harness.table.pause(AgentPause("agent", "gcp", "the disk is full", now, now + 900))
    harness.ann.send("gcp", "go")
    harness.clock.now -= 5

    assert harness.look().starts == []


def test_a_clock_that_was_set_back_delays_no_next_try(make_harness: Callable[..., DispatcherHarness]) -> None:
    harness = make_harness()
    harness.ann.send("gcp", "go")
    (run,) = harness.look().starts
    harness.table.update(run, state="planned", starts=1, next_try_at=harness.clock.now + 60)
    assert harness.look().starts == []

    harness.clock.now -= 3600

    assert [each.id for each in harness.look().starts] == [run.id]


def open_session(harness: DispatcherHarness) -> MessageHub:
    """A person's session of ``gcp``, which is present from now on."""
    session = harness.join("gcp", registers=False, clock=harness.clock)
    session.register(pid=4711)
    return session


def test_a_run_that_has_begun_goes_on_beside_a_session_that_cannot_read_its_message(
    make_harness: Callable[..., DispatcherHarness],
) -> None:
    harness = make_harness()
    harness.ann.send("gcp", "hello")
    (run,) = harness.look().starts
    harness.table.record_start(run, "mark", BEGIN)
    decided = harness.table.update(run, state="planned", is_decided=True, pid=0, starts=1)
    with open_session(harness):
        assert harness.look().starts == [decided]


def test_a_session_gets_the_message_of_a_run_that_has_not_begun_and_what_it_leaves_starts_the_run(
    make_harness: Callable[..., DispatcherHarness],
) -> None:
    harness = make_harness()
    message = harness.ann.send("gcp", "hello")
    (run,) = harness.look().starts
    with open_session(harness) as session:
        assert harness.look().starts == []
        (given,) = session.queries.peek()
        assert given.message_id == message.message_id
        stopped = harness.table.latest()[0]
        assert (stopped.state, stopped.reason) == ("stopped", "a session has its message")
        session.maintenance.mark_offline("gcp")

    (again,) = harness.look().starts

    assert (again.id, again.state) == (run.id, "planned")
    assert again.lease_token not in ("", run.lease_token)
    assert harness.look().starts == [again]


def test_a_run_is_over_when_a_session_has_read_its_message(make_harness: Callable[..., DispatcherHarness]) -> None:
    harness = make_harness()
    harness.ann.send("gcp", "hello")
    harness.look()
    with open_session(harness) as session:
        harness.look()
        session.acknowledge(session.claim()[0])
        session.maintenance.mark_offline("gcp")
    assert harness.look().starts == []
