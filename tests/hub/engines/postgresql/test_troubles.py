"""Troubles of a server: each has its name, nothing vanishes, and everybody goes on when it is over."""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

import psycopg
import pytest

from helpers.postgres_server import PostgresServer, as_other_user, running_server
from helpers.support import eventually
from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.engine import Durability
from teamsup.hub.engines.postgresql.connection import ServerConnection, run_script
from teamsup.hub.engines.postgresql.transactions import server_connections, server_transactions
from teamsup.hub.engines.postgresql.transactions.server_statements import Statement, StatementAnswer, run_statements
from teamsup.hub.errors import StoreFull, StoreReadOnly, StoreUnreachable
from teamsup.status.team_status import read_team_status

from .conftest import configure

OpenHub = Callable[[str], MessageHub]
pytestmark = pytest.mark.slow


def contents(hub: MessageHub) -> list[str]:
    return [message.content for message in hub.queries.history()]


@contextmanager
def limited_role(postgres: PostgresServer, connections: int) -> Iterator[str]:
    """A role that may have so many connections."""
    with postgres.connect() as admin:
        admin.execute(f"CREATE ROLE few LOGIN CONNECTION LIMIT {connections}")
        admin.execute("GRANT ALL ON DATABASE postgres TO few")
    try:
        yield postgres.url.replace("postgres@", "few@")
    finally:
        with postgres.connect() as admin:
            admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'few'")
            admin.execute("DROP OWNED BY few CASCADE")
            admin.execute("DROP ROLE few")


def test_a_send_waits_for_a_free_connection(postgres: PostgresServer, tmp_path: Path) -> None:
    with limited_role(postgres, 4) as url:
        with postgres.connect() as admin:
            admin.execute("CREATE SCHEMA AUTHORIZATION few")
        team = configure(Team("crew", tmp_path / "crew"), PostgresServer(url).address("few"))
        with MessageHub(team, agent="lead") as lead:
            lead.register()
        taken = [psycopg.connect(url) for _ in range(4)]
        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(open_and_send, team)
            assert not sent.done()
            for each in taken:
                each.close()
            assert [sent.result()] == contents_of(team)


def open_and_send(team: Team) -> str:
    with MessageHub(team, agent="lead") as lead:
        return lead.send("lead", "hi").content


def contents_of(team: Team) -> list[str]:
    with MessageHub(team) as hub:
        return contents(hub)


def test_no_free_connection_is_named(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connections, "BUSY_SECONDS", 0.2)
    with limited_role(postgres, 1) as url, psycopg.connect(url):
        team = configure(Team("crew", tmp_path / "crew"), url)
        with pytest.raises(StoreUnreachable, match=r"too many connections.*Raise max_connections"):
            MessageHub(team)


def test_a_server_that_only_reads_is_named_and_then_goes_on(postgres: PostgresServer, open_hub: OpenHub) -> None:
    lead = open_hub("lead")
    lead.send("lead", "before")
    with everything_read_only(postgres):
        eventually(lambda: lead.query("SHOW default_transaction_read_only")[0][0] == "on", "a server that only reads")
        with pytest.raises(StoreReadOnly, match="only reads"):
            lead.send("lead", "refused")
        assert contents(lead) == ["before"]
        assert "default_transaction_read_only is on" in str(read_team_status(lead.team).trouble)
        assert "default_transaction_read_only is on" in lead.maintenance.check_integrity()[0]
    eventually(lambda: lead.query("SHOW default_transaction_read_only")[0][0] == "off", "a server that writes")
    lead.send("lead", "after")
    assert contents(lead) == ["before", "after"]


