"""Programs that know only the two original tables, or only SQL, are first-class."""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing

import pytest

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, run_foreign_sql
from teamsup.hub import MessageHub, Team

Join = Callable[..., MessageHub]
INSERT = "INSERT INTO messages (message_id, sender, recipient, content) VALUES (?, ?, ?, ?)"
STATES = "SELECT recipient, state FROM deliveries ORDER BY message, recipient"

shell = pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs the sqlite3 shell (Debian package sqlite3)")


def sqlite3_shell(team: Team, sql: str) -> str:
    result = subprocess.run(["sqlite3", team.database, sql], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@shell
def test_a_line_typed_into_the_sqlite3_shell_reaches_user_comm_and_its_answer_is_kept(running: TeamsupCommand) -> None:
    sqlite3_shell(
        running.team,
        "INSERT INTO messages (message_id, sender, recipient, content) VALUES ('m1', 'shell', 'user_comm', 'Hello')",
    )

    answer = eventually(
        lambda: sqlite3_shell(running.team, "SELECT content FROM messages WHERE recipient = 'shell'"), "the answer"
    )
    assert answer == "Hi there! 👋\n"
    assert sqlite3_shell(running.team, "SELECT status FROM messages WHERE message_id = 'm1'") == "processed\n"
    assert running.run("read", "--agent", "shell").stdout.endswith(": Hi there! 👋\n")


def test_a_plain_insert_wakes_a_reader_that_waits(join: Join, team: Team) -> None:
    scout = join("scout")
    assert scout.start_watcher()

    run_foreign_sql(team, INSERT, "m1", "cron", "scout", "nightly done")

    assert scout.wait(TIMEOUT_SECONDS)
    assert [delivery.message.content for delivery in scout.claim()] == ["nightly done"]


def test_a_program_that_knows_only_the_original_tables_can_consume(join: Join, team: Team) -> None:
    lead = join("lead")
    lead.enroll("legacy")
    message = lead.send("legacy", "work")

    ((message_id, content),) = run_foreign_sql(
        team, "SELECT message_id, content FROM messages WHERE recipient = 'legacy' AND status = 'pending'"
    )
    run_foreign_sql(team, "UPDATE messages SET status = 'processed' WHERE message_id = ?", message_id)

    assert (message_id, content) == (message.message_id, "work")
    (state,) = lead.queries.trace(message_id)
    assert (state.state, state.outcome) == ("done", "processed")
    assert run_foreign_sql(team, "SELECT processed_at IS NOT NULL FROM messages") == [(1,)]


def test_such_a_program_does_not_take_what_one_of_our_readers_holds(join: Join, team: Team) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "work")
    pending = "SELECT count(*) FROM messages WHERE status = 'pending'"

    (delivery,) = scout.claim()
    assert run_foreign_sql(team, pending) == [(0,)]
    scout.release(delivery)
    assert run_foreign_sql(team, pending) == [(1,)]
    (delivery,) = scout.claim()
    scout.acknowledge(delivery)

    assert run_foreign_sql(team, "SELECT status FROM messages") == [("processed",)]


def test_processed_on_a_broadcast_ends_nobodys_delivery(join: Join, team: Team) -> None:
    lead, scout = join("lead"), join("scout")
    lead.broadcast("hi")

    run_foreign_sql(team, "UPDATE messages SET status = 'processed'")

    assert len(scout.claim()) == 1


def test_an_insert_to_an_unknown_name_is_kept_until_that_agent_appears(join: Join, team: Team) -> None:
    lead = join("lead")
    run_foreign_sql(team, INSERT, "m1", "cron", "Newcomer", "welcome")
    assert lead.queries.trace("m1")[0].undeliverable

    newcomer = join("newcomer")

    assert not lead.queries.trace("m1")[0].undeliverable
    assert [delivery.message.content for delivery in newcomer.claim()] == ["welcome"]


