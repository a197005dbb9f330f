"""monitor-bridge as a process: from a source's request to the acknowledgement."""

import contextlib
import http.client
import http.server
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.alertmanager import needs_alertmanager, running_alertmanager
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, refusal_of, round_ages, serve_http
from teamsup.hub import Message, MessageHub

QUIET = "cpu_percent = 100\nmemory_percent = 100\ndisk_percent = 100\nload_per_cpu = 0\nswap_percent = 0\n"


class Bridge:
    """A team with monitor-bridge and user_comm, the agent lead, who is here, and ann at a console."""

    def __init__(self, teamsup: TeamsupCommand, port: int) -> None:
        self.teamsup = teamsup
        self.port = port
        self.lead = MessageHub(teamsup.team, agent="lead")
        self.lead.register()
        self.ann = MessageHub(teamsup.team, agent="console-ann")
        self.ann.register("console")

    def post(self, **alert: object) -> int:
        """The status of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", "/script", json.dumps(alert).encode())
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def is_heard(self) -> bool:
        with contextlib.suppress(OSError), contextlib.closing(socket.create_connection(("127.0.0.1", self.port), 1)):
            return True
        return False

    def alerts(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.teamsup.run("alerts", "--json", *words).stdout)["incidents"]
        return found

    def pid(self) -> int | None:
        pid: int | None = self.teamsup.ps()["monitor-bridge"]["pid"]
        return pid

    def close(self) -> None:
        self.lead.close()
        self.ann.close()


def heard(hub: MessageHub) -> Message:
    assert hub.wait(TIMEOUT_SECONDS)
    (delivery,) = hub.claim()
    hub.acknowledge(delivery)
    return delivery.message


def heard_until(hub: MessageHub, words: str) -> Message:
    while words not in (message := heard(hub)).content:
        pass
    return message


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def start_bridge(run_workers: Callable[[str], TeamsupCommand]) -> Iterator[Callable[..., Bridge]]:
    begun: list[Bridge] = []

    def start(monitor: str = "", more: str = "", port: int = 0) -> Bridge:
        port = port or free_port()
        teamsup = run_workers(
            f'[monitor-bridge]\nrecipient = "lead"\nlisten = "127.0.0.1:{port}"\ninterval_seconds = 1\n{QUIET}{monitor}'
            f'[source.script]\nkind = "plain"\n{more}'
        )
        bridge = Bridge(teamsup, port)
        begun.append(bridge)
        assert teamsup.run("start", "user_comm").returncode == 0
        assert teamsup.run("start", "monitor-bridge").returncode == 0
        eventually(bridge.is_heard, "the listener")
        return bridge

    yield start
    for bridge in begun:
        bridge.close()


def test_an_alert_reaches_an_agent_whose_answer_reaches_people_until_it_is_resolved(
    start_bridge: Callable[..., Bridge],
) -> None:
    bridge = start_bridge()
    assert bridge.post(title="disk of web-01 is full", severity="critical") == 200

    assert bridge.lead.wait(TIMEOUT_SECONDS)
    (delivery,) = bridge.lead.claim()
    assert "disk of web-01 is full" in delivery.message.content
    assert delivery.message.priority == "urgent"
    bridge.lead.reply(delivery, "ack - I remove old logs")
    assert "lead takes care of incident 1" in heard(bridge.ann).content
    assert "I remove old logs" in heard(bridge.ann).content
    (incident,) = bridge.alerts()
    assert (incident["state"], incident["acknowledged_by"]) == ("acknowledged", "lead")

    assert bridge.post(title="disk of web-01 is full", status="resolved") == 200
    assert "Resolved" in heard(bridge.lead).content
    assert "Resolved" in heard(bridge.ann).content
    assert bridge.alerts() == []
    assert [each["state"] for each in bridge.alerts("--all")] == ["resolved"]


@pytest.mark.slow
def test_a_disk_that_is_not_there_keeps_no_source_from_being_received(start_bridge: Callable[..., Bridge]) -> None:
    bridge = start_bridge('watch_host = true\nconfirmations = 1\ndisk_path = "/nowhere"\n')
    why = "disk cannot be measured at /nowhere: No such file or directory"
    eventually(lambda: why in bridge.teamsup.ps()["monitor-bridge"]["note"], "the note says it")
    assert bridge.teamsup.ps()["monitor-bridge"]["state"] == "RUNNING"
    assert bridge.post(title="disk of web-01 is full") == 200
    heard_until(bridge.lead, "disk of web-01 is full")
    eventually(lambda: any("at /nowhere" in each["title"] for each in bridge.alerts()), "it is a problem")


@pytest.mark.slow
def test_a_person_acknowledges_in_words_or_by_a_command(start_bridge: Callable[..., Bridge]) -> None:
    bridge = start_bridge()
    for title in ("one", "two", "three"):
        assert bridge.post(title=title) == 200
    assert "one" in heard(bridge.lead).content

    bridge.ann.send("user_comm", "/ack 1")
    assert 'ann takes care of incident 1, "one".' in heard_until(bridge.ann, "takes care").content
    assert "ann takes care of incident 1" in heard_until(bridge.lead, "takes care").content

    done = bridge.teamsup.run("alerts", "ack", "2")
    assert (done.returncode, 'takes care of incident 2, "two".' in done.stdout) == (0, True)
    bridge.ann.send("user_comm", "/alerts")
    table = heard_until(bridge.ann, "SEVERITY").content
    assert table.startswith("ID ")
    assert "acknowledged by ann" in table
    assert "three" in table
    assert [each["state"] for each in bridge.alerts()] == ["firing", "acknowledged", "acknowledged"]
    assert "incident 99" in refusal_of(bridge.teamsup.run("alerts", "ack", "99"))
    assert "three" in bridge.teamsup.run("alerts", "show", "3").stdout
    assert "has muted incident 3," in bridge.teamsup.run("alerts", "mute", "3").stdout
    assert 'has closed incident 3, "three".' in bridge.teamsup.run("alerts", "close", "3").stdout
    assert len(bridge.alerts()) == 2


@pytest.mark.slow
def test_a_person_looks_at_what_was_refused(start_bridge: Callable[..., Bridge]) -> None:
    bridge = start_bridge()
    assert "could be read" in bridge.teamsup.run("alerts", "rejected").stdout
    for _ in range(2):
        assert bridge.post(titel="\u001b[2Jdisk") == 400
    assert "teamsup alerts rejected" in heard(bridge.lead).content

    head, line = bridge.teamsup.run("alerts", "rejected").stdout.splitlines()
    assert head.split() == ["ID", "SOURCE", "TIMES", "LAST", "REASON"]
    assert line.split()[:3] == ["1", "script", "2"]
    assert 'There is no "titel"' in line
    shown = bridge.teamsup.run("alerts", "rejected", "1").stdout
    assert "from script, 2 times, last just now" in round_ages(shown)
    assert '{"titel": ' in shown
    (found,) = json.loads(bridge.teamsup.run("alerts", "rejected", "--json").stdout)["rejected"]
    assert (found["source"], found["times"], "titel" in found["payload"]) == ("script", 2, True)
    assert "No payload 7" in refusal_of(bridge.teamsup.run("alerts", "rejected", "7"))
    assert "not a payload's number" in refusal_of(bridge.teamsup.run("alerts", "rejected", "x"))


@pytest.mark.slow
def test_an_acknowledgement_while_the_bridge_is_down_is_kept_and_reported(start_bridge: Callable[..., Bridge]) -> None:
    bridge = start_bridge()
    assert bridge.post(title="one") == 200
    heard(bridge.lead)
    assert bridge.teamsup.run("stop", "monitor-bridge").returncode == 0

    done = bridge.teamsup.run("alerts", "ack", "1")
    assert done.returncode == 0
    assert done.stderr.startswith("Noted. monitor-bridge is offline")
    assert [each["state"] for each in bridge.alerts()] == ["firing"]

    assert bridge.teamsup.run("start", "monitor-bridge").returncode == 0
    assert "takes care of incident 1" in heard(bridge.lead).content
    assert [each["state"] for each in bridge.alerts()] == ["acknowledged"]


@pytest.mark.slow
def test_a_payload_answered_with_200_survives_a_kill_at_any_moment(start_bridge: Callable[..., Bridge]) -> None:
    bridge = start_bridge()
    stored: list[str] = []
    stopping = threading.Event()

    def post() -> None:
        number = 0
        while not stopping.is_set():
            number += 1
            with contextlib.suppress(OSError, http.client.HTTPException):
                if bridge.post(title=f"alert {number}") == 200:
                    stored.append(f"alert {number}")

    poster = threading.Thread(target=post)
    poster.start()
    try:
        for _ in range(5):
            before = len(stored)
            eventually(lambda before=before: len(stored) > before + 20, "alerts are taken")  # type: ignore[misc]
            pid = bridge.pid()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=pid: bridge.pid() not in (None, pid), "it is back")  # type: ignore[misc]
    finally:
        stopping.set()
        poster.join()
    assert set(stored) <= {each["title"] for each in bridge.alerts()}


def test_the_command_hook_is_a_command(start_bridge: Callable[..., Bridge], tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = f'(cat; echo "$TEAMSUP_SEVERITY $TEAMSUP_TITLE") > {told}.part; mv {told}.part {told}'
    bridge = start_bridge(f"ack_timeout_seconds = 1\ncommand = {json.dumps(['sh', '-c', script])}\n")
    bridge.lead.maintenance.mark_offline("lead")
    assert bridge.post(title="it $(burns)", severity="critical") == 200

    text = eventually(lambda: told.read_text() if told.exists() else "", "the command was run")
    assert text.endswith("critical it $(burns)\n")
    assert "Incident 1, critical, from script" in text


@pytest.mark.slow
def test_the_command_is_run_once_also_when_that_cannot_be_noted(
    start_bridge: Callable[..., Bridge], tmp_path: Path
) -> None:
    runs, go = tmp_path / "runs", tmp_path / "go"
    script = f"echo $TEAMSUP_INCIDENT >> {runs}; while [ ! -e {go} ]; do sleep 0.05; done"
    bridge = start_bridge(f"ack_timeout_seconds = 1\ncommand = {json.dumps(['sh', '-c', script])}\n")
    bridge.lead.maintenance.mark_offline("lead")
    assert bridge.post(title="one") == 200
    eventually(runs.exists, "the command runs")
    with MessageHub(bridge.teamsup.team) as hub:
        hub.execute(
            "CREATE TRIGGER fails BEFORE UPDATE OF step ON incident_groups WHEN NEW.step = 'command'"
            " BEGIN SELECT RAISE(ABORT, 'it cannot be noted'); END"
        )
        go.touch()
        bridge.lead.register()
        for number in range(3):
            assert bridge.post(title=f"look {number}") == 200
            heard_until(bridge.lead, f"look {number}")
            # Said by the escalation, which has looked at the first one too.
            heard_until(bridge.lead, "has not answered")
        hub.execute("DROP TRIGGER fails")
    eventually(lambda: [each["step"] for each in bridge.alerts() if each["id"] == 1] == ["command"], "it is noted")
    assert runs.read_text().split().count("1") == 1


@pytest.mark.slow
def test_people_are_notified_that_the_command_failed(start_bridge: Callable[..., Bridge]) -> None:
    command = json.dumps(["sh", "-c", "echo no route to mail >&2; exit 3"])
    bridge = start_bridge(f"ack_timeout_seconds = 1\ncommand = {command}\n")
    bridge.lead.maintenance.mark_offline("lead")
    assert bridge.post(title="one") == 200
    assert heard_until(bridge.ann, "failed").content.endswith("failed for incident 1: exit code 3: no route to mail.")


@pytest.mark.slow
def test_a_sign_of_life_that_stays_away_is_an_incident_until_it_comes_back(start_bridge: Callable[..., Bridge]) -> None:
    bridge = start_bridge(more='[watchdog.backup]\nsource = "script"\nevery_seconds = 1\n')
    message = heard_until(bridge.lead, "sends no heartbeat backup")
    assert message.priority == "urgent"

    def is_over() -> bool:
        assert bridge.post(heartbeat="backup") == 200
        arrived = bridge.lead.claim()
        for delivery in arrived:
            bridge.lead.acknowledge(delivery)
        return any("Resolved" in delivery.message.content for delivery in arrived)

    eventually(is_over, "it has ended")


class FakeAlertmanager(http.server.BaseHTTPRequestHandler):
    """What an Alertmanager is asked for."""

    asked: list[dict[str, Any]]
    firing: list[dict[str, Any]]
    status = 200

    def do_GET(self) -> None:
        self.asked.append({"path": self.path})
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps(self.firing).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, **body})
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b'{"silenceID": "s1"}')

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def fake_alertmanager(
    status: int = 200, firing: list[dict[str, Any]] | None = None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address, and what it is asked."""
    asked: list[dict[str, Any]] = []
    handler = type("Handler", (FakeAlertmanager,), {"asked": asked, "status": status, "firing": firing})
    with serve_http(handler) as url:
        yield url, asked


