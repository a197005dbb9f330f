"""Leases: to one reader at a time, at least once, in order."""

from collections.abc import Callable

import pytest

from helpers.clock import ManualClock
from teamsup.hub import MessageHub, StaleLease
from teamsup.hub.engines.component_tables import ComponentTables
from teamsup.hub.models import MAX_ATTEMPTS, MAX_HOPS
from teamsup.hub.wakeup.doorbell import open_doorbell

Join = Callable[..., MessageHub]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def contents(hub: MessageHub, limit: int = 100) -> list[str]:
    return [delivery.message.content for delivery in hub.claim(limit)]


def test_a_delivery_has_one_reader_at_a_time(join: Join) -> None:
    lead, first, second = join("lead"), join("scout"), join("scout")
    for number in range(3):
        lead.send("scout", str(number))

    assert contents(first, 2) == ["0", "1"]
    assert contents(second) == ["2"]


def test_the_lease_of_a_reader_that_does_not_act_ends_and_the_delivery_comes_back_unread(
    join: Join, clock: ManualClock
) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    message = lead.send("scout", "hi")
    scout.claim(lease=60)
    clock.now += 59
    assert scout.claim() == []

    clock.now += 1
    scout.claim()  # ends the lease; the backoff begins
    (state,) = lead.queries.trace(message.message_id)
    assert (state.state, state.read_at) == ("ready", None)
    clock.now += 10
    (again,) = scout.claim()

    assert again.attempts == 2


