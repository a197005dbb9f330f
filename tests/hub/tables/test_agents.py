"""Who is here: a program that listens is, one that leaves says so and gives back what it held."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from helpers.support import run_foreign_sql
from teamsup.hub import Agent, MessageHub, Team
from teamsup.terminal.formatting import describe_presence

Join = Callable[..., MessageHub]


def known(hub: MessageHub, name: str) -> Agent:
    agent = hub.find_agent(name)
    assert agent is not None
    return agent


def is_here(hub: MessageHub, name: str) -> bool:
    agent = hub.find_agent(name)
    return agent is not None and agent.is_present(datetime.now(UTC))


async def take_one_async(hub: MessageHub) -> str:
    async for delivery in hub.listen_async():
        return delivery.message.content
    return ""


@pytest.mark.parametrize(
    "listen",
    [
        lambda hub: next(hub.listen(0.01), None),
        lambda hub: hub.wait(0.01),
        lambda hub: asyncio.run(hub.wait_async(0.01)),
    ],
    ids=["listen", "wait", "wait_async"],
)
def test_a_program_that_listens_is_known_and_here(
    join: Join, team: Team, listen: Callable[[MessageHub], object]
) -> None:
    lead = join("lead")
    hub = MessageHub(team, agent="newcomer")

    listen(hub)

    assert is_here(lead, "newcomer")
    assert not known(lead, "newcomer").is_watched
    lead.send("newcomer", "welcome")
    hub.close()


@pytest.mark.parametrize("take", [lambda hub: next(hub.listen()), lambda hub: asyncio.run(take_one_async(hub))])
def test_a_program_that_always_has_something_to_read_is_here_too(
    join: Join, team: Team, take: Callable[[MessageHub], object]
) -> None:
    lead = join("lead")
    lead.enroll("scout")
    lead.send("scout", "hi")
    hub = MessageHub(team, agent="scout")

    take(hub)

    assert is_here(lead, "scout")
    hub.close()


def test_listening_changes_nothing_of_what_an_agent_says_of_itself(join: Join) -> None:
    scout = join("scout")
    scout.heartbeat("busy", note="deploying")
    before = known(scout, "scout")

    scout.wait(0.01)

    assert known(scout, "scout") == before


def test_a_program_that_registered_once_and_reads_is_seen(join: Join, team: Team) -> None:
    scout = join("scout")
    scout.send("scout", "hi")
    run_foreign_sql(team, "UPDATE agent_status SET last_heartbeat = '2020-01-01 00:00:00.000'")

    scout.claim()

    assert is_here(scout, "scout")


def test_a_reader_that_only_looks_does_not_become_known(join: Join, team: Team) -> None:
    lead = join("lead")
    with MessageHub(team, agent="ghost") as ghost:
        ghost.claim()
        ghost.wait(0)

    assert lead.find_agent("ghost") is None


def test_leaving_says_goodbye(join: Join, team: Team) -> None:
    lead = join("lead")
    for here in ("register", "heartbeat", "wait"):
        with MessageHub(team, agent="scout") as scout:
            getattr(scout, here)(*([0.01] if here == "wait" else []))
            assert is_here(lead, "scout")
        assert known(lead, "scout").status == "offline"


def test_leaving_does_not_speak_for_another_process_of_that_name(join: Join, team: Team) -> None:
    scout = join("scout", clock=lambda: time.time() + 0.01)
    with MessageHub(team, agent="scout") as other:
        other.register()
        scout.heartbeat("busy")

    assert known(scout, "scout").status == "busy"


def test_leaving_keeps_that_only_a_person_can_help(join: Join, team: Team) -> None:
    with MessageHub(team, agent="gateway") as gateway:
        gateway.register("daemon", "not configured")

    assert known(join("lead"), "gateway").status == "not configured"


def test_a_held_delivery_is_released_unread_and_the_attempt_does_not_count(join: Join, team: Team) -> None:
    lead = join("lead")
    lead.enroll("scout")
    lead.send("scout", "hi")
    with MessageHub(team, agent="scout") as first:
        assert len(first.claim(lease=3600)) == 1

    assert [delivery.attempts for delivery in join("scout").claim()] == [1]


def test_a_delivery_of_another_reader_of_the_same_agent_stays_its_own(join: Join, team: Team) -> None:
    scout = join("scout")
    scout.send("scout", "hi")
    (delivery,) = scout.claim()

    with MessageHub(team, agent="scout") as other:
        other.claim()

    scout.acknowledge(delivery)


def test_a_delivery_that_ends_its_reader_with_an_error_counts_as_an_attempt(join: Join, team: Team) -> None:
    lead = join("lead")
    lead.enroll("scout")
    message = lead.send("scout", "divide by zero")

    def work() -> None:
        with MessageHub(team, agent="scout") as scout:
            for _ in scout.listen():
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()

    (state,) = lead.queries.trace(message.message_id)
    assert (state.state, state.attempts, state.outcome) == ("ready", 1, "scout ended with ZeroDivisionError")


def test_the_oldest_unread_message_is_one_that_could_be_claimed_now(team: Team) -> None:
    """Unread is also what was put off, waits behind its conversation, or is being handed over."""
    now = [time.time()]
    with MessageHub(team, agent="lead", clock=lambda: now[0]) as lead:
        lead.register()
        said: list[tuple[int, str]] = []

        def note() -> None:
            oldest = known(lead, "lead").oldest_unread
            assert oldest == lead.queries.stats().oldest_unread
            stored = {message.created_at: message.content for message in lead.queries.history()}
            said.append((known(lead, "lead").unread, stored[oldest] if oldest else "-"))

        for content in ("head", "behind it"):
            lead.send("lead", content, conversation_id="c")
            now[0] += 1
        note()
        (head,) = lead.claim(read=False)
        note()
        lead.release(head, error="out of order", delay=100)
        note()
        now[0] += 101
        note()
        (head,) = lead.claim()
        lead.acknowledge(head)
        note()
        (last,) = lead.claim()
        lead.acknowledge(last)
        note()
    assert said == [(2, "head"), (2, "-"), (2, "-"), (2, "head"), (1, "behind it"), (0, "-")]


def test_an_expired_message_is_not_the_oldest_unread(team: Team) -> None:
    now = [time.time()]
    with MessageHub(team, agent="lead", clock=lambda: now[0]) as lead:
        lead.register()
        lead.send("lead", "soon over", expires_in=1)
        now[0] += 2
        assert known(lead, "lead").oldest_unread is None


def test_only_who_sends_heartbeats_is_called_silent(join: Join) -> None:
    scout = join("scout")
    later = datetime.now(UTC) + timedelta(minutes=3)
    assert describe_presence(known(scout, "scout"), later).startswith("last seen ")

    scout.heartbeat()

    assert describe_presence(known(scout, "scout"), later).startswith("silent, last seen ")


def test_an_agent_with_heartbeats_is_watched_and_a_registered_one_is_not(join: Join) -> None:
    scout = join("scout")
    assert not known(scout, "scout").is_watched

    scout.heartbeat()

    assert known(scout, "scout").is_watched