def test_an_acknowledged_alert_is_silenced_if_that_is_configured(start_bridge: Callable[..., Bridge]) -> None:
    with fake_alertmanager() as (url, asked):
        bridge = start_bridge(more=f'silence_url = "{url}"\nsilence_seconds = 600\n')
        assert bridge.post(title="one", labels={"alertname": "One", "job": "a"}) == 200
        heard(bridge.lead)
        assert bridge.teamsup.run("alerts", "ack", "1").returncode == 0
        silence = eventually(lambda: [each for each in asked if "matchers" in each], "the silence")[0]
    assert silence["path"] == "/api/v2/silences"
    assert silence["matchers"] == [
        {"name": "alertname", "value": "One", "isRegex": False, "isEqual": True},
        {"name": "job", "value": "a", "isRegex": False, "isEqual": True},
    ]
    assert "incident 1, acknowledged by " in silence["comment"]


@pytest.mark.slow
def test_a_silenced_problem_ends_when_it_no_longer_fires(start_bridge: Callable[..., Bridge]) -> None:
    labels = {"alertname": "One", "job": "a"}
    firing = [{"labels": labels}, {"labels": {"alertname": "Two"}}]
    with fake_alertmanager(firing=firing) as (url, asked):
        bridge = start_bridge(more=f'silence_url = "{url}"\n')
        assert bridge.post(title="one", labels=labels) == 200
        assert bridge.post(title="another form", labels={"alertname": "Three"}) == 200
        assert bridge.post(title="two", labels={"alertname": "Two"}) == 200
        assert bridge.teamsup.run("alerts", "ack", "all").returncode == 0
        eventually(lambda: {"path": "/api/v2/alerts"} in asked, "the first look")
        assert len(bridge.alerts()) == 3
        del firing[0]
        eventually(lambda: len(bridge.alerts()) == 2, "it has ended")
        assert sorted(each["title"] for each in bridge.alerts()) == ["another form", "two"]


