"""What makes a server slow in the course of years is named, with what to do."""

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from teamsup.hub import MessageHub
from teamsup.hub.engines.postgresql import server_tools
from teamsup.hub.engines.postgresql.server_tools import ServerHealth, describe_health

GOOD = ServerHealth({"messages": (1000, 900)}, [(5.0, "Process 7 of ann (psql)", "End it")], 0.0, 0.3, 10**6, 0)


@pytest.mark.parametrize(
    ("health", "sentence"),
    [
        (replace(GOOD, open_transactions=[(1200.0, "Process 7 of ann (psql)", "End it")]), "open for 20 minutes"),
        (replace(GOOD, dead_rows={"deliveries": (10, 200_000)}), "Table deliveries has 200,000 dead rows and 10 live"),
        (replace(GOOD, notification_queue=0.6), "queue of notifications is 60% full"),
        (replace(GOOD, connections=0.95), "95% of the server's connections are in use. Raise max_connections"),
        (replace(GOOD, slot_age=20_000_000), "A replication slot keeps the rows of the last 20,000,000 transactions"),
        (replace(GOOD, write_fault="The server is a standby, and only reads."), "is a standby"),
        (replace(GOOD, transaction_age=1_500_000_000), "run VACUUM FREEZE"),
    ],
)
def test_a_trouble_is_named_with_what_to_do(health: ServerHealth, sentence: str) -> None:
    (problem,) = describe_health(health)
    assert sentence in problem


def test_a_server_in_good_health_has_no_troubles() -> None:
    assert describe_health(GOOD) == []


def test_an_open_transaction_of_another_program_is_seen(
    open_hub: Callable[[str], MessageHub], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = open_hub("lead")
    monkeypatch.setattr(server_tools, "_MOST_OPEN_SECONDS", 0.0)
    with psycopg.connect(address, application_name="report") as other:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        pid = other.info.backend_pid
        other.execute("SELECT count(*) FROM messages")
        (problem,) = lead.maintenance.check_integrity()
        figures = {each.name: each.value for each in lead.maintenance.store_metrics()}
    assert f"Process {pid} of postgres (report) has had a transaction open" in problem
    assert f"pg_terminate_backend({pid})" in problem
    assert figures["oldest_transaction_seconds"] > 0
    assert 0 < figures["connections_ratio"] < 1