def test_a_stale_lease_changes_nothing_and_says_so(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    lead.send("scout", "hi")
    (stale,) = scout.claim(lease=1)
    clock.now += 2
    scout.claim()
    clock.now += 10
    (fresh,) = scout.claim()

    for verb in (scout.acknowledge, scout.extend, scout.release, scout.mark_read):
        with pytest.raises(StaleLease, match="Nothing was changed"):
            verb(stale)

    scout.acknowledge(fresh)


def test_an_extended_lease_holds(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    lead.send("scout", "hi")
    (delivery,) = scout.claim(lease=10)

    clock.now += 9
    scout.extend(delivery, 10)
    clock.now += 9

    assert scout.claim() == []
    scout.acknowledge(delivery)


def test_a_released_delivery_comes_back_at_once_and_after_an_error_later(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    lead.send("scout", "hi")

    (delivery,) = scout.claim()
    scout.release(delivery)
    (delivery,) = scout.claim()
    scout.release(delivery, error="no network", delay=5)

    assert scout.claim() == []
    clock.now += 5
    assert contents(scout) == ["hi"]


def test_a_delivery_that_fails_too_often_is_a_dead_letter_and_its_sender_is_notified(
    join: Join, clock: ManualClock
) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    message = lead.send("scout", "hi")

    for _ in range(MAX_ATTEMPTS):
        (delivery,) = scout.claim()
        scout.release(delivery, error="no network", delay=0)

    assert scout.claim() == []
    (state,) = lead.queries.trace(message.message_id)
    assert (state.state, state.outcome, state.attempts) == ("dead", "no network", MAX_ATTEMPTS)
    (news,) = lead.claim()
    assert (news.message.sender, news.message.message_type, news.message.reply_to) == (
        "hub",
        "error",
        message.message_id,
    )
    assert news.message.content == "Your message to scout was given up after 5 attempts: no network"


def test_a_dead_letter_at_the_end_of_a_long_exchange_is_reported_too(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    lead.send("scout", "ping")
    readers = [scout, lead]
    for hop in range(MAX_HOPS):
        (delivery,) = readers[hop % 2].claim()
        readers[hop % 2].reply(delivery, "ping")
    last = readers[MAX_HOPS % 2]

    for _ in range(MAX_ATTEMPTS):
        (delivery,) = last.claim()
        last.release(delivery, error="no luck", delay=0)

    (news,) = readers[1 - MAX_HOPS % 2].claim()
    assert (news.message.sender, news.message.message_type) == ("hub", "error")


def test_a_delivery_that_is_released_without_an_error_never_becomes_a_dead_letter(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "hi")

    for _ in range(2 * MAX_ATTEMPTS):
        (delivery,) = scout.claim()
        scout.release(delivery)

    assert contents(scout) == ["hi"]


def test_an_expired_message_is_not_delivered(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    message = lead.send("scout", "lunch?", expires_in=60)

    clock.now += 60

    assert scout.claim() == []
    assert lead.queries.trace(message.message_id)[0].state == "expired"
    assert lead.queries.message(message.message_id).status == "expired"


@pytest.mark.parametrize("by_the_supervisor", [True, False])
def test_a_component_gets_its_expired_messages_from_any_program_that_applies_deadlines(
    join: Join, clock: ManualClock, by_the_supervisor: bool
) -> None:
    polls = ComponentTables("poller", scripts=(), reads_expired=lambda message: message.message_type == "poll")
    lead, scout, poller = (join(name, clock=clock) for name in ("lead", "scout", "poller"))
    poller.maintenance.use_component(polls)
    lead.send("poller", "Restart?", message_type="poll", expires_in=60)
    lead.send("poller", "Hello", message_type="task_request", expires_in=60)
    lead.send("scout", "Restart?", message_type="poll", expires_in=60)

    clock.now += 60
    if by_the_supervisor:
        lead.maintenance.apply_all_deadlines([polls])

    assert contents(poller) == ["Restart?"]
    assert contents(lead) == ["poller did not read your message before it expired."]
    assert contents(scout) == []


def test_the_most_urgent_comes_first_and_within_a_priority_the_oldest(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    for priority in ("low", "normal", "high", "urgent"):
        for number in (1, 2):
            lead.send("scout", f"{priority} {number}", priority=priority)

    assert contents(scout) == [f"{p} {n}" for p in ("urgent", "high", "normal", "low") for n in (1, 2)]


def test_a_conversation_is_read_in_order_with_any_priority(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "first", conversation_id="c", priority="low")
    lead.send("scout", "second", conversation_id="c", priority="urgent")
    lead.send("scout", "aside")

    aside, first = scout.claim(10)
    assert (aside.message.content, first.message.content) == ("aside", "first")
    assert scout.claim() == []
    scout.acknowledge(first)

    assert contents(scout) == ["second"]


def test_backoff_of_a_head_holds_its_conversation_and_no_other(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    lead.send("scout", "a1", conversation_id="a")
    lead.send("scout", "a2", conversation_id="a")
    (head,) = scout.claim(1)
    scout.release(head, error="later", delay=30)
    lead.send("scout", "b1", conversation_id="b")

    assert contents(scout) == ["b1"]
    clock.now += 30
    assert contents(scout) == ["a1"]


def test_a_dead_letter_frees_its_conversation(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "a1", conversation_id="a")
    lead.send("scout", "a2", conversation_id="a")

    for _ in range(MAX_ATTEMPTS):
        (delivery,) = scout.claim()
        scout.release(delivery, error="broken", delay=0)

    assert contents(scout) == ["a2"]


def test_a_conversation_never_has_two_heads(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    dead, _, third = (lead.send("scout", str(number), conversation_id="c") for number in range(3))
    for _ in range(MAX_ATTEMPTS):
        (delivery,) = scout.claim()
        scout.release(delivery, error="no luck", delay=0)
    lead.maintenance.retry(dead.message_id)

    lead.cancel(third.message_id)

    assert contents(scout) == ["1"]


def test_stored_offered_read_and_done_are_four_facts(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    message = lead.send("scout", "hi")

    def facts() -> list[bool]:
        (state,) = lead.queries.trace(message.message_id)
        return [time is not None for time in (state.stored_at, state.offered_at, state.read_at, state.done_at)]

    assert facts() == [True, False, False, False]
    (delivery,) = scout.claim(read=False)
    assert facts() == [True, True, False, False]
    scout.mark_read(delivery)
    assert facts() == [True, True, True, False]
    scout.acknowledge(delivery)
    assert facts() == [True, True, True, True]


def test_a_message_is_offered_when_the_bell_of_its_reader_rings(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    with open_doorbell(scout.team.run, "scout"):
        rung = lead.send("scout", "hi")
    unheard = lead.send("scout", "hi")

    assert lead.queries.trace(rung.message_id)[0].offered_at is not None
    assert lead.queries.trace(unheard.message_id)[0].offered_at is None


def test_a_daemon_takes_back_what_its_predecessor_had_claimed(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    lead.send("scout", "hi")
    scout.claim(lease=3600)

    assert scout.maintenance.release_abandoned() == 1

    scout.claim()
    clock.now += 5
    assert contents(scout) == ["hi"]


def test_a_clean_release_does_not_count_as_an_attempt(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "hi")
    for _ in range(2 * MAX_ATTEMPTS):
        (delivery,) = scout.claim()
        scout.release(delivery)

    (delivery,) = scout.claim()
    scout.release(delivery, error="no luck", delay=0)

    assert contents(scout) == ["hi"]


def test_a_wait_is_not_over_when_there_is_only_something_to_settle(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    lead.send("scout", "gone", expires_in=1)
    lead.send("scout", "later")
    scout.claim(2, lease=1)
    clock.now += 1

    assert not scout.wait(0.01)


def test_listen_gives_one_delivery_after_another(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    for number in range(3):
        lead.send("scout", str(number), conversation_id="c")
    heard = []

    for delivery in scout.listen(timeout=0):
        heard.append(delivery.message.content)
        scout.acknowledge(delivery)

    assert heard == ["0", "1", "2"]


async def test_listen_on_an_event_loop(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "hi")

    assert [delivery.message.content async for delivery in scout.listen_async(timeout=0)] == ["hi"]


def test_an_empty_look_writes_nothing(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    before = lead.data_version()

    assert scout.claim() == []

    assert lead.data_version() == before


def test_unread_counts_what_waits(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    for number in range(3):
        lead.send("scout", str(number))
    (delivery, _) = scout.claim(2)
    scout.acknowledge(delivery)

    assert {agent.name: agent.unread for agent in lead.agents()} == {"lead": 0, "scout": 1}
