"""Who may have the supervisor's figures, and how many at once."""

import http.client
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from helpers.support import eventually
from teamsup.config.components import Component, ComponentMetric
from teamsup.hub import Agent, MessageHub, Stats, Team
from teamsup.hub.engines.engine import StoreMetric
from teamsup.status.state_file import TeamState, WorkerState
from teamsup.supervisor import metrics
from teamsup.supervisor.metrics import MetricsServer, render_component_metrics, render_metrics, render_store_metrics


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def port(team: Team) -> Iterator[int]:
    port = free_port()
    with MessageHub(team) as hub:
        server = MetricsServer(port, hub, lambda: TeamState(1, 0.0, ()))
        yield port
        server.close()


def test_prometheus_reads_the_figures_also_of_an_agent_with_an_odd_name() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    name = 'a "quoted" \\ name\nof two lines'
    agent = Agent(name, "agent", "online", datetime.fromtimestamp(990, UTC), {}, unread=3)
    worker = WorkerState("own", "RUNNING", 7, 900.0, 2, "", None, ())
    stats = Stats(5, 6, {"dead": 4}, None, 0, 0)

    text = render_metrics(TeamState(1, 900.0, (worker,)), [agent], stats, 1000.0)

    samples = [sample for family in parser.text_string_to_metric_families(text) for sample in family.samples]
    values = {(sample.name, *sample.labels.values()): sample.value for sample in samples}
    assert values["teamsup_worker_up", "own"] == 1
    assert values["teamsup_worker_restarts_total", "own"] == 2
    assert values["teamsup_heartbeat_age_seconds", name] == 10
    assert values["teamsup_unread", name] == 3
    assert values["teamsup_deliveries", "dead"] == 4
    assert values["teamsup_supervisor_start_time_seconds",] == 900


def test_an_engine_adds_its_figures() -> None:
    figures = [StoreMetric("dead_rows", "Dead rows of a table", 7, "messages"), StoreMetric("age", "Age", 1.5)]
    assert render_store_metrics(figures).splitlines() == [
        "# HELP teamsup_store_dead_rows Dead rows of a table",
        "# TYPE teamsup_store_dead_rows gauge",
        'teamsup_store_dead_rows{table="messages"} 7',
        "# HELP teamsup_store_age Age",
        "# TYPE teamsup_store_age gauge",
        "teamsup_store_age 1.5",
    ]


def test_components_add_their_figures_and_one_that_fails_hides_no_other(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count_letters(hub: MessageHub) -> list[ComponentMetric]:
        return [ComponentMetric("letters", "Letters sent", (({"to": "ann"}, 2), ({}, len(hub.agents()))), "counter")]

    functions = {"mailer": count_letters, "broken": lambda _: 1 / 0, "odd": lambda _: [ComponentMetric("a b", "", ())]}
    found = {name: Component(name, metrics=name) for name in functions}
    monkeypatch.setattr(metrics, "installed_components", lambda: found)
    monkeypatch.setattr(metrics, "load_function", functions.__getitem__)

    with MessageHub(team) as hub:
        lines = render_component_metrics(hub).splitlines()

    assert lines[:4] == [
        "# HELP teamsup_mailer_letters Letters sent",
        "# TYPE teamsup_mailer_letters counter",
        'teamsup_mailer_letters{to="ann"} 2',
        "teamsup_mailer_letters 0",
    ]
    assert [line.partition("=")[2] for line in lines[-3:]] == ['"mailer"} 1', '"broken"} 0', '"odd"} 0']


def status(port: int, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/metrics", headers={key.replace("_", "-"): value for key, value in headers.items()})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


@pytest.mark.parametrize("host", ["localhost", "localhost:9464", "127.0.0.1:1", "[::1]", "[::1]:80", "LOCALHOST"])
def test_programs_of_this_machine_may_read_them(port: int, host: str) -> None:
    assert status(port, Host=host) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:9464"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Referer": "http://evil.example/"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
def test_pages_in_a_browser_may_not(port: int, headers: dict[str, str]) -> None:
    assert status(port, **{"Host": "localhost", **headers}) == 403


@pytest.mark.slow
def test_300_silent_connections_lock_nobody_out_and_use_few_descriptors(port: int) -> None:
    before = len(os.listdir("/dev/fd"))
    silent = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(300)]
    try:
        assert status(port) == 200
        # 300 ends of connections are ours here.
        eventually(lambda: len(os.listdir("/dev/fd")) - before - 300 <= 2 * 16, "most have been closed")
    finally:
        for each in silent:
            each.close()


def test_a_request_that_never_ends_is_broken_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_TIMEOUT_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")

        def is_broken_off() -> bool:
            try:
                slow.sendall(b"X: y\r\n")
                slow.setblocking(False)
                return slow.recv(1) == b""
            except BlockingIOError:
                return False
            except OSError:
                return True
            finally:
                slow.setblocking(True)

        eventually(is_broken_off, "the end")