@contextmanager
def everything_read_only(postgres: PostgresServer) -> Iterator[None]:
    with postgres.connect() as admin:
        admin.execute("SET default_transaction_read_only = off")
        admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        admin.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
            admin.execute("SELECT pg_reload_conf()")


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 24 MiB."""
    owner = as_other_user()
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        os.chown(folder, owner.get("user", -1), owner.get("group", -1))
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(shutil.which("mount") is None or os.geteuid() != 0, reason="only root can mount a file system")
def test_a_full_disk_is_named_and_then_work_goes_on(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running_server())
        if server.folder is None:
            pytest.skip("the server is not ours")
        stack.enter_context(small_disk(server.folder / "disk"))
        with server.connect() as admin:
            admin.execute(f"CREATE TABLESPACE small LOCATION '{server.folder / 'disk'}'")
            admin.execute("CREATE SCHEMA crew")
            admin.execute("ALTER ROLE postgres SET default_tablespace = 'small'")
        team = configure(Team("crew", tmp_path / "crew"), server.address("crew"))
        with MessageHub(team, agent="lead") as lead:
            lead.register()
            lead.send("lead", "before")
            with server.connect() as admin:
                admin.execute("CREATE TABLE filler (a TEXT)")
                with suppress(psycopg.errors.DiskFull):
                    while True:
                        admin.execute(
                            "INSERT INTO filler SELECT repeat(md5(random()::text), 40) FROM generate_series(1, 400)"
                        )
            big = os.urandom(100_000).hex()
            with pytest.raises(StoreFull, match="the disk of the server is full"):
                lead.send("lead", big)
            assert contents(lead) == ["before"]
            with server.connect() as admin:
                admin.execute("DROP TABLE filler")
            lead.send("lead", big)
            assert contents(lead) == ["before", big]


def test_a_team_goes_on_with_the_standby_after_a_failover(tmp_path: Path) -> None:
    with running_server("-c", "listen_addresses=") as first, standby_of(first) as second:
        hosts = f"{first.folder},{second.folder}"
        with first.connect() as admin:
            admin.execute("CREATE SCHEMA crew")
        url = f"postgresql://postgres@/postgres?host={hosts}&port=5432,5432"
        team = configure(Team("crew", tmp_path / "crew"), PostgresServer(url).address("crew"))
        with MessageHub(team, agent="lead") as lead:
            lead.register()
            lead.send("lead", "before")
            with first.connect() as admin:
                eventually(
                    lambda: admin.execute(
                        "SELECT 1 FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_flush_lsn()"
                    ).fetchone(),
                    "a standby that has everything",
                )
            assert "is a standby" in trouble_on(second, tmp_path)
            first.stop(SIGKILL)
            with ThreadPoolExecutor(1) as pool:
                sent = pool.submit(lead.send, "lead", "during")
                with second.connect() as admin:
                    admin.execute("SELECT pg_promote()")
                sent.result()
            assert contents(lead) == ["before", "during"]
            assert len(lead.claim(5)) == 2


def trouble_on(server: PostgresServer, folder: Path) -> str:
    """What ps says when the address names this server."""
    team = configure(Team("crew", folder / "other"), server.address("crew"))
    return str(read_team_status(team).trouble)


@contextmanager
def standby_of(first: PostgresServer) -> Iterator[PostgresServer]:
    """A second server that follows the first."""
    if first.process is None or first.binaries is None:
        pytest.skip("the server is not ours")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=first.folder.parent if first.folder else None))
    owner = as_other_user()
    second = PostgresServer(f"postgresql://postgres@/postgres?host={folder}", first.binaries, folder)
    try:
        if owner:
            os.chown(folder, owner["user"], owner["group"])
        subprocess.run(
            [
                first.binaries / "pg_basebackup",
                *("-h", str(first.folder), "-U", "postgres", "-R", "-c", "fast", "-D", folder / "data", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **owner,  # type: ignore[call-overload]
        )
        second.start()
        yield second
    finally:
        second.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_verb_that_the_server_cannot_order_runs_again_as_a_whole(
    open_hub: OpenHub, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = open_hub("lead")
    sent = lead.send("lead", "hi", conversation_id="c")
    (delivery,) = lead.claim()
    lead.execute("SET default_transaction_isolation = 'repeatable read'")
    begun: list[int] = []

    def run(connection: ServerConnection, statements: list[Statement]) -> list[StatementAnswer]:
        begun.extend(1 for each in statements if each.sql == "BEGIN")
        return run_statements(connection, statements)

    monkeypatch.setattr(server_transactions, "run_statements", run)
    with psycopg.connect(address) as foreign, ThreadPoolExecutor(1) as pool:
        foreign.execute("UPDATE deliveries SET wake_steps = 0")
        waiting = pool.submit(lead.acknowledge, delivery, outcome="read")
        eventually(
            lambda: foreign.execute(
                "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
            ).fetchone(),
            "an acknowledgement that waits for the row",
        )
        foreign.commit()
        waiting.result()
    assert len(begun) == 2
    assert [state.outcome for state in lead.queries.trace(sent.message_id)] == ["read"]


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_send_returns_when_its_commit_is_on_the_servers_disk(
    team: Team, open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch, durability: Durability
) -> None:
    open_hub("lead")
    flushed: list[bool] = []

    def flush(connection: ServerConnection, script: str) -> None:
        ((committed,),) = run_script(connection, "SELECT pg_current_wal_insert_lsn()")
        run_script(connection, script)
        sql = f"SELECT pg_current_wal_flush_lsn() >= '{committed}'::pg_lsn"
        flushed.append(run_script(connection, sql)[0][0])

    with MessageHub(team, agent="lead", durability=durability) as hub:
        monkeypatch.setattr(server_transactions, "run_script", flush)
        hub.send("lead", "hi")
        monkeypatch.undo()
    assert flushed == ([True] if durability == "full" else [])


def test_a_reader_recovers_by_itself(open_hub: OpenHub, postgres: PostgresServer) -> None:
    """Its connections are cut again and again while it listens."""
    lead, scout = open_hub("lead"), open_hub("scout")
    stop = threading.Event()

    def cut() -> None:
        with postgres.connect() as admin:
            while not stop.wait(0.1):
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'teamsup' AND pid <> pg_backend_pid()"
                )

    def read() -> list[str]:
        found: list[str] = []
        for delivery in scout.listen():
            scout.acknowledge(delivery)
            found.append(delivery.message.content)
            if len(found) == 20:
                break
        return found

    with ThreadPoolExecutor(2) as pool:
        reading, cutting = pool.submit(read), pool.submit(cut)
        try:
            for number in range(20):
                lead.send("scout", str(number), conversation_id="c")
            assert reading.result() == [str(number) for number in range(20)]
        finally:
            stop.set()
        cutting.result()
