"""Statements are prepared once for a connection, and go together to the server."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from teamsup.hub import MessageHub, StoreError, Team
from teamsup.hub.engines.postgresql.address import parse_address
from teamsup.hub.engines.postgresql.connection import ServerConnection, open_connection, quote_text, run_script
from teamsup.hub.engines.postgresql.postgres_store import PostgresStore
from teamsup.hub.engines.postgresql.transactions import server_statements, server_transactions
from teamsup.hub.engines.postgresql.transactions.server_statements import (
    Statement,
    StatementAnswer,
    make_statement,
    run_alone,
    run_statements,
)
from teamsup.hub.engines.statements import SELECT_ANY_CLAIMABLE
from teamsup.hub.wakeup.doorbell import Doorbell

OpenHub = Callable[[str], MessageHub]


@pytest.fixture
def connection(address: str) -> Iterator[ServerConnection]:
    with open_connection(parse_address(address)) as connection:
        yield connection


@contextmanager
def counted_messages(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Yields the numbers of the statements in each message to the server."""
    sent: list[int] = []

    def run(connection: ServerConnection, statements: list[Statement]) -> list[StatementAnswer]:
        sent.append(len(statements))
        return run_statements(connection, statements)

    with monkeypatch.context() as patch:
        patch.setattr(server_transactions, "run_statements", run)
        yield sent


def test_verbs_need_few_messages_to_the_server(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    with MessageHub(team, agent="lead", clock=lambda: now) as lead:
        lead.register()
        lead.send("lead", "x")
        lead.acknowledge(*lead.claim())
        with counted_messages(monkeypatch) as sent:
            lead.send("lead", "hi")
            assert len(sent) == 2
            (delivery,) = lead.claim()
            assert len(sent) == 2 + 2
            lead.acknowledge(delivery)
            assert len(sent) == 2 + 2 + 2


def test_a_listener_whose_doorbell_rings_claims_without_a_look(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    with MessageHub(team, agent="lead") as lead, MessageHub(team, agent="gcp") as gcp:
        lead.register()
        looks: list[str] = []
        wait = Doorbell.wait

        def send_then_wait(bell: Doorbell, seconds: float) -> bool:
            gcp.send("lead", "hi")
            looks.clear()
            return wait(bell, seconds)

        monkeypatch.setattr(Doorbell, "wait", send_then_wait)
        look = PostgresStore.read_on_writer

        def count_look(store: PostgresStore, sql: str, values: dict[str, object]) -> list[object]:
            looks.append(sql)
            return look(store, sql, values)

        monkeypatch.setattr(PostgresStore, "read_on_writer", count_look)
        delivery = next(lead.listen(timeout=60))
        assert delivery.message.content == "hi"
        assert SELECT_ANY_CLAIMABLE not in looks


def test_a_ring_without_a_message_does_not_prolong_a_wait(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    with MessageHub(team, agent="lead") as lead:
        lead.register()
        rings = iter([True] * 6)
        waits: list[float] = []

        def ring(_bell: Doorbell, seconds: float) -> bool:
            waits.append(seconds)
            return next(rings, False)

        monkeypatch.setattr(Doorbell, "wait", ring)
        assert list(lead.listen(timeout=0.1)) == []
        assert waits == sorted(waits, reverse=True)


@pytest.mark.parametrize(
    ("sql", "is_prepared"),
    [
        ("SELECT 1", True),
        (" -- why\n WITH a AS (SELECT 1) SELECT ';' FROM a", True),
        ("DELETE FROM a;", True),
        ("DELETE FROM a; DELETE FROM b", False),
        ("CREATE TABLE a (b TEXT)", False),
    ],
)
def test_one_statement_that_reads_or_changes_rows_is_prepared(sql: str, is_prepared: bool) -> None:
    assert (make_statement(sql, ()) is not None) == is_prepared


@pytest.mark.parametrize("text", ["", "it's", "a\\b'", "ü€😀", "$1 -- ?", "x" * 100_000])
def test_a_text_arrives_as_it_was_sent(connection: ServerConnection, text: str) -> None:
    assert run_alone(connection, "SELECT CAST(? AS TEXT)", (text,)).fetchall() == [(text,)]


def test_values_arrive_as_they_were_sent(connection: ServerConnection) -> None:
    values = (None, 2**62, -1.5, True, b"\0\xff")
    sql = "SELECT CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS DOUBLE PRECISION), CAST(? AS BIGINT), CAST(? AS BYTEA)"
    assert run_alone(connection, sql, (*values[:4], None)).fetchall() == [(None, 2**62, -1.5, 1, None)]
    assert run_alone(connection, "SELECT CAST(? AS BYTEA)", values[4:]).fetchall() == [values[4:]]
    with pytest.raises(psycopg.DataError, match="NUL"):
        run_alone(connection, "SELECT CAST(? AS TEXT)", ("a\0b",))


def test_a_statement_that_an_error_kept_from_being_prepared_is_prepared_later(connection: ServerConnection) -> None:
    one, two = Statement("SELECT 1 / $1::int", ("'0'",)), Statement("SELECT 2")
    with pytest.raises(psycopg.DataError):
        run_statements(connection, [one, two])
    assert [answer.rows for answer in run_statements(connection, [two])] == [[(2,)]]
    with pytest.raises(psycopg.DataError):
        run_statements(connection, [one])
    assert len(run_script(connection, "SELECT name FROM pg_prepared_statements")) == 2


def test_the_oldest_of_many_statements_is_prepared_again(
    connection: ServerConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_statements, "_MOST_PREPARED", 2)
    for number in (1, 2, 3, 1, 2, 3, 3):
        assert run_alone(connection, f"SELECT {number}").fetchall() == [(number,)]
    assert len(run_script(connection, "SELECT name FROM pg_prepared_statements")) == 2


def test_a_statement_of_a_table_that_was_changed_works_on_a_new_connection(open_hub: OpenHub) -> None:
    lead = open_hub("lead")
    lead.execute("CREATE TABLE t (a TEXT)")
    lead.execute("INSERT INTO t VALUES ('a')")
    assert [tuple(row) for row in lead.query("SELECT * FROM t")] == [("a",)]
    lead.execute("ALTER TABLE t ADD b TEXT DEFAULT 'b'")
    assert [tuple(row) for row in lead.query("SELECT * FROM t")] == [("a", "b")]


def send_and_fail(hub: MessageHub) -> None:
    with hub.transaction():
        hub.send("lead", "inside", message_id="inside")
        hub.execute("SELECT nothing")


def test_an_error_in_an_inner_transaction_undoes_only_that(open_hub: OpenHub) -> None:
    lead = open_hub("lead")
    with lead.transaction():
        lead.send("lead", "before", message_id="before")
        with pytest.raises(StoreError):
            send_and_fail(lead)
        with pytest.raises(StoreError):
            lead.execute(f"INSERT INTO agent_status (agent_name) VALUES ({quote_text('lead')})")
        lead.send("lead", "after", message_id="after")
    assert [message.message_id for message in lead.queries.history()] == ["before", "after"]


def test_an_error_in_the_first_statement_leaves_the_next_verb_usable(open_hub: OpenHub) -> None:
    lead = open_hub("lead")
    with pytest.raises(StoreError):
        lead.execute("SELECT nothing")
    lead.send("lead", "hi")
    assert len(lead.claim()) == 1