@pytest.mark.slow
@needs_alertmanager
def test_a_real_alertmanager_is_silenced_by_an_acknowledgement_and_its_end_still_arrives(
    start_bridge: Callable[..., Bridge], tmp_path: Path
) -> None:
    labels = {"alertname": "DiskFull", "instance": "db1", "severity": "critical"}
    port = free_port()
    with running_alertmanager(tmp_path / "am", f"http://127.0.0.1:{port}/prom") as real:
        bridge = start_bridge(more=f'[source.prom]\nkind = "alertmanager"\nsilence_url = "{real.url}"\n', port=port)
        real.fire(labels)
        assert "DiskFull" in heard(bridge.lead).content
        eventually(lambda: bridge.alerts()[0]["count"] > 2, "repeats are folded")
        assert bridge.teamsup.run("alerts", "ack", "1").returncode == 0
        (silence,) = eventually(real.silences, "the silence")
        assert {each["name"] for each in silence["matchers"]} == set(labels)
        eventually(lambda: real.alerts()[0]["status"]["state"] == "suppressed", "it is silent")
        assert "takes care" in heard(bridge.lead).content

        real.resolve(labels)
        assert "Resolved" in heard(bridge.lead).content
    assert bridge.alerts() == []


@pytest.mark.slow
def test_people_are_notified_that_it_could_not_be_silenced(start_bridge: Callable[..., Bridge]) -> None:
    with fake_alertmanager(status=500) as (url, _):
        bridge = start_bridge(more=f'silence_url = "{url}"\n')
        assert bridge.post(title="one", labels={"alertname": "One"}) == 200
        heard(bridge.lead)
        assert bridge.teamsup.run("alerts", "ack", "1").returncode == 0
        assert "script still reports it: it answered 500." in heard_until(bridge.ann, "still reports").content


