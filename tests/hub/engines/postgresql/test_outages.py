"""Servers that restart, connections that are cut, and commits without an answer: nothing is lost, doubled or hidden."""

import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from helpers.postgres_server import PostgresServer, running_server
from helpers.support import TIMEOUT_SECONDS, eventually
from teamsup.hub import MessageHub, StoreError, Team
from teamsup.hub.engines.postgresql.connection import ServerConnection
from teamsup.hub.engines.postgresql.transactions import server_connections, server_transactions
from teamsup.hub.engines.postgresql.transactions.server_statements import Statement, StatementAnswer, run_statements
from teamsup.hub.engines.postgresql.transactions.server_transactions import COMMIT
from teamsup.hub.errors import StoreReadOnly, StoreUncertain, StoreUnreachable
from teamsup.hub.wakeup.doorbell import Doorbells

OpenHub = Callable[[str], MessageHub]


def cut_connections(postgres: PostgresServer) -> None:
    with postgres.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'teamsup' AND pid <> pg_backend_pid()"
        )


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_commit_without_an_answer_is_looked_up(
    open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch, is_stored: bool
) -> None:
    lead = open_hub("lead")
    with cut_at_commit(monkeypatch, is_stored=is_stored):
        message = lead.send("lead", "hi")
    assert [each.message_id for each in lead.queries.history()] == [message.message_id]

    (delivery,) = lead.claim()
    with cut_at_commit(monkeypatch, is_stored=is_stored):
        answer = lead.reply(delivery, "hello")
    assert [each.message_id for each in lead.queries.history()] == [message.message_id, answer.message_id]

    (delivery,) = lead.claim()
    with cut_at_commit(monkeypatch, is_stored=is_stored):
        lead.acknowledge(delivery, outcome="read")
    assert [state.outcome for state in lead.queries.trace(answer.message_id)] == ["read"]
    assert lead.claim() == []


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_heartbeat_without_an_answer_is_sent_again(
    open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch, is_stored: bool
) -> None:
    scout = open_hub("scout")
    with cut_at_commit(monkeypatch, is_stored=is_stored):
        scout.register(note="here")
    with cut_at_commit(monkeypatch, is_stored=is_stored):
        scout.heartbeat("degraded", note="slow")
    agent = scout.find_agent("scout")
    assert agent is not None
    assert (agent.status, agent.metadata["note"]) == ("degraded", "slow")


@pytest.mark.slow
@pytest.mark.parametrize("is_stored", [True, False])
def test_every_other_verb_without_an_answer_is_looked_up_or_runs_again(
    open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch, is_stored: bool
) -> None:
    lead, scout = open_hub("lead"), open_hub("scout")
    seen, unseen, withdrawn = (lead.send("scout", text) for text in ("seen", "unseen", "withdrawn"))
    verbs: list[tuple[Callable[[], object], object]] = [
        (lambda: lead.enroll("bob"), None),
        (lambda: scout.mark_read(delivery), None),
        (lambda: scout.extend(delivery, 600.0), None),
        (lambda: scout.complete_unclaimed(unseen, outcome="read elsewhere"), True),
        (lambda: lead.cancel(withdrawn.message_id), ["scout"]),
    ]
    (delivery,) = scout.claim(read=False)
    for verb, result in verbs:
        with cut_at_commit(monkeypatch, is_stored=is_stored):
            assert verb() == result
    assert lead.find_agent("bob") is not None
    (state,) = lead.queries.trace(seen.message_id)
    assert state.read_at is not None
    assert state.next_try_at is not None
    assert state.next_try_at > delivery.lease_expires_at
    assert [(each.state, each.outcome) for each in lead.queries.trace(unseen.message_id)] == [
        ("done", "read elsewhere")
    ]
    assert [each.state for each in lead.queries.trace(withdrawn.message_id)] == ["cancelled"]


@pytest.mark.slow
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_change_of_a_workers_table_without_an_answer_is_uncertain_and_runs_once(
    open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch, is_stored: bool
) -> None:
    lead = open_hub("lead")
    lead.execute("CREATE TABLE counts (number BIGINT)")
    lead.execute("INSERT INTO counts VALUES (0)")
    with cut_at_commit(monkeypatch, is_stored=is_stored), pytest.raises(StoreUncertain):
        lead.execute("UPDATE counts SET number = number + 1")
    assert lead.query("SELECT number FROM counts")[0][0] == int(is_stored)
    cut = cut_at(monkeypatch, "number + 1")  # before the COMMIT nothing is stored, so it runs again
    lead.execute("UPDATE counts SET number = number + 1")
    assert cut
    assert lead.query("SELECT number FROM counts")[0][0] == int(is_stored) + 1


@contextmanager
def cut_at_commit(monkeypatch: pytest.MonkeyPatch, *, is_stored: bool) -> Iterator[None]:
    """Cut the connection at the next COMMIT, before or after the server stores it."""
    cut: list[bool] = []

    def run(connection: ServerConnection, statements: Sequence[Statement]) -> list[StatementAnswer]:
        if COMMIT not in statements or cut:
            return run_statements(connection, statements)
        cut.append(True)
        if is_stored:
            run_statements(connection, statements)
        connection.close()
        raise psycopg.OperationalError("the connection is lost")

    with monkeypatch.context() as patch:
        patch.setattr(server_transactions, "run_statements", run)
        yield
    assert cut


