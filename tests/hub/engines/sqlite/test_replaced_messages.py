"""INSERT OR REPLACE and its like by foreign programs, in any order in which SQLite fires our triggers."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub, Team

Join = Callable[..., MessageHub]
COLUMNS = "INTO messages (message_id, sender, recipient, content, conversation_id)"
STATES = "SELECT recipient, state FROM deliveries ORDER BY message, recipient"


@pytest.fixture(params=["as they were made", "the other way round"])
def lead(request: pytest.FixtureRequest, join: Join, team: Team) -> MessageHub:
    hub = join("lead")
    if request.param != "as they were made":
        with closing(sqlite3.connect(team.database, isolation_level=None)) as db:
            triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid DESC")
            db.execute("BEGIN IMMEDIATE")
            for name, sql in triggers.fetchall():
                db.execute(f"DROP TRIGGER {name}")
                db.execute(sql)
            db.execute("COMMIT")
    return hub


@pytest.mark.usefixtures("lead")
def test_a_replaced_message_of_a_conversation_is_delivered(join: Join, team: Team) -> None:
    scout = join("scout")
    run_foreign_sql(team, f"INSERT {COLUMNS} VALUES ('m1', 'cron', 'scout', 'one', 'c1')")
    run_foreign_sql(team, f"INSERT OR REPLACE {COLUMNS} VALUES ('m1', 'cron', 'scout', 'one, corrected', 'c1')")

    assert [delivery.message.content for delivery in scout.claim()] == ["one, corrected"]


@pytest.mark.usefixtures("lead")
@pytest.mark.parametrize("otherwise", ["ABORT", "FAIL", "ROLLBACK", "REPLACE", "IGNORE"])
def test_the_conflict_clause_of_an_insert_without_a_conflict_does_not_matter(
    join: Join, team: Team, otherwise: str
) -> None:
    scout = join("scout")
    run_foreign_sql(team, f"INSERT {COLUMNS} VALUES ('m1', 'cron', 'scout', 'one', 'c1')")
    run_foreign_sql(team, f"INSERT OR IGNORE {COLUMNS} VALUES ('m1', 'cron', 'scout', 'not stored', 'c1')")

    run_foreign_sql(team, f"INSERT OR {otherwise} {COLUMNS} VALUES ('m2', 'cron', 'scout', 'two', 'c2')")

    assert [delivery.message.content for delivery in scout.claim(5)] == ["one", "two"]


@pytest.mark.parametrize("otherwise", ["ABORT", "REPLACE"])
def test_a_broadcast_reaches_an_agent_that_is_spelt_twice_once(lead: MessageHub, team: Team, otherwise: str) -> None:
    run_foreign_sql(team, "INSERT INTO agent_status (agent_name) VALUES ('scout'), ('Scout'), (' scout')")

    run_foreign_sql(team, f"INSERT OR {otherwise} {COLUMNS} VALUES ('m1', 'cron', NULL, 'all', 'c1')")

    assert run_foreign_sql(team, STATES) == [("lead", "ready"), ("scout", "ready")]
    assert [delivery.message.content for delivery in lead.claim()] == ["all"]


@pytest.mark.parametrize("number", [-2, -1, 0, 1])
def test_any_id_may_be_replaced(lead: MessageHub, team: Team, number: int) -> None:
    sql = "INSERT OR REPLACE INTO messages (id, message_id, sender, recipient, content) VALUES (?, ?, 'cron', ?, 'hi')"
    run_foreign_sql(team, sql, number, "m1", "scout")

    run_foreign_sql(team, sql, number, "m2", "lead")
    run_foreign_sql(team, f"INSERT {COLUMNS} VALUES ('m3', 'cron', 'lead', 'hi', NULL)")

    assert run_foreign_sql(team, STATES) == [("lead", "ready"), ("lead", "ready")]
    assert {delivery.message.message_id for delivery in lead.claim(5)} == {"m2", "m3"}


def test_a_message_that_is_replaced_by_a_broadcast_to_nobody_ends(lead: MessageHub, team: Team) -> None:
    lead.maintenance.retire("lead")
    sql = "INSERT OR REPLACE INTO messages (id, message_id, sender, recipient, content) VALUES (7, ?, 'cron', ?, 'hi')"
    run_foreign_sql(team, sql, "m1", "scout")

    run_foreign_sql(team, sql, "m2", None)

    assert run_foreign_sql(team, STATES) == []
    assert run_foreign_sql(team, "SELECT message_id, status FROM messages") == [("m2", "processed")]
    assert run_foreign_sql(team, "SELECT processed_at IS NOT NULL FROM messages") == [(1,)]


def test_a_broadcast_does_not_come_back_to_a_sender_whose_name_has_blanks(lead: MessageHub, team: Team) -> None:
    run_foreign_sql(team, "INSERT INTO agent_status (agent_name) VALUES (' cron')")

    run_foreign_sql(team, f"INSERT {COLUMNS} VALUES ('m1', 'cron', NULL, 'all', NULL)")

    assert run_foreign_sql(team, STATES) == [("lead", "ready")]
    assert lead.wait(0)
