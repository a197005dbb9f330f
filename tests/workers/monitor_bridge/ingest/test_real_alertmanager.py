"""A real Alertmanager sends to our listener: its alerts arrive, also if the listener was away at first."""

import base64
import contextlib
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from helpers.alertmanager import needs_alertmanager, running_alertmanager
from helpers.support import TIMEOUT_SECONDS, clean_environment, eventually
from helpers.webhook_server import AlertRecorder, running_server
from teamsup.hub import MessageHub, StoreBusy, Team
from teamsup.workers.monitor_bridge.ingest.rejected import list_rejected
from teamsup.workers.monitor_bridge.source_section import SourceSection

pytestmark = needs_alertmanager
SECRET = "open sesame, please"  # noqa: S105
BEARER = {"authorization": {"type": "Bearer", "credentials": SECRET}}
BASIC = {"basic_auth": {"username": "teamsup", "password": SECRET}}
DB1 = {"alertname": "DiskFull", "instance": "db1", "severity": "critical"}
DB2 = {**DB1, "instance": "db2"}


@pytest.fixture
def recorder(join: Callable[..., MessageHub]) -> AlertRecorder:
    return AlertRecorder(join("monitor-bridge"))


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> dict[str, SourceSection]:
    monkeypatch.setenv("PROMETHEUS", SECRET)
    return {"prometheus": SourceSection("alertmanager", secret_variable="PROMETHEUS")}  # noqa: S106


@pytest.fixture
def start_bridge(team: Team) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts monitor-bridge itself; none is left afterwards."""
    started: list[subprocess.Popen[bytes]] = []
    environment = {**clean_environment(), "TEAMSUP_HOME": str(team.folder.parent)}

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "teamsup.workers.monitor_bridge.bridge", "--team", team.name]
        started.append(subprocess.Popen(command, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(TIMEOUT_SECONDS)


def states(recorder: AlertRecorder, key: str) -> list[str]:
    return [state for known, state in recorder.recorded if known == key]


@pytest.mark.parametrize("proof", [BEARER, BASIC])
def test_it_fires_repeats_groups_and_resolves(
    recorder: AlertRecorder, sources: dict[str, SourceSection], tmp_path: Path, proof: dict[str, object]
) -> None:
    with (
        running_server(recorder, sources) as port,
        running_alertmanager(tmp_path / "am", f"http://127.0.0.1:{port.port}/prometheus", proof) as real,
    ):
        real.fire(DB1, summary="disk of db1 is full")
        eventually(lambda: recorder.recorded, "it fires")
        first = recorder.recorded[0][0]
        eventually(lambda: states(recorder, first).count("firing") >= 3, "it is repeated")
        assert {key for key, _ in recorder.recorded} == {first}

        real.fire(DB2)
        eventually(lambda: len({key for key, _ in recorder.recorded}) == 2, "the other of its group fires")
        second = next(key for key, _ in recorder.recorded if key != first)

        real.resolve(DB1)
        eventually(lambda: "resolved" in states(recorder, first), "the first is resolved")
        assert "resolved" not in states(recorder, second)
        real.resolve(DB2)
        eventually(lambda: "resolved" in states(recorder, second), "so is the second")
    assert list_rejected(recorder.hub) == []


def test_it_comes_again_while_we_cannot_store(
    recorder: AlertRecorder, sources: dict[str, SourceSection], tmp_path: Path
) -> None:
    recorder.failure = StoreBusy("held by another program.")
    with (
        running_server(recorder, sources) as port,
        running_alertmanager(tmp_path / "am", f"http://127.0.0.1:{port.port}/prometheus", BEARER) as real,
    ):
        real.fire(DB1)
        eventually(lambda: len(recorder.stored_sources) >= 2, "it has come again")
        assert recorder.recorded == []

        recorder.failure = None
        eventually(lambda: recorder.recorded, "it is heard")


def test_a_payload_sent_while_we_are_gone_arrives_when_we_are_back(
    recorder: AlertRecorder, sources: dict[str, SourceSection], tmp_path: Path
) -> None:
    with running_server(recorder, sources) as port:
        number = port.port
    with running_alertmanager(tmp_path / "am", f"http://127.0.0.1:{number}/prometheus", BEARER) as real:
        real.fire(DB1)
        eventually(lambda: "connection refused" in (tmp_path / "am" / "log").read_text(), "it has tried")
        with running_server(recorder, sources, port=number):
            eventually(lambda: recorder.recorded, "it is heard")


@pytest.mark.slow
def test_a_repeated_payload_is_one_incident_though_we_are_killed_before_it_is_stored(
    team: Team, start_bridge: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    team.create()
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    team.configuration.write_text(
        f'[monitor-bridge]\nlisten = "127.0.0.1:{number}"\n'
        f'[source.prometheus]\nkind = "alertmanager"\nsecret_file = "{secret}"\n'
    )
    with MessageHub(team) as hub:
        bridge = start_bridge()
        eventually(lambda: is_heard(number), "it listens")
        with running_alertmanager(tmp_path / "am", f"http://127.0.0.1:{number}/prometheus", BEARER) as real:
            with hub.transaction():
                # It has what was said, and cannot store it.
                real.fire(DB1)
                eventually(lambda: has_sent(tmp_path / "am", number), "it has sent")
                bridge.kill()
                bridge.wait(TIMEOUT_SECONDS)
            assert hub.query("SELECT * FROM incidents WHERE source = 'prometheus'") == []

            bridge = start_bridge()
            eventually(lambda: incidents(hub), "it comes again")
            real.resolve(DB1)
            eventually(lambda: [state for _, state in incidents(hub)] == ["resolved"], "it ends")
        bridge.terminate()
        assert bridge.wait(TIMEOUT_SECONDS) == 0
        assert len(incidents(hub)) == 1


def is_heard(number: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{number}/", timeout=5):
        return True
    return False


def has_sent(folder: Path, number: int) -> bool:
    """Whether a request is on its way to that port."""
    return any(
        connection.raddr and connection.raddr.port == number and connection.status == psutil.CONN_ESTABLISHED
        for process in psutil.Process().children()
        if str(folder) in " ".join(process.cmdline())
        for connection in process.net_connections("tcp")
    )


def incidents(hub: MessageHub) -> list[tuple[str, str]]:
    rows = hub.query("SELECT fingerprint, state FROM incidents WHERE source = 'prometheus'")
    return [(row["fingerprint"], row["state"]) for row in rows]


def test_with_a_wrong_secret_it_is_refused_and_knows_why(
    recorder: AlertRecorder, sources: dict[str, SourceSection], tmp_path: Path
) -> None:
    wrong = {"authorization": {"type": "Bearer", "credentials": base64.b64encode(SECRET.encode()).decode()}}
    with (
        running_server(recorder, sources) as port,
        running_alertmanager(tmp_path / "am", f"http://127.0.0.1:{port.port}/prometheus", wrong) as real,
    ):
        real.fire(DB1)
        eventually(lambda: "unexpected status code 401" in (tmp_path / "am" / "log").read_text(), "it is told")
    assert recorder.stored_sources == []


def test_its_watchdog_is_a_sign_of_life(
    recorder: AlertRecorder, sources: dict[str, SourceSection], tmp_path: Path
) -> None:
    with (
        running_server(recorder, sources) as port,
        running_alertmanager(tmp_path / "am", f"http://127.0.0.1:{port.port}/prometheus", BEARER) as real,
    ):
        real.fire({"alertname": "Watchdog", "severity": "none"})
        eventually(lambda: recorder.recorded.count(("Watchdog", "alive")) >= 2, "it shows that it lives")