@pytest.mark.only_sqlite("INSERT OR REPLACE")
def test_delete_and_replace_leave_no_orphan(join: Join, team: Team) -> None:
    join("scout")
    run_foreign_sql(team, INSERT, "m1", "cron", "scout", "one")
    run_foreign_sql(team, INSERT, "m2", "cron", "scout", "two")

    run_foreign_sql(team, "DELETE FROM messages WHERE message_id = 'm1'")
    run_foreign_sql(team, INSERT.replace("INSERT", "INSERT OR REPLACE"), "m2", "cron", "scout", "two, corrected")
    run_foreign_sql(team, INSERT.replace("INSERT", "INSERT OR IGNORE"), "m2", "cron", "scout", "ignored")
    run_foreign_sql(
        team,
        "INSERT OR REPLACE INTO messages (id, message_id, sender, recipient, content)"
        " SELECT id, 'm3', 'cron', 'scout', 'three' FROM messages",
    )

    assert run_foreign_sql(team, "SELECT message_id, content FROM messages") == [("m3", "three")]
    assert run_foreign_sql(team, STATES) == [("scout", "ready")]
    assert run_foreign_sql(team, "SELECT count(*) FROM deliveries WHERE message NOT IN (SELECT id FROM messages)") == [
        (0,)
    ]


@pytest.mark.only_sqlite("INSERT OR IGNORE")
def test_an_ignored_insert_keeps_the_delivery_that_was_there(join: Join, team: Team) -> None:
    scout = join("scout")
    run_foreign_sql(team, INSERT, "m1", "cron", "scout", "one")

    run_foreign_sql(team, INSERT.replace("INSERT", "INSERT OR IGNORE"), "m1", "cron", "scout", "again")
    run_foreign_sql(team, INSERT, "m2", "cron", "scout", "two")

    assert [delivery.message.content for delivery in scout.claim(10)] == ["one", "two"]


def test_a_deleted_head_frees_its_conversation(join: Join, team: Team) -> None:
    lead, scout = join("lead"), join("scout")
    head = lead.send("scout", "one", conversation_id="c")
    lead.send("scout", "two", conversation_id="c")

    run_foreign_sql(team, "DELETE FROM messages WHERE message_id = ?", head.message_id)

    assert [delivery.message.content for delivery in scout.claim(10)] == ["two"]


@pytest.mark.only_sqlite("SQLite stores times as text")
@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2020-01-02T03:04:05", "2020-01-02 03:04:05.000"),
        ("2020-01-02T03:04:05.678901Z", "2020-01-02 03:04:05.679"),
        ("2020-01-02 03:04:05+02:00", "2020-01-02 01:04:05.000"),
        ("2020-01-02 03:04:05", "2020-01-02 03:04:05"),
        ("2020-01-02 03:04:05.678", "2020-01-02 03:04:05.678"),
        (1577934245.5, "2020-01-02 03:04:05.500"),
    ],
)
def test_foreign_times_are_stored_so_that_they_compare(join: Join, team: Team, written: object, stored: str) -> None:
    scout = join("scout")

    run_foreign_sql(
        team,
        "INSERT INTO messages (message_id, sender, recipient, content, created_at, expires_at)"
        " VALUES ('m1', 'cron', 'scout', 'old news', ?, ?)",
        written,
        written,
    )

    assert run_foreign_sql(team, "SELECT created_at, expires_at FROM messages") == [(stored, stored)]
    assert scout.claim() == []
    assert run_foreign_sql(team, STATES) == [("scout", "expired")]


@pytest.mark.only_sqlite("PostgreSQL refuses it")
def test_a_value_that_is_not_a_time_counts_as_now_or_never(join: Join, team: Team) -> None:
    scout = join("scout")

    run_foreign_sql(
        team,
        "INSERT INTO messages (message_id, sender, recipient, content, created_at, expires_at)"
        " VALUES ('m1', 'cron', 'scout', 'hi', 'yesterday', 'soon')",
    )

    (delivery,) = scout.claim()
    assert delivery.message.created_at is not None
    assert delivery.message.expires_at is None


@pytest.mark.only_sqlite("settings of SQLite")
@pytest.mark.parametrize("pragma", ["recursive_triggers", "foreign_keys"])
def test_the_rules_hold_with_every_setting_of_the_foreign_program(join: Join, team: Team, pragma: str) -> None:
    lead, scout = join("lead"), join("scout")
    with closing(sqlite3.connect(team.database)) as db, db:
        db.execute(f"PRAGMA {pragma}=1")
        for number in ("1", "2", "2"):
            db.execute(INSERT.replace("INSERT", "INSERT OR REPLACE"), (number, "cron", "scout", number))
        db.execute("UPDATE messages SET status = 'processed' WHERE message_id = '1'")

    assert [delivery.message.content for delivery in scout.claim(10)] == ["2"]
    assert lead.queries.trace("1")[0].state == "done"


