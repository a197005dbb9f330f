"""Two folders of one team are two hosts: their sockets do not reach each other, so the server rings."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers.postgres_server import PostgresServer
from helpers.support import TIMEOUT_SECONDS, eventually
from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.postgresql.address import parse_address
from teamsup.hub.engines.postgresql.server_watch import ServerWatch, check_pooler
from teamsup.hub.wakeup.doorbell import Doorbells


def make_host(folder: Path, address: str) -> Team:
    folder.mkdir(mode=0o700)
    team = Team("crew", folder)
    team.configuration.write_text(f'[team]\nhub = "{address}"\n')
    return team


def test_a_message_from_another_host_wakes_a_reader(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = make_host(tmp_path / "one", address), make_host(tmp_path / "two", address)
    # Nobody looks without a ring.
    monkeypatch.setattr("teamsup.hub.wakeup.waiter._FALLBACK_CHECK_SECONDS", 2 * TIMEOUT_SECONDS)
    with MessageHub(one, agent="lead") as lead, MessageHub(two, agent="scout") as scout:
        scout.register()
        assert scout.start_watcher()
        eventually(lambda: lead.query("SELECT 1 FROM listening_hosts"), "the other host is registered")
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(scout.wait, TIMEOUT_SECONDS)
            eventually(lambda: Doorbells(two.run).agents_listening({"scout"}), "a reader that waits")
            lead.send("scout", "hi")
            assert heard.result()
        assert [delivery.message.content for delivery in scout.claim()] == ["hi"]


def test_a_server_passes_the_self_test_for_poolers(postgres: PostgresServer) -> None:
    check_pooler(parse_address(postgres.url))


def test_a_watch_that_has_ended_may_be_stopped(address: str) -> None:
    watch = ServerWatch(parse_address(address), "here")
    watch.close()
    watch.stop()
