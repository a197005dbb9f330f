"""The wake ladder: every unread message is taken to each step once, louder and louder, until it is read."""

import threading
from collections.abc import Callable

from helpers.support import TIMEOUT_SECONDS, count_listeners, eventually, run_foreign_sql
from teamsup.hub import MessageHub
from teamsup.hub.models import WakeStep

Join = Callable[..., MessageHub]


def said(hub: MessageHub, step: WakeStep) -> list[str]:
    return [message.content for message in hub.wake_ladder.take_wake_step(step)]


def test_a_message_is_announced_once_on_every_step(join: Join) -> None:
    scout, lead = join("scout"), join("lead")
    scout.send("lead", "one")
    scout.send("lead", "two", priority="high")

    assert said(lead, WakeStep.ANNOUNCED) == ["two", "one"]
    assert said(lead, WakeStep.ANNOUNCED) == []
    assert said(lead, WakeStep.ASKED) == ["two", "one"]
    assert said(lead, WakeStep.WOKEN) == ["two", "one"]


def test_a_delivery_after_a_louder_step_is_not_announced_but_still_asked_for(join: Join) -> None:
    scout, lead = join("scout"), join("lead")
    scout.send("lead", "one")

    assert said(lead, WakeStep.WOKEN) == ["one"]
    assert said(lead, WakeStep.ANNOUNCED) == []
    assert said(lead, WakeStep.ASKED) == ["one"]
    assert said(lead, WakeStep.ASKED) == said(lead, WakeStep.WOKEN) == []


def test_a_read_or_delayed_message_is_not_announced(join: Join) -> None:
    now = [1_000_000_000.0]
    scout, lead = join("scout"), join("lead", clock=lambda: now[0])
    for content in ("read", "later", "expired"):
        scout.send("lead", content)
    scout.send("lead", "first", conversation_id="c")
    scout.send("lead", "second", conversation_id="c")
    run_foreign_sql(lead.team, "UPDATE deliveries SET expires_at = '2001-01-01' WHERE message = 3")
    read, later = lead.claim(2)
    lead.acknowledge(read)
    lead.release(later, error="not now")

    assert said(lead, WakeStep.ANNOUNCED) == ["first"]


def test_given_back_means_unread_again_from_the_foot_of_the_ladder(join: Join) -> None:
    scout, lead = join("scout"), join("lead")
    scout.send("lead", "one")
    lead.wake_ladder.take_wake_step(WakeStep.WOKEN)
    (delivery,) = lead.claim()
    lead.release(delivery)

    assert said(lead, WakeStep.ANNOUNCED) == ["one"]


def test_a_reader_that_begins_gets_all_that_waits_again(join: Join) -> None:
    scout, lead = join("scout"), join("lead")
    scout.send("lead", "one")
    lead.wake_ladder.take_wake_step(WakeStep.WOKEN)
    lead.wake_ladder.reset_wake_steps()

    assert said(lead, WakeStep.ANNOUNCED) == ["one"]


def test_an_announcement_counts_as_offered(join: Join) -> None:
    scout, lead = join("scout"), join("lead")
    message = scout.send("lead", "one")
    assert scout.queries.trace(message.message_id)[0].offered_at is None
    lead.wake_ladder.take_wake_step(WakeStep.ANNOUNCED)

    assert scout.queries.trace(message.message_id)[0].offered_at is not None


def test_two_who_announce_at_once_do_not_both_get_it(join: Join) -> None:
    scout, leads = join("scout"), [join("lead") for _ in range(4)]
    heard: list[str] = []
    for number in range(20):
        scout.send("lead", str(number))
    threads = [threading.Thread(target=lambda lead=lead: heard.extend(said(lead, WakeStep.ASKED))) for lead in leads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(heard, key=int) == [str(number) for number in range(20)]


def test_a_wait_for_a_step_ends_with_what_can_be_announced_there(join: Join) -> None:
    scout, lead = join("scout"), join("lead")
    scout.send("lead", "old")
    lead.wake_ladder.take_wake_step(WakeStep.WOKEN)
    assert not lead.wait(0, step=WakeStep.WOKEN)
    assert lead.wait(0)

    woken = threading.Thread(target=lead.wait, args=(20,), kwargs={"step": WakeStep.WOKEN})
    woken.start()
    eventually(lambda: count_listeners(lead.team, "lead"), "it waits")
    scout.send("lead", "new")
    woken.join(TIMEOUT_SECONDS)
    assert not woken.is_alive()


def test_a_sender_is_notified_once_of_an_agent_that_does_not_read(join: Join) -> None:
    now = [1_000_000_000.0]
    scout = join("scout", clock=lambda: now[0])
    join("lead")
    join("sleeper")
    join("db", clock=lambda: now[0]).register("daemon")
    for recipient in ("lead", "sleeper", "db"):
        scout.send(recipient, f"to {recipient}")
    told = scout.send("sleeper", "of that you know")
    scout.broadcast("to all")
    scout.wake_ladder.mark_sender_notified((told, "sleeper"))
    (read,) = join("lead").claim()

    assert scout.wake_ladder.overdue_unread(60) == []
    now[0] += 61
    still_unread = scout.wake_ladder.overdue_unread(60)
    assert [(message.content, agent) for message, agent in still_unread] == [("to sleeper", "sleeper")]
    scout.wake_ladder.mark_sender_notified(*still_unread)
    assert scout.wake_ladder.overdue_unread(60) == []
    join("lead").release(read)
    assert [agent for _, agent in scout.wake_ladder.overdue_unread(60)] == ["lead"]