def test_foreign_metadata_that_is_not_json_does_not_matter(join: Join, team: Team) -> None:
    scout = join("scout")

    run_foreign_sql(
        team,
        "INSERT INTO messages (message_id, sender, recipient, content, metadata, priority, message_type)"
        " VALUES ('m1', 'cron', 'scout', 'hi', '{oops', 'whenever', NULL)",
    )

    (delivery,) = scout.claim()
    assert (delivery.message.metadata, delivery.message.priority, delivery.message.message_type) == (
        {},
        "normal",
        "message",
    )


@pytest.mark.parametrize("value", [b"\xff\xfe", b"plain", 42, 1.5])
def test_foreign_values_that_are_not_text_do_not_close_the_mailbox(join: Join, team: Team, value: object) -> None:
    scout = join("scout")
    run_foreign_sql(
        team,
        "INSERT INTO messages (message_id, sender, recipient, content, message_type, conversation_id, metadata)"
        " VALUES (?, ?, 'scout', CAST(? AS TEXT), ?, ?, ?)",
        *[value] * 6,
    )
    run_foreign_sql(team, INSERT, "m2", "cron", "scout", "next")

    first, second = scout.claim(2)
    assert isinstance(first.message.content, str)
    assert isinstance(first.message.sender, str)
    assert second.message.content == "next"


def test_deeply_nested_metadata_does_not_close_the_mailbox(join: Join, team: Team) -> None:
    scout = join("scout")
    run_foreign_sql(
        team,
        "INSERT INTO messages (message_id, sender, recipient, content, metadata) VALUES ('m', 'cron', 'scout', 'x', ?)",
        "[" * 200_000,
    )

    assert scout.claim()[0].message.metadata == {}


def test_a_message_that_is_handed_to_somebody_else_is_delivered_there(join: Join, team: Team) -> None:
    scout, scribe = join("scout"), join("scribe")
    run_foreign_sql(team, INSERT, "m1", "cron", "scout", "for whom?")

    run_foreign_sql(team, "UPDATE messages SET recipient = 'scribe'")

    assert scout.claim() == []
    assert [delivery.message.content for delivery in scribe.claim()] == ["for whom?"]


def test_a_message_that_is_set_back_to_pending_is_done_again(join: Join, team: Team) -> None:
    scout = join("scout")
    run_foreign_sql(team, INSERT, "m1", "cron", "scout", "again")
    (delivery,) = scout.claim()
    scout.acknowledge(delivery)

    run_foreign_sql(team, "UPDATE messages SET status = 'pending'")

    (delivery,) = scout.claim()
    assert (delivery.message.content, delivery.attempts) == ("again", 1)


def test_a_message_that_a_foreign_program_has_claimed_is_not_done_twice(join: Join, team: Team) -> None:
    scout = join("scout")
    run_foreign_sql(team, INSERT, "m1", "cron", "scout", "mine")

    run_foreign_sql(team, "UPDATE messages SET status = 'processing'")
    assert scout.claim() == []
    run_foreign_sql(team, "UPDATE messages SET status = 'processed'")

    assert scout.queries.trace("m1")[0].state == "done"


def test_a_foreign_program_can_release_its_message_and_not_ours(join: Join, team: Team) -> None:
    scout = join("scout")
    run_foreign_sql(team, INSERT, "m1", "cron", "scout", "yours")
    run_foreign_sql(team, "UPDATE messages SET status = 'processing'")
    run_foreign_sql(team, "UPDATE messages SET status = 'pending'")
    (delivery,) = scout.claim()

    run_foreign_sql(team, "UPDATE messages SET status = 'pending'")

    assert run_foreign_sql(team, "SELECT status FROM messages") == [("processing",)]
    scout.acknowledge(delivery)


