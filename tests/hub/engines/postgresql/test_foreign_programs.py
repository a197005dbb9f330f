"""The two original tables are a public interface, for psql and every driver."""

import shutil
import subprocess
from collections.abc import Callable

import psycopg
import pytest

from helpers.support import TIMEOUT_SECONDS, run_foreign_sql
from teamsup.hub import MessageHub, Team

OpenHub = Callable[[str], MessageHub]
INSERT = "INSERT INTO messages (message_id, sender, recipient, content, created_at) VALUES (?, 'cron', 'scout', '', ?)"

psql = pytest.mark.skipif(shutil.which("psql") is None, reason="needs psql (Debian package postgresql-client)")


@psql
def test_a_line_typed_into_psql_wakes_a_reader_that_waits(open_hub: OpenHub, address: str) -> None:
    scout = open_hub("scout")
    assert scout.start_watcher()

    sql = "INSERT INTO messages (message_id, sender, recipient, content) VALUES ('m', 'cron', 'Scout ', 'hi')"
    subprocess.run(["psql", "-q", address, "-c", sql], check=True)

    assert scout.wait(TIMEOUT_SECONDS)
    assert [delivery.message.content for delivery in scout.claim()] == ["hi"]


@pytest.mark.slow
def test_copy_delivers_in_the_order_of_the_rows(open_hub: OpenHub, address: str) -> None:
    scout = open_hub("scout")
    sql = "COPY messages (message_id, sender, recipient, content, conversation_id) FROM STDIN"
    with psycopg.connect(address) as connection, connection.cursor() as cursor, cursor.copy(sql) as copy:
        for number in range(3):
            copy.write_row((f"m{number}", "cron", "scout", str(number), "c"))
    read = []
    while claimed := scout.claim():
        read += [delivery.message.content for delivery in claimed]
        scout.acknowledge(claimed[0])
    assert read == ["0", "1", "2"]


@pytest.mark.slow
def test_an_upsert_changes_a_message_and_keeps_its_delivery(open_hub: OpenHub, team: Team) -> None:
    scout = open_hub("scout")
    upsert = (
        "INSERT INTO messages (message_id, sender, recipient, content) VALUES ('m', 'cron', 'scout', ?)"
        " ON CONFLICT (message_id) DO UPDATE SET content = excluded.content"
    )
    run_foreign_sql(team, upsert, "old")
    run_foreign_sql(team, upsert, "new")
    assert [delivery.message.content for delivery in scout.claim(5)] == ["new"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("time", "stored"),
    [
        ("2020-01-02T03:04:05", "2020-01-02 03:04:05.000"),
        ("2020-01-02T03:04:05.678901Z", "2020-01-02 03:04:05.679"),
        ("2020-01-02 03:04:05+02:00", "2020-01-02 01:04:05.000"),
        ("2020-01-02 03:04:05.678", "2020-01-02 03:04:05.678"),
    ],
)
def test_times_are_those_of_their_zone(open_hub: OpenHub, team: Team, time: str, stored: str) -> None:
    scout = open_hub("scout")
    run_foreign_sql(team, INSERT, "m", time)
    assert [row["created_at"] for row in scout.query("SELECT created_at FROM messages")] == [stored]


@pytest.mark.slow
def test_a_value_that_is_not_a_time_is_refused(open_hub: OpenHub, team: Team) -> None:
    scout = open_hub("scout")
    with pytest.raises(psycopg.DataError):
        run_foreign_sql(team, INSERT, "m", "yesterday noon")
    assert scout.queries.history() == []


@pytest.mark.slow
def test_an_id_of_its_own_never_meets_a_later_one(open_hub: OpenHub, team: Team) -> None:
    scout = open_hub("scout")
    numbered = "INSERT INTO messages (id, message_id, sender, recipient, content) VALUES (?, ?, 'cron', 'scout', '')"
    run_foreign_sql(team, numbered, 7, "seven")
    run_foreign_sql(team, numbered, 10**18, "far")
    sent = scout.send("scout", "x")
    numbers = {message.message_id: message.id for message in scout.queries.history()}
    assert numbers == {"seven": 7, "far": 8, sent.message_id: 9}


@pytest.mark.slow
def test_the_search_path_of_a_foreign_program_does_not_matter(open_hub: OpenHub, address: str) -> None:
    scout = open_hub("scout")
    (schema,) = (row["schema"] for row in scout.query("SELECT current_schema() AS schema"))
    with psycopg.connect(address, options="-csearch_path=public", autocommit=True) as connection:
        connection.execute(
            f"INSERT INTO {schema}.messages (message_id, sender, recipient, content, conversation_id)"
            " VALUES ('m', 'cron', 'scout', 'hi', 'c')"
        )
        connection.execute(f"UPDATE {schema}.messages SET status = 'processed'")
    assert [state.state for state in scout.queries.trace("m")] == ["done"]
