"""Rows that anybody may insert break nothing: they are bounded by triggers or read as what they are."""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from helpers.support import TeamsupCommand, run_foreign_sql
from hub.odd_rows import call_every_verb, insert, rows
from teamsup.hub import CallerError, MessageHub, Team

pytestmark = pytest.mark.only_sqlite("values and counters that only SQLite stores")

Join = Callable[..., MessageHub]
FAR_AHEAD = [10**18, 2**63 - 1, 1e18]
INSERT = "INSERT INTO messages (id, message_id, sender, recipient, content) VALUES (?, ?, 'cron', ?, ?)"


@pytest.mark.slow
@given(st.lists(st.tuples(rows(), st.sampled_from(["ABORT", "REPLACE", "IGNORE"])), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_verb_works_with_any_values_in_the_tables(odd: list[tuple[tuple[str, dict[str, Any]], str]]) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        team = Team("crew", folder / "crew")
        with MessageHub(team, agent="lead", durability="normal") as lead:
            lead.register()
            for (table, values), otherwise in odd:
                insert(team, table, values, otherwise)

            call_every_verb(lead, folder)

            sent = lead.send("lead", "a message like any other")
            (delivery,) = [found for found in lead.claim(100) if found.message.id == sent.id]
            lead.acknowledge(delivery)
            assert lead.queries.trace(f"#{sent.id}")[0].state == "done"
            assert sent.id < 2**53
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("number", FAR_AHEAD)
def test_a_message_with_an_id_far_ahead_arrives_under_the_next_id(join: Join, team: Team, number: float) -> None:
    scout = join("scout")

    run_foreign_sql(team, INSERT, number, "m1", "scout", "from afar")
    sent = scout.send("scout", "behind it")

    assert [delivery.message.content for delivery in scout.claim(5)] == ["from afar", "behind it"]
    assert scout.queries.message("m1").id + 1 == sent.id < 10
    assert scout.queries.message(f"#{sent.id}").content == "behind it"


@pytest.mark.parametrize("number", FAR_AHEAD)
def test_no_message_is_moved_to_an_id_far_ahead(join: Join, team: Team, number: float) -> None:
    scout = join("scout")
    scout.send("scout", "one")

    with pytest.raises(sqlite3.IntegrityError, match="at most"):
        run_foreign_sql(team, "UPDATE messages SET id = ?", number)

    assert scout.send("scout", "two").id == 2


@pytest.mark.parametrize(
    ("counter", "goes_on"),
    [*((value, 2) for value in (10**18, 2**63 - 1, 1e300, "x", 0, -7, None)), (10**15, 10**15 + 1)],
)
def test_a_counter_that_a_foreign_program_has_set_is_put_right_by_the_next_writer(
    team: Team, counter: object, goes_on: int
) -> None:
    now = [time.time()]
    with MessageHub(team, agent="scout", clock=lambda: now[0]) as scout:
        scout.register()
        scout.send("scout", "one")
        run_foreign_sql(team, "UPDATE sqlite_sequence SET seq = ?", counter)
        now[0] += 2

        assert [scout.send("scout", "two").id for _ in range(2)] == [goes_on, goes_on + 1]


def test_a_counter_that_a_foreign_program_has_removed_repeats_only_ids_of_removed_messages(
    join: Join, team: Team
) -> None:
    scout = join("scout")
    for content in ("one", "two", "three"):
        scout.send("scout", content)
    run_foreign_sql(team, "DELETE FROM messages WHERE content = 'three'")
    run_foreign_sql(team, "DELETE FROM sqlite_sequence")

    again = scout.send("scout", "again")

    assert again.id == 3
    assert [delivery.message.content for delivery in scout.claim(9)] == ["one", "two", "again"]


def test_a_message_under_the_next_id_has_all_columns(join: Join, team: Team) -> None:
    join("scout")
    columns = [row[1] for row in run_foreign_sql(team, "PRAGMA table_info(messages)")][1:]
    text = [name for name in columns if name not in ("hops", "created_at", "processed_at", "expires_at")]
    values = {name: f"a {name}" for name in text} | {"hops": 3, "created_at": "2020-01-01 00:00:00"}

    insert(team, "messages", {"id": 10**18, **values})

    found = run_foreign_sql(team, f"SELECT {', '.join(values)} FROM messages")
    assert found == [tuple(values.values())]


def test_a_database_with_an_id_far_ahead_is_mended_when_it_is_opened(team: Team) -> None:
    team.create()
    with closing(sqlite3.connect(team.database)) as db, db:
        db.executescript(Path(__file__).with_name("schema_5.sql").read_text("utf-8"))
        for number, message_id in ((10**18, "far"), (None, "behind"), (2**63 - 1, "last")):
            db.execute(INSERT, (number, message_id, "lead", message_id))
        db.execute(
            "INSERT INTO relays (message, question, person, agent, begun_at) VALUES (?, 1, 'a', 'b', '')", [10**18]
        )
        with pytest.raises(sqlite3.OperationalError, match="full"):
            db.execute(INSERT, (None, "no more", "lead", "x"))

    with MessageHub(team, agent="lead") as lead:
        far, sent = lead.queries.message("far"), lead.send("lead", "goes on")
        assert [
            message.id for message in (far, lead.queries.message("behind"), lead.queries.message("last"), sent)
        ] == [*range(far.id, far.id + 4)]
        assert sent.id < 10
        assert run_foreign_sql(team, "SELECT message FROM relays") == [(far.id,)]
        assert [delivery.message.content for delivery in lead.claim(10)] == ["hi", "far", "behind", "last", "goes on"]
        assert lead.maintenance.check_integrity() == []


@pytest.mark.parametrize("number", ["#" + "9" * 30, "9" * 5000, "#9223372036854775808", "#", "²"])
def test_a_number_that_is_not_an_id_finds_nothing(join: Join, number: str) -> None:
    scout = join("scout")
    scout.send("scout", "one")

    with pytest.raises(CallerError, match="no message"):
        scout.queries.message(number)


@pytest.mark.slow
def test_odd_rows_are_shown_by_every_command(teamsup: TeamsupCommand) -> None:
    teamsup.configure("")
    with MessageHub(teamsup.team, agent="lead") as lead:
        lead.register()
    for name in (None, b"\xff\x00", "x" * 65536, "\x1b[2J", 7):
        insert(teamsup.team, "agent_status", {"agent_name": name, "kind": b"?", "status": 1.5, "last_heartbeat": -1})
    odd = {"sender": b"\xff", "content": b"\x00\xff", "priority": 9, "hops": "many", "conversation_id": "c" * 2**20}
    for number, created in enumerate(("9999-12-31 23:59:59", "abc", -5, None)):
        row = {"message_id": f"\x1b{number}", "created_at": created, "expires_at": 1.5e300, "metadata": b"{"}
        insert(teamsup.team, "messages", {**row, **odd, "recipient": "lead"})
        insert(teamsup.team, "messages", {**row, **odd, "message_id": f"to {number}", "recipient": "no\x00body"})

    for words, code in (
        (["ps"], 3),
        (["ps", "--json"], 3),
        (["hub", "stats"], 0),
        (["hub", "check"], 0),
        (["hub", "dead-letters"], 0),
        (["hub", "prune", "--days", "1", "--yes"], 0),
        (["forget", "cron", "--yes"], 0),
        (["send", "lead", "hello"], 0),
        (["read", "--agent", "lead"], 0),
    ):
        done = teamsup.run(*words)
        assert done.returncode == code, (words, done.stderr)
        assert "Traceback" not in done.stderr
        assert "\x1b" not in done.stdout
