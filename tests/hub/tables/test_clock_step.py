"""When the clock is wrong for a while, nothing waits longer than it was told to and nobody looks alive who is not."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from helpers.clock import ManualClock
from helpers.support import TIMEOUT_SECONDS, run_foreign_sql
from teamsup.hub import MessageHub, Team
from teamsup.hub.models import ONLINE

Join = Callable[..., MessageHub]
HOURS = 3600.0
DAY = 24 * HOURS
INSERT_LATER = """
    INSERT INTO messages (message_id, sender, recipient, content, priority)
    VALUES ('m2', 'cron', 'scout', 'from today', 'low')
"""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC).timestamp())


def test_a_lease_ends_in_its_time_although_the_clock_went_back(join: Join, clock: ManualClock) -> None:
    scout = join("scout", clock=clock)
    scout.send("scout", "hi")
    scout.claim(lease=60)

    clock.now -= 6 * HOURS
    assert scout.claim() == []
    clock.now += 61
    scout.claim()  # ends the lease; the backoff begins
    clock.now += 10

    assert [delivery.attempts for delivery in scout.claim()] == [2]


def test_a_longer_lease_is_not_cut_short_by_a_step(join: Join, clock: ManualClock) -> None:
    scout = join("scout", clock=clock)
    scout.send("scout", "hi")
    (delivery,) = scout.claim(lease=10 * HOURS)

    clock.now -= 6 * HOURS
    scout.claim()
    clock.now += 9 * HOURS
    assert scout.claim() == []

    scout.acknowledge(delivery)


def test_a_backoff_ends_in_its_time_although_the_clock_went_back(join: Join, clock: ManualClock) -> None:
    scout = join("scout", clock=clock)
    scout.send("scout", "hi")
    (delivery,) = scout.claim()
    scout.release(delivery, error="no network", delay=30)

    clock.now -= 6 * HOURS
    assert scout.claim() == []
    clock.now += 30

    assert len(scout.claim()) == 1


def test_a_message_expires_in_its_time_although_the_clock_went_back(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    message = lead.send("scout", "now or never", expires_in=60)

    clock.now -= 6 * HOURS
    lead.heartbeat()
    clock.now += 61

    assert scout.claim() == []
    assert lead.queries.trace(message.message_id)[0].state == "expired"


def test_a_message_from_a_clock_a_day_ahead_does_not_starve(join: Join, team: Team, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    lead.send("scout", "from tomorrow")
    run_foreign_sql(team, "UPDATE deliveries SET rank = rank + 86400000")  # as the clock of its writer was

    clock.now += 1
    scout.release(scout.claim()[0])
    run_foreign_sql(team, INSERT_LATER)

    assert [delivery.message.content for delivery in scout.claim(5)] == ["from tomorrow", "from today"]


def test_after_a_step_back_a_priority_still_counts(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    for priority in ("low", "normal", "urgent"):
        lead.send("scout", priority, priority=priority)

    clock.now -= 6 * HOURS
    lead.heartbeat()

    assert [delivery.message.content for delivery in scout.claim(5)] == ["urgent", "normal", "low"]


def test_a_reader_that_waits_gets_what_a_step_would_hide(join: Join, clock: ManualClock) -> None:
    scout = join("scout", clock=clock)
    scout.send("scout", "hi")
    (delivery,) = scout.claim()
    scout.release(delivery, error="no network", delay=1)

    clock.now -= 6 * HOURS
    assert not scout.wait(0)
    clock.now += 2

    assert scout.wait(TIMEOUT_SECONDS)


def test_a_process_that_begins_after_the_step_sees_it_too(join: Join, clock: ManualClock) -> None:
    join("scout", clock=clock).send("scout", "hi")
    join("scout", clock=clock).claim(lease=60)

    clock.now -= 6 * HOURS
    scout = join("scout", clock=clock)
    clock.now += 61
    scout.claim()
    clock.now += 10

    assert len(scout.claim()) == 1


def test_an_agent_gone_before_the_step_does_not_look_alive_after_it(join: Join, clock: ManualClock) -> None:
    lead, gone = join("lead", clock=clock), join("gone", clock=clock)
    clock.now += 300
    lead.heartbeat()

    clock.now -= 6 * HOURS
    lead.heartbeat()

    now = datetime.fromtimestamp(clock.now, UTC)
    found = {agent.name: agent for agent in lead.agents()}
    assert found["lead"].is_present(now)
    assert not found["gone"].is_present(now)
    assert (now - found["gone"].last_heartbeat).total_seconds() == pytest.approx(300, abs=1)  # type: ignore[operator]
    assert gone.find_agent("gone") == found["gone"]


def test_a_heartbeat_far_ahead_says_nothing_of_now(join: Join, team: Team) -> None:
    lead = join("lead")
    run_foreign_sql(
        team, "INSERT INTO agent_status (agent_name, status, last_heartbeat) VALUES ('ghost', ?, '2999-01-01')", ONLINE
    )

    ghost = lead.find_agent("ghost")

    assert ghost is not None
    assert not ghost.is_present(datetime.now(UTC))


def test_a_sender_is_notified_that_nobody_reads_although_the_clock_went_back(join: Join, clock: ManualClock) -> None:
    lead = join("lead", clock=clock)
    lead.enroll("scout")
    message = lead.send("scout", "anybody?")

    clock.now -= 6 * HOURS

    assert [unread.id for unread, _ in lead.wake_ladder.overdue_unread(60)] == [message.id]


def test_a_day_ahead_and_back_again_ends_nothing_early(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    lead.send("scout", "for a week", expires_in=7 * DAY)
    lead.send("scout", "in two days")
    scout.release(scout.claim(2)[1], error="not today", delay=2 * DAY)

    for step in (DAY, -DAY):
        clock.now += step
        lead.heartbeat()
        scout.claim()
    clock.now += 2 * DAY

    assert {delivery.message.content for delivery in scout.claim(5)} == {"for a week", "in two days"}
