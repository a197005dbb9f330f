"""A snapshot that is held open for long does not slow the readers down, and floors never hide a delivery."""

from collections.abc import Callable

import psycopg
import pytest

from helpers.postgres_server import run_sql_on_server
from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub
from teamsup.hub.engines.engine import Values
from teamsup.hub.engines.postgresql.server_watch import FloorSchedule
from teamsup.hub.engines.postgresql.translation import order_values, translate
from teamsup.hub.engines.statements import SELECT_ANY_CLAIMABLE, SELECT_FOR_CLAIM, SELECT_NEXT_DUE

OpenHub = Callable[[str], MessageHub]
ENDED = 3000
FLOORS = "SELECT raise_floors(0)"
INSERT = "INSERT INTO messages (message_id, sender, recipient, content)"
SEND = f"{INSERT} SELECT 'm' || i, 'cron', 'ann', '' FROM generate_series(1, {ENDED}) AS i"
ME: Values = {"me": "ann", "now": "2026-11-30", "steps": None}


def test_floors_are_raised_again_when_many_more_rows_have_died() -> None:
    schedule = FloorSchedule()
    looks = [(0, False), (999, False), (1000, True), (1000, False), (1999, False), (2000, True), (1200, True)]
    assert [(dead, schedule.is_due(dead)) for dead, _ in looks] == looks


def test_a_team_at_rest_is_looked_at_less_often_than_one_whose_rows_die() -> None:
    schedule = FloorSchedule()
    rest, *busy, again = [schedule.seconds_to_next_look(dead) for dead in (0, 5000, 6000, 6000)]
    assert max(busy) < rest == again


def buffers_read(address: str, sql: str, values: Values) -> int:
    """The pages that the server looks at for a statement."""
    text, names = translate(sql)
    given = order_values(names, values) or ()
    with psycopg.connect(address, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute("SET plan_cache_mode = 'force_generic_plan'")
        rows = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", given).fetchall()
    plan = rows[0][0][0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


@pytest.mark.slow
def test_a_held_snapshot_lets_no_statement_of_a_reader_walk_over_what_has_ended(
    open_hub: OpenHub, address: str
) -> None:
    open_hub("ann")
    with psycopg.connect(address) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM messages")
        run_sql_on_server(address, SEND)
        run_sql_on_server(address, "UPDATE deliveries SET state = 'leased', lease_expires_at = clock_timestamp()")
        run_sql_on_server(address, "UPDATE messages SET status = 'processed'")
        questions: list[tuple[str, Values]] = [
            (SELECT_FOR_CLAIM, ("ann", 1)),
            (SELECT_ANY_CLAIMABLE, ME),
            (SELECT_NEXT_DUE, {"me": "ann"}),
        ]
        before = [buffers_read(address, sql, values) for sql, values in questions]
        run_sql_on_server(address, FLOORS)
        after = [buffers_read(address, sql, values) for sql, values in questions]
        assert max(after) < min(before) / 2, f"without floors {before} pages, with them {after}"


def entries_read(address: str, sql: str) -> int:
    """The entries of open deliveries of conversations that the triggers of a statement look at."""
    with psycopg.connect(address) as connection:
        connection.execute(sql)
        (entries,) = connection.execute(
            "SELECT pg_stat_get_xact_tuples_returned(CAST('deliveries_conversation' AS regclass))"
        ).fetchall()[0]
        return int(entries)


@pytest.mark.slow
def test_a_held_snapshot_lets_no_send_or_end_walk_over_what_has_ended_in_its_conversation(
    open_hub: OpenHub, address: str
) -> None:
    open_hub("ann")
    insert = "INSERT INTO messages (message_id, sender, recipient, content, conversation_id)"
    end = "UPDATE messages SET status = 'processed'"
    one_more = f"{insert} VALUES ('{{0}}', 'bob', 'ann', '', 'c'); {end} WHERE message_id = '{{0}}'"
    with psycopg.connect(address) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM messages")
        run_sql_on_server(address, f"{insert} SELECT 'm' || i, 'bob', 'ann', '', 'c' FROM generate_series(1, 200) AS i")
        run_sql_on_server(address, end)
        before = entries_read(address, one_more.format("before"))
        run_sql_on_server(address, FLOORS)
        after = entries_read(address, one_more.format("after"))
    assert before > 400, "the snapshot keeps the entries"
    assert after < 20, "each look begins at the floor"


def test_floors_hide_nothing_that_is_opened_below_them(open_hub: OpenHub, address: str) -> None:
    ann, bob = open_hub("ann"), open_hub("bob")
    bob.send("ann", "first", conversation_id="c")
    bob.send("ann", "second", conversation_id="c")
    (delivery,) = ann.claim()
    run_sql_on_server(address, FLOORS)
    bob.send("ann", "later")
    bob.send("ann", "urgent", priority="urgent")
    ann.acknowledge(delivery)
    run_foreign_sql(ann.team, f"{INSERT} VALUES ('f', 'cron', 'ann', 'foreign')")
    claimed = ann.claim(9)
    assert [each.message.content for each in claimed] == ["urgent", "second", "later", "foreign"]
    run_sql_on_server(address, FLOORS)
    bob.send("ann", "last")
    for each in reversed(claimed):
        ann.release(each)
    assert [each.message.content for each in ann.claim(9)] == ["urgent", "second", "later", "foreign", "last"]


def test_floors_keep_the_order_of_a_conversation(open_hub: OpenHub, address: str) -> None:
    ann, bob = open_hub("ann"), open_hub("bob")
    first = bob.send("ann", "first", conversation_id="c")
    (delivery,) = ann.claim()
    ann.acknowledge(delivery)
    run_sql_on_server(address, FLOORS)
    bob.send("ann", "second", conversation_id="c")
    run_sql_on_server(address, f"UPDATE messages SET status = 'pending' WHERE message_id = '{first.message_id}'")
    bob.send("ann", "third", conversation_id="c")
    run_sql_on_server(address, FLOORS)
    read = []
    while claimed := ann.claim(9):
        read.append([each.message.content for each in claimed])
        run_sql_on_server(address, FLOORS)
        for each in claimed:
            ann.acknowledge(each)
    assert read == [["second"], ["first"], ["third"]]
