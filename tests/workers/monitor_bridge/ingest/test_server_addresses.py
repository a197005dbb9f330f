"""The addresses at which monitor-bridge hears sources, and those that show whether it works."""

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.webhook_server import AlertRecorder, running_server
from teamsup.hub import MessageHub, StoreBusy
from teamsup.workers.listen_address import listening_hosts
from teamsup.workers.monitor_bridge.sections import MonitorSection
from teamsup.workers.monitor_bridge.source_section import SourceSection


@pytest.fixture
def recorder(join: Callable[..., MessageHub]) -> AlertRecorder:
    return AlertRecorder(join("monitor-bridge"))


def test_it_says_whether_it_works(recorder: AlertRecorder) -> None:
    with running_server(recorder, {"script": SourceSection()}) as port:
        for path in ("/-/healthy", "/-/ready"):
            assert (port.request(path, method="GET").status, port.request(path, method="HEAD").status) == (200, 200)
            assert port.request(path, "x").status == 405

        recorder.failure = StoreBusy("it is full")
        assert port.request("/script", "the disk is full").status == 503
        assert (port.request("/-/ready", method="GET").status, port.request("/-/healthy", method="GET").status) == (
            503,
            200,
        )

        recorder.failure = None
        assert port.request("/script", "the disk is full").status == 200
        assert port.request("/-/ready", method="GET").text == "ok\n"


def test_it_is_not_ready_while_a_secret_cannot_be_read(recorder: AlertRecorder, tmp_path: Path) -> None:
    with running_server(recorder, {"script": SourceSection(secret_file=str(tmp_path / "missing"))}) as port:
        assert "a secret cannot be read" in port.request("/-/ready", method="GET").text
        assert port.request("/-/healthy", method="GET").status == 200


def test_a_proxy_may_pass_on_a_prefix(recorder: AlertRecorder) -> None:
    with running_server(recorder, {"script": SourceSection()}, path_prefix="/team/alerts/") as port:
        assert port.request("/team/alerts/script", "one").status == 200
        assert port.request("/script", "two").status == 404
        assert port.request("/team/alertsscript", "two").status == 404
        assert port.request("/-/healthy", method="GET").status == 200
    assert [key for key, _ in recorder.recorded] == ["one"]


@pytest.mark.parametrize("host", ["localhost", "::"])
def test_a_host_of_both_families_is_heard_over_both(recorder: AlertRecorder, host: str) -> None:
    hosts = listening_hosts(host)
    with socket.create_server((hosts[0], 0)) as free:
        port = free.getsockname()[1]
    with running_server(recorder, {"script": SourceSection()}, host=host, port=port) as server:
        assert server.request("/script", "over IPv4").status == 200
        if len(hosts) > 1:
            with contextlib.closing(socket.create_connection(("::1", port), timeout=30)) as connection:
                connection.sendall(b"POST /script HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 2\r\n\r\nhi")
                assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_any_other_host_is_itself() -> None:
    assert listening_hosts("10.0.0.1") == ["10.0.0.1"]


@pytest.mark.parametrize("prefix", ["alerts", "/", "/a b", "/a//b", "/?x"])
def test_a_prefix_is_a_path(prefix: str) -> None:
    with pytest.raises(ValueError, match="path_prefix must be a path"):
        MonitorSection(path_prefix=prefix)
