"""A broadcast is for those who are here or were lately, and of its day."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from helpers.clock import ManualClock
from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub, Team

Join = Callable[..., MessageHub]
DAY = 86400.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC).timestamp())


def readers(hub: MessageHub, message_id: str) -> list[str]:
    return [state.recipient for state in hub.queries.trace(message_id)]


@pytest.mark.only_sqlite("writes times with functions of SQLite")
@pytest.mark.parametrize(
    "seen", ["datetime('now', '-6 days')", "unixepoch('now', '-6 days')", "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"]
)
def test_it_reaches_who_was_active_within_seven_days(join: Join, team: Team, seen: str) -> None:
    lead = join("lead")
    run_foreign_sql(team, f"INSERT INTO agent_status (agent_name, last_heartbeat) VALUES ('scout', {seen})")

    assert readers(lead, lead.broadcast("hi").message_id) == ["scout"]


@pytest.mark.only_sqlite("writes times with functions of SQLite")
@pytest.mark.parametrize("seen", ["datetime('now', '-8 days')", "unixepoch('now', '-8 days')", "'2020-01-01'"])
def test_it_does_not_reach_who_was_not(join: Join, team: Team, seen: str) -> None:
    lead = join("lead")
    run_foreign_sql(team, f"INSERT INTO agent_status (agent_name, last_heartbeat) VALUES ('gone', {seen})")
    run_foreign_sql(team, "INSERT INTO messages (message_id, sender, content) VALUES ('m1', 'cron', 'hi')")

    assert readers(lead, "m1") == ["lead"]
    assert lead.queries.message(lead.broadcast("hi").message_id).status == "processed"


@pytest.mark.only_sqlite("computes with functions of SQLite")
def test_it_reaches_who_was_enrolled_lately_and_has_not_come_yet(join: Join, team: Team) -> None:
    lead = join("lead")
    lead.enroll("newcomer")
    lead.enroll("never-came")
    run_foreign_sql(
        team, "UPDATE agent_status SET enrolled_at = datetime('now', '-8 days') WHERE agent_name = 'never-came'"
    )

    assert readers(lead, lead.broadcast("hi").message_id) == ["newcomer"]


def test_it_expires_after_a_day(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    message = lead.broadcast("lunch is ready")

    clock.now += DAY + 1

    assert scout.claim() == []
    assert [state.state for state in lead.queries.trace(message.message_id)] == ["expired"]


def test_it_expires_when_its_sender_says(join: Join, clock: ManualClock) -> None:
    lead, scout = join("lead", clock=clock), join("scout", clock=clock)
    lead.broadcast("in this hour", expires_in=3600)
    lead.broadcast("in this week", expires_in=7 * DAY)

    clock.now += DAY + 1

    assert [delivery.message.content for delivery in scout.claim(5)] == ["in this week"]


@pytest.mark.only_sqlite("computes with functions of SQLite")
def test_one_of_a_foreign_program_expires_too(join: Join, team: Team) -> None:
    scout = join("scout")
    run_foreign_sql(team, "INSERT INTO messages (message_id, sender, content) VALUES ('m1', 'cron', 'hi')")

    ((hours,),) = run_foreign_sql(
        team, "SELECT (julianday(expires_at) - julianday('now')) * 24 FROM deliveries WHERE recipient = 'scout'"
    )

    assert hours == pytest.approx(24, abs=0.1)
    assert [delivery.message.content for delivery in scout.claim()] == ["hi"]