def test_programs_go_on_after_their_connections_were_cut(open_hub: OpenHub, postgres: PostgresServer) -> None:
    lead, scout = open_hub("lead"), open_hub("scout")
    lead.send("scout", "one")

    cut_connections(postgres)

    (delivery,) = scout.claim()
    cut_connections(postgres)
    scout.acknowledge(delivery)
    lead.send("scout", "two")
    assert [message.content for message in scout.queries.peek()] == ["two"]


@pytest.mark.slow
def test_a_transaction_whose_connection_was_cut_stores_nothing(open_hub: OpenHub, postgres: PostgresServer) -> None:
    lead = open_hub("lead")

    def work() -> None:
        with lead.transaction():
            lead.send("lead", "one")
            cut_connections(postgres)
            lead.send("lead", "two")

    with pytest.raises(StoreError):
        work()
    assert lead.queries.history() == []
    lead.send("lead", "three")


@pytest.mark.slow
def test_a_server_that_only_reads_is_named(open_hub: OpenHub) -> None:
    lead = open_hub("lead")
    lead.execute("SET default_transaction_read_only = on")
    with pytest.raises(StoreReadOnly, match="only reads"):
        lead.send("lead", "x")


@pytest.mark.slow
def test_a_waiting_reader_outlives_a_server_that_is_killed(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_server() as server:
        if server.process is None:
            pytest.skip("the server is not ours to kill")
        team = Team("crew", tmp_path_factory.mktemp("home") / "crew")
        with server.connect() as connection:
            connection.execute("CREATE SCHEMA crew")
        team.folder.mkdir(mode=0o700)
        team.configuration.write_text(f'[team]\nhub = "{server.address("crew")}"\n')
        with MessageHub(team, agent="lead") as lead, MessageHub(team, agent="scout") as scout:
            lead.register()
            scout.register()
            kept = lead.send("lead", "before")
            with ThreadPoolExecutor(1) as pool:
                heard = pool.submit(lambda: next(scout.listen(TIMEOUT_SECONDS)))
                eventually(lambda: Doorbells(team.run).agents_listening({"scout"}), "a reader that waits")
                server.stop(signal.SIGKILL)
                server.start()
                sent = lead.send("scout", "after")
                assert heard.result().message.message_id == sent.message_id
            assert [delivery.message.message_id for delivery in lead.claim(2)] == [kept.message_id]


@pytest.mark.slow
def test_a_server_that_is_not_there_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_connections, "BUSY_SECONDS", 0.2)
    monkeypatch.setenv("TEAMSUP_HUB", f"postgresql://crew@/crew?host={tmp_path}&connect_timeout=2")
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    with pytest.raises(StoreUnreachable, match=rf"postgresql://crew@{tmp_path}/crew cannot be reached") as caught:
        MessageHub(Team("crew", tmp_path / "crew"))
    assert "hunter2" not in str(caught.value)


def cut_at(monkeypatch: pytest.MonkeyPatch, words: str) -> list[bool]:
    """Cut the connection at the first statement with these words; return a list that is empty until then."""
    cut: list[bool] = []

    def run(connection: ServerConnection, statements: Sequence[Statement]) -> list[StatementAnswer]:
        if cut or not any(words in each.sql for each in statements):
            return run_statements(connection, statements)
        cut.append(True)
        connection.close()
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(server_transactions, "run_statements", run)
    return cut


@pytest.mark.slow
@pytest.mark.parametrize("words", ["UPDATE agent_status", "lease_token ="])
def test_a_claim_whose_connection_was_cut_runs_again_as_a_whole(
    open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """Also if that happens while it reports the reader's presence, which ignores errors of its own."""
    lead = claiming_again_soon(open_hub)
    cut = cut_at(monkeypatch, words)
    assert [delivery.message.content for delivery in lead.claim()] == ["two"]
    assert cut


@pytest.mark.slow
def test_a_claim_during_an_outage_says_that_the_server_cannot_be_reached(
    open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report of presence meets the outage first. A reader tolerates only a server that cannot be reached."""
    lead = claiming_again_soon(open_hub)

    def fail(*_: object) -> None:
        raise psycopg.OperationalError("the connection is lost")

    with monkeypatch.context() as patch:
        patch.setattr(server_connections, "BUSY_SECONDS", 0.1)
        patch.setattr(server_transactions, "run_statements", fail)
        with pytest.raises(StoreUnreachable):
            lead.claim()


def claiming_again_soon(open_hub: OpenHub) -> MessageHub:
    """A reader with a message, who has claimed just now, and is due to report its presence with the next claim."""
    lead = open_hub("lead")
    lead.send("lead", "one")
    assert lead.claim()
    lead.send("lead", "two")
    lead.execute("UPDATE agent_status SET last_heartbeat = NULL")
    lead._presence._valid_until = -math.inf
    lead._session._clock_recorded_at = time.time() + 0.5  # this write looks at the clock no more
    return lead
