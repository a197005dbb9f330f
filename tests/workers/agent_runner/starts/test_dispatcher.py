"""What is started now: sessions that go on, ticks that were missed, and who learns why something waits."""

from collections.abc import Callable

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


class Office:
    """A dispatcher for ``gcp``, a person and another agent."""

    def __init__(self, team: Team, join: Callable[..., MessageHub], clock: Clock, **keys: object) -> None:
        self.clock = clock
        self.ann = join("console-ann", clock=clock)
        self.ann.register("console")
        self.runner = MessageHub(team, agent="agent-runner", clock=clock)
        self.gcp = MessageHub(team, agent="gcp", clock=clock)
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
def make_office(team: Team, join: Callable[..., MessageHub]) -> Callable[..., Office]:
    return lambda **keys: Office(team, join, Clock(), **keys)


@pytest.mark.parametrize(
    ("later", "is_resumed"), [(54 * 60, True), (56 * 60, False)], ids=["in the prompt cache", "too late"]
)
def test_a_conversation_goes_on_in_its_session_while_that_is_young(
    make_office: Callable[..., Office], later: float, is_resumed: bool
) -> None:
    office = make_office()
    office.ann.send("gcp", "first", conversation_id="c")
    (first,) = office.look().starts
    office.finish_run(usd=0.5)
    office.clock.now += later

    office.ann.send("gcp", "second", conversation_id="c")
    (second,) = office.look().starts

    assert second.is_resumed == is_resumed
    assert (second.session_id == first.session_id) == is_resumed
    assert second.session_usd_before == (0.5 if is_resumed else 0.0)


def test_a_session_is_not_resumed_with_another_model_or_in_another_conversation(
    make_office: Callable[..., Office],
) -> None:
    office = make_office()
    office.ann.send("gcp", "first", conversation_id="c")
    office.look()
    office.finish_run(model="another")
    office.ann.send("gcp", "second", conversation_id="c")
    assert [run.is_resumed for run in office.look().starts] == [False]


def test_a_message_is_claimed_only_when_it_starts(make_office: Callable[..., Office]) -> None:
    office = make_office()
    office.table.pause(AgentPause("agent", "gcp", "ann paused it", BEGIN, BEGIN + 600))
    message = office.ann.send("gcp", "hello")

    found = office.look()

    assert found.starts == []
    assert found.waits["gcp"].reason == "ann paused it"
    assert found.due == BEGIN + 600
    assert office.ann.queries.trace(message.message_id)[0].state == "ready"
    office.clock.now += 601
    assert len(office.look().starts) == 1


def test_a_person_learns_once_why_it_waits_and_an_agent_does_not(
    make_office: Callable[..., Office], join: Callable[..., MessageHub]
) -> None:
    office = make_office()
    office.table.pause(AgentPause("agent", "gcp", "ann paused it", BEGIN))
    asked = office.ann.send("gcp", "hello")
    other = join("oci", clock=office.clock).send("gcp", "hello too")

    for _ in range(3):
        office.look()

    assert [each.content for each in office.ann.queries.find(reply_to=asked.message_id)] == [
        "gcp waits: ann paused it."
    ]
    assert office.ann.queries.find(reply_to=other.message_id) == []


def test_a_new_schedule_has_missed_nothing_and_a_stop_of_a_day_gives_one_run(
    make_office: Callable[..., Office],
) -> None:
    office = make_office(start=["schedule"], schedule="*/30 * * * *", timezone="UTC")
    assert office.look().starts == []
    assert office.look().next_ticks["gcp"] == BEGIN + 1800

    office.clock.now += 86_400 + 5

    (run,) = office.look().starts
    assert run.cause.kind == "schedule"
    assert office.look().starts == [run], "it is the same one until it has been started"
    office.table.record_start(run, "mark", office.clock.now)
    office.clock.now += 1800
    office.look()
    assert len(office.table.latest()) == 1, "a tick while it still runs starts no other"


def test_a_clock_that_was_set_back_starts_nothing_twice(make_office: Callable[..., Office]) -> None:
    office = make_office(start=["schedule"], schedule="*/30 * * * *", timezone="UTC", max_parallel=3)
    office.look()
    office.clock.now += 1800
    (run,) = office.look().starts
    office.table.update(run, state="done", starts=1, ended_at=office.clock.now)
    office.clock.now -= 1700

    assert office.look().starts == []
    assert len(office.table.latest()) == 1


def open_session(office: Office) -> MessageHub:
    """A person's session of ``gcp``, which is present from now on."""
    session = MessageHub(office.runner.team, agent="gcp", clock=office.clock)
    session.register(pid=4711)
    return session


def test_a_run_that_has_begun_goes_on_beside_a_session_that_cannot_read_its_message(
    make_office: Callable[..., Office],
) -> None:
    office = make_office()
    office.ann.send("gcp", "hello")
    (run,) = office.look().starts
    office.table.record_start(run, "mark", BEGIN)
    decided = office.table.update(run, state="planned", is_decided=True, pid=0, starts=1)
    with open_session(office):
        assert office.look().starts == [decided]


def test_a_session_gets_the_message_of_a_run_that_has_not_begun_and_what_it_leaves_starts_the_run(
    make_office: Callable[..., Office],
) -> None:
    office = make_office()
    message = office.ann.send("gcp", "hello")
    (run,) = office.look().starts
    with open_session(office) as session:
        assert office.look().starts == []
        (given,) = session.queries.peek()
        assert given.message_id == message.message_id
        stopped = office.table.latest()[0]
        assert (stopped.state, stopped.reason) == ("stopped", "a session has its message")
        session.maintenance.mark_offline("gcp")

    (again,) = office.look().starts

    assert (again.id, again.state) == (run.id, "planned")
    assert again.lease_token not in ("", run.lease_token)
    assert office.look().starts == [again]


def test_a_run_is_over_when_a_session_has_read_its_message(make_office: Callable[..., Office]) -> None:
    office = make_office()
    office.ann.send("gcp", "hello")
    office.look()
    with open_session(office) as session:
        office.look()
        session.acknowledge(session.claim()[0])
        session.maintenance.mark_offline("gcp")
    assert office.look().starts == []
