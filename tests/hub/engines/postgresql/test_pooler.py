"""A pooler in session mode is as good as the server; one in transaction mode is refused with its name."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from helpers.pgbouncer import needs_pgbouncer, pooled_database
from helpers.postgres_server import PostgresServer
from helpers.support import TIMEOUT_SECONDS, eventually, run_foreign_sql
from hub.engines.postgresql.conftest import configure
from teamsup.config.components import installed_tables
from teamsup.hub import MessageHub, StoreError, Team
from teamsup.hub.engines.choice import copy_team
from teamsup.hub.engines.copying.row_copy import CopyReport, StoreInUse
from teamsup.hub.wakeup.doorbell import Doorbells

pytestmark = [pytest.mark.slow, needs_pgbouncer]
INSERT = "INSERT INTO messages (message_id, sender, recipient, content) VALUES ('m', 'cron', 'scout', 'hi')"


def test_a_team_works_through_a_pooler_in_session_mode(postgres: PostgresServer, tmp_path: Path) -> None:
    with pooled_database(postgres, "session") as address:
        team = configure(Team("crew", tmp_path / "crew"), address)
        with MessageHub(team, agent="lead") as lead, MessageHub(team, agent="scout") as scout:
            for tables in installed_tables():
                lead.maintenance.migrate_component(tables)
            assert lead.maintenance.check_integrity(installed_tables()) == []
            scout.register()
            assert scout.start_watcher()
            with ThreadPoolExecutor(1) as pool:
                heard = pool.submit(scout.wait, TIMEOUT_SECONDS)
                eventually(lambda: Doorbells(team.run).agents_listening({"scout"}), "a reader that waits")
                run_foreign_sql(team, INSERT)
                assert heard.result()
            (delivery,) = scout.claim()
            answer = scout.reply(delivery, "hello")
            assert [message.message_id for message in lead.queries.history(limit=1)] == [answer.message_id]

        def copy() -> CopyReport | None:
            # The pooler resets the session of a program that has gone a moment later.
            with suppress(StoreInUse):
                return copy_team(address, str(tmp_path / "copy.db"), "crew", installed_tables())
            return None

        assert eventually(copy, "the pooler has reset the last session").rows["messages"] == 2


def test_a_pooler_in_transaction_mode_is_refused(postgres: PostgresServer, tmp_path: Path) -> None:
    with pooled_database(postgres, "transaction") as address:
        team = configure(Team("crew", tmp_path / "crew"), address)
        with pytest.raises(StoreError, match="transaction pooler is in between"):
            MessageHub(team, agent="lead")
