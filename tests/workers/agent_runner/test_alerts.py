"""Alerts start the agent that is notified of them: equal ones are one incident, so they cost one run."""

import contextlib
import http.client
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.runner_harness import STAND_IN
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually
from teamsup.hub import MessageHub
from teamsup.workers.agent_runner.run import Run
from teamsup.workers.agent_runner.run_table import RunTable

ALERTS = 10_000
_SOURCES = 16


@pytest.mark.slow
def test_ten_thousand_equal_alerts_cost_one_run(teamsup: TeamsupCommand) -> None:
    """The agent has no session, and counts as reachable: a message starts it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = teamsup.team.folder
    folder.mkdir(parents=True)
    teamsup.team.configuration.write_text(
        "[worker.user_comm]\nautostart = false\n[worker.gateway]\nautostart = false\n"
        f'[monitor-bridge]\nlisten = "127.0.0.1:{port}"\n[source.shop]\n[alert_route.shop]\nagents = ["gcp"]\n'
        f'[agent.gcp]\nstart = ["message"]\ncommand = {json.dumps([sys.executable, "-S", str(STAND_IN)])}\n'
        f'environment = {{ SIGNS = "{folder}", EFFECTS = "{folder}/effects" }}\n'
    )
    with teamsup.open("start", stdout=-3) as supervisor:
        try:
            eventually(lambda: is_listening(port), "the listener")
            eventually(lambda: teamsup.ps()["agent-runner"]["state"] == "RUNNING", "agent-runner")
            with ThreadPoolExecutor(_SOURCES) as sources:
                assert sum(sources.map(post_alerts, [port] * _SOURCES)) == ALERTS
            with MessageHub(teamsup.team) as hub:
                eventually(lambda: ended_runs(RunTable(hub)), "the run")
                assert hub.query("SELECT count FROM incidents")[0][0] == ALERTS
                assert len(RunTable(hub).latest()) == 1
        finally:
            supervisor.terminate()
            supervisor.wait(TIMEOUT_SECONDS)


def post_alerts(port: int) -> int:
    """Post one source's share of the alerts, all equal; return how many were taken."""
    taken = 0
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as source:
        for _ in range(ALERTS // _SOURCES):
            source.request("POST", "/shop", b"effect disk-full", {"Content-Type": "text/plain"})
            answer = source.getresponse()
            answer.read()
            taken += answer.status == 200
    return taken


def ended_runs(table: RunTable) -> list[Run]:
    return [run for run in table.latest() if not run.is_open]


def is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