@pytest.mark.slow
def test_a_team_where_nothing_is_wrong_says_so(start_bridge: Callable[..., Bridge]) -> None:
    bridge = start_bridge()
    assert bridge.teamsup.run("alerts").stdout == "No incident is open.\n"
    assert "not an incident's number" in refusal_of(bridge.teamsup.run("alerts", "show", "x"))


@pytest.mark.slow
def test_a_question_in_words_is_answered(start_bridge: Callable[..., Bridge]) -> None:
    bridge = start_bridge()

    def figures() -> bool:
        bridge.lead.send("monitor-bridge", "how is the load?")
        return "CPU" in heard(bridge.lead).content

    eventually(figures, "the figures")
    bridge.lead.send("monitor-bridge", "ack nothing")
    assert heard(bridge.lead).message_type == "error"


@pytest.mark.slow
def test_the_number_of_open_incidents_stands_beside_its_name(start_bridge: Callable[..., Bridge]) -> None:
    bridge = start_bridge()
    assert bridge.post(title="one") == 200
    assert bridge.post(title="two", severity="critical") == 200

    def note() -> str:
        return str(bridge.teamsup.ps()["monitor-bridge"]["note"])

    eventually(lambda: "2 incidents open, 1 critical" in note(), "they are counted")
    for title in ("one", "two"):
        assert bridge.post(title=title, status="resolved") == 200
    eventually(lambda: "open" not in note(), "they are over")