@pytest.mark.only_sqlite("UPDATE OR IGNORE")
def test_a_message_in_work_can_be_handed_to_somebody_else(join: Join, team: Team) -> None:
    scribe = join("scribe")
    run_foreign_sql(team, INSERT, "m1", "cron", "scout", "take over")
    run_foreign_sql(team, "UPDATE messages SET status = 'processing'")

    run_foreign_sql(team, "UPDATE OR IGNORE messages SET recipient = 'scribe'")

    assert [delivery.message.content for delivery in scribe.claim()] == ["take over"]


@pytest.mark.only_sqlite("INSERT OR IGNORE")
def test_notes_of_what_was_not_replaced_do_no_harm(join: Join, team: Team) -> None:
    scout = join("scout")
    run_foreign_sql(team, INSERT, "m1", "cron", "scout", "one")
    run_foreign_sql(team, INSERT.replace("INSERT", "INSERT OR IGNORE"), "m1", "cron", "scout", "ignored")
    run_foreign_sql(team, "UPDATE messages SET message_id = 'm2'")
    run_foreign_sql(
        team, INSERT + " ON CONFLICT DO UPDATE SET message_id = excluded.message_id", "m2", "cron", "scout", "again"
    )

    assert scout.maintenance.check_integrity() == []
    assert [delivery.message.content for delivery in scout.claim(10)] == ["one"]


@pytest.mark.only_sqlite("UPDATE OR REPLACE")
def test_a_message_whose_ids_change_keeps_its_delivery(join: Join, team: Team) -> None:
    scout = join("scout")
    run_foreign_sql(team, INSERT, "m1", "cron", "scout", "one")
    run_foreign_sql(team, INSERT, "m2", "cron", "scout", "two")

    run_foreign_sql(team, "UPDATE messages SET id = id + 10")
    run_foreign_sql(team, "UPDATE OR REPLACE messages SET message_id = 'm1' WHERE message_id = 'm2'")

    assert [delivery.message.content for delivery in scout.claim(10)] == ["two"]
    assert scout.maintenance.check_integrity() == []


def test_a_delivery_that_has_lost_its_message_is_dropped(join: Join, team: Team) -> None:
    scout = join("scout")
    run_foreign_sql(team, "INSERT INTO deliveries (message, recipient, rank) VALUES (99, 'scout', 0)")

    assert scout.wait(0)
    assert scout.claim() == []
    assert not scout.wait(0)


@pytest.mark.only_sqlite("a key may be NULL in SQLite")
def test_a_foreign_agent_with_a_capital_in_its_name_takes_part(join: Join, team: Team) -> None:
    lead = join("lead")
    run_foreign_sql(team, "INSERT INTO agent_status (agent_name) VALUES ('Deploy'), (NULL), (CAST(x'ff41' AS TEXT))")
    lead.send("deploy", "hi")
    lead.broadcast("hi all")

    deploy = join("Deploy")

    assert [delivery.message.content for delivery in deploy.claim(10)] == ["hi", "hi all"]
    assert [agent.name for agent in lead.agents()][:2] == ["deploy", "lead"]
    assert run_foreign_sql(team, "SELECT status FROM agent_status WHERE agent_name = 'Deploy'") == [("online",)]


@pytest.mark.parametrize("odd", ["two\nlines", "x" * 300, b"\xff", 7])
def test_a_sender_learns_the_end_of_each_of_its_messages(join: Join, team: Team, odd: object) -> None:
    scout = join("scout")
    run_foreign_sql(
        team,
        "INSERT INTO messages (message_id, sender, recipient, content, message_type, conversation_id, expires_at)"
        " VALUES (?, ' Cron ', 'scout', 'x', 'task_request', ?, '2020-01-01')",
        odd,
        odd,
    )

    assert scout.claim() == []

    assert run_foreign_sql(team, "SELECT recipient, message_type FROM messages WHERE sender = 'hub'") == [
        ("cron", "error")
    ]


@pytest.mark.only_sqlite("writes a time that is none")
def test_a_lease_of_a_message_that_is_gone_is_dropped(join: Join, team: Team) -> None:
    scout = join("scout")
    run_foreign_sql(
        team,
        "INSERT INTO deliveries (message, recipient, rank, state, lease_expires_at)"
        " VALUES (9, 'scout', 0, 'leased', '1')",
    )

    assert not scout.wait(0.01)
    assert scout.maintenance.check_integrity() == []