@pytest.mark.slow
def test_a_program_that_answers_with_an_error_has_not_acted(start_bridge: Callable[..., Bridge]) -> None:
    bridge = start_bridge("ack_timeout_seconds = 2\n", '[alert_route.all]\nagents = ["siren"]\n')
    with MessageHub(bridge.teamsup.team, agent="siren") as siren:
        siren.register("daemon")
        assert bridge.post(title="one") == 200
        assert siren.wait(TIMEOUT_SECONDS)
        (delivery,) = siren.claim()
        siren.reply(delivery, "I do not know such a command.", message_type="error")
        heard(siren)
        assert "siren has read this alert" in heard_until(bridge.ann, "siren").content


@pytest.mark.slow
def test_a_taken_port_is_reported_like_any_problem_until_it_is_free(start_bridge: Callable[..., Bridge]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        bridge = start_bridge("confirmations = 1\n", port=number)
        degraded = f"The sources cannot reach monitor-bridge, because 127.0.0.1:{number} is in use by "
        eventually(lambda: bridge.teamsup.ps()["monitor-bridge"]["note"].startswith(degraded), "ps says it")
        assert bridge.teamsup.ps()["monitor-bridge"]["state"] == "DEGRADED"
        assert f"monitor-bridge is degraded: {degraded}" in heard_until(bridge.lead, "degraded").content
    eventually(lambda: bridge.alerts() == [], "it takes the port")
    assert bridge.post(title="one") == 200
    assert bridge.teamsup.ps()["monitor-bridge"]["state"] == "RUNNING"


def test_a_list_of_alerts_says_when_it_may_not_be_all(teamsup: TeamsupCommand) -> None:
    with MessageHub(teamsup.team, agent="monitor-bridge") as hub:
        never = teamsup.run("alerts")
        hub.register("daemon", "degraded", note="Port 9095 is taken.")
        degraded = teamsup.run("alerts", "--json")
        hub.heartbeat()
        well = teamsup.run("alerts")

    assert (never.returncode, never.stderr) == (
        3,
        "teamsup: The list may be incomplete: monitor-bridge was never started.\n",
    )
    assert degraded.returncode == 4
    assert degraded.stderr == "teamsup: The list may be incomplete. monitor-bridge is degraded: Port 9095 is taken.\n"
    assert json.loads(degraded.stdout) == {"team": teamsup.team.name, "incidents": []}
    assert (well.returncode, well.stderr) == (0, "")
