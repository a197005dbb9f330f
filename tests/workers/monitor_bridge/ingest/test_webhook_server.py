"""Access over HTTP, and the payloads that a source may forget afterwards."""

import asyncio
import base64
import gzip
import http.client
import http.server
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.incident_harness import IncidentHarness, Join
from helpers.support import eventually
from helpers.vendor_payloads import change_somewhere
from helpers.webhook_server import AlertRecorder, RunningServer, running_server
from teamsup.config.loader import Config
from teamsup.hub import MessageHub, NotConfigured, StoreBusy, Team
from teamsup.hub.engines.sqlite.store import Store
from teamsup.workers.monitor_bridge.incidents.alert import Alerts
from teamsup.workers.monitor_bridge.ingest import body, connections, receiver, server_factory, webhook_server
from teamsup.workers.monitor_bridge.ingest.rejected import (
    MAX_PAYLOAD_BYTES,
    MAX_PER_SOURCE,
    NewRejectedPayload,
    RejectedPayload,
    get_rejected,
    insert_rejected,
    list_rejected,
    render_payload,
)
from teamsup.workers.monitor_bridge.source_section import SourceKind, SourceSection

SECRET = "open sesame, please"  # noqa: S105
VARIABLE = "OUR_SECRET"
BEARER = {"Authorization": f"Bearer {SECRET}"}
PAYLOADS = Path(__file__).with_name("payloads")
FIRING = (PAYLOADS / "alertmanager_firing.json").read_text("utf-8")
KEY = "fbab788ec4c1018b"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def hub(join: Callable[..., MessageHub]) -> MessageHub:
    return join("monitor-bridge")


@pytest.fixture
def recorder(hub: MessageHub) -> AlertRecorder:
    return AlertRecorder(hub)


@pytest.fixture
def port(recorder: AlertRecorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    monkeypatch.setenv(VARIABLE, SECRET)
    sources = {
        "prometheus": SourceSection("alertmanager", secret_variable=VARIABLE),
        "gcp": SourceSection("google_cloud", secret_variable=VARIABLE),
        "scripts": SourceSection("plain", secret_variable=VARIABLE),
        "open": SourceSection("plain"),
    }
    with running_server(recorder, sources) as heard:
        yield heard


def only_rejected(hub: MessageHub) -> RejectedPayload:
    (only,) = list_rejected(hub)
    return only


class TestSecrets:
    @pytest.mark.parametrize(
        "headers", [BEARER, {"authorization": f"bearer  {SECRET}"}, basic("anybody", SECRET), basic("", SECRET)]
    )
    def test_every_client_with_the_secret_is_accepted(
        self, port: RunningServer, recorder: AlertRecorder, headers: dict[str, str]
    ) -> None:
        assert port.request("/prometheus", FIRING, headers).status == 200
        assert recorder.recorded == [(KEY, "firing")]

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": ""},
            {"Authorization": "Bearer"},
            {"Authorization": f"Bearer {SECRET[:-1]}"},
            {"Authorization": f"Bearer {SECRET}x"},
            {"Authorization": SECRET},
            {"Authorization": "Basic ####"},
            {"Authorization": "Basic /////w=="},
            basic(SECRET, ""),
            basic("anybody", "wrong"),
        ],
    )
    def test_nobody_else_is(self, port: RunningServer, recorder: AlertRecorder, headers: dict[str, str]) -> None:
        answer = port.request("/prometheus", FIRING, headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert (recorder.stored_sources, list_rejected(recorder.hub)) == ([], [])

    def test_google_may_show_it_in_the_address(self, port: RunningServer) -> None:
        test = (PAYLOADS / "google_test.json").read_text("utf-8")
        address = SECRET.replace(" ", "%20")
        assert port.request(f"/gcp?auth_token={address}", test).status == 200
        assert port.request("/gcp?auth_token=wrong", test).status == 401

    def test_alertmanager_may_not(self, port: RunningServer) -> None:
        assert port.request(f"/prometheus?auth_token={SECRET.replace(' ', '%20')}", FIRING).status == 401

    def test_a_secret_of_one_source_opens_no_other(
        self, recorder: AlertRecorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ONE", "the first secret")
        monkeypatch.setenv("OTHER", "the other secret")
        sources = {name: SourceSection("plain", secret_variable=name.upper()) for name in ("one", "other")}
        with running_server(recorder, sources) as port:
            assert port.request("/other", "x", {"Authorization": "Bearer the first secret"}).status == 401

    @pytest.mark.parametrize(
        "headers", [{"Origin": "null"}, {"Sec-Fetch-Site": "none"}, {"Referer": "http://127.0.0.1/"}, {"origin": ""}]
    )
    def test_a_page_in_a_browser_is_refused_even_without_a_secret(
        self, port: RunningServer, recorder: AlertRecorder, headers: dict[str, str]
    ) -> None:
        assert port.request("/open", "x", headers).status == 403
        assert port.request("/open/job", None, headers, "GET").status == 403
        assert recorder.stored_sources == []

    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("localhost", 200),
            ("LocalHost.:80", 200),
            ("127.0.0.1:9095", 200),
            ("[::ffff:127.0.0.1]:9095", 200),
            ("alerts.example.com", 200),
            ("evil.example", 421),
            ("127.0.0.2", 421),
            ("localhost.evil.example", 421),
            ("[", 421),
            ("", 421),
        ],
    )
    def test_only_a_request_for_a_name_of_ours_is_accepted(
        self, recorder: AlertRecorder, host: str, status: int
    ) -> None:
        with running_server(recorder, {"open": SourceSection("plain")}, hosts=["alerts.example.com"]) as port:
            assert port.request("/open", "x", {"Host": host}).status == status


class TestAnswers:
    def test_the_same_delivery_ten_times_is_the_same_ten_times(
        self, port: RunningServer, recorder: AlertRecorder
    ) -> None:
        assert {port.request("/prometheus", FIRING, BEARER).status for _ in range(10)} == {200}
        assert set(recorder.recorded) == {(KEY, "firing")}

    def test_a_ping_needs_no_body(self, port: RunningServer, recorder: AlertRecorder) -> None:
        for method in ("GET", "HEAD", "POST"):
            assert port.request("/scripts/backup", None, BEARER, method).status == 200
        assert set(recorder.recorded) == {("backup", "alive"), ("ping backup", "resolved")}

    def test_a_health_check_learns_that_it_lives(self, port: RunningServer) -> None:
        assert port.request("/", method="GET").text == "ok\n"

    def test_an_unknown_address_is_not_found(self, port: RunningServer) -> None:
        assert port.request("/nobody", "x").status == 404
        assert port.request("/", "x").status == 405
        assert port.request("/scripts", None, BEARER, "GET").status == 405

    def test_no_answer_shows_a_secret(self, port: RunningServer) -> None:
        for path in ("/prometheus", "/nobody", f"/gcp?auth_token={SECRET.replace(' ', '%20')}"):
            answer = port.request(path, "x", BEARER)
            assert SECRET not in answer.text + str(answer.headers)
        assert SECRET not in repr(vars(port.server))


class HarnessRecorder(AlertRecorder):
    """Incidents are made of what it hears."""

    def __init__(self, harness: IncidentHarness) -> None:
        super().__init__(harness.hub)
        self._harness = harness

    def store(self, source: str, news: Alerts) -> None:
        self._harness.incidents.ingest(source, news)


REFUSED = [("refused", "firing")]
BOMBS: dict[str, tuple[str | bytes, str]] = {
    "broken": ('{"version": "4",', "The payload is not valid JSON: "),
    "nested": ("[" * 200_000, "The payload is not valid JSON: "),
    "nested tables": ('{"a":' * 100_000, "The payload is not valid JSON: "),
    "digits": ('{"version": ' + "9" * 10_000 + "}", "alerts is missing or empty."),
    "nan": ('{"version": NaN}', "alerts is missing or empty."),
    "bytes": (b'{"version": "\xff"}', "alerts is missing or empty."),
    "utf-16": ('{"version": "4"}'.encode("utf-16"), "The payload must be a JSON object, not a text that is not JSON."),
    "no json": ("hello", "The payload must be a JSON object, not a text that is not JSON."),
    "empty": ("", "The payload must be a JSON object, not a text that is not JSON."),
    "surrogate": ('{"version": "\\ud800"}', "alerts is missing or empty."),
    "list": ("[]", "The payload must be a JSON object, not a list."),
}


class TestRefusals:
    def test_its_text_steers_no_terminal(self, hub: MessageHub) -> None:
        insert_rejected(hub, "quiet", [NewRejectedPayload("why", b"\x1b[2Jdisk" + b"." * MAX_PAYLOAD_BYTES)])
        seen = render_payload(get_rejected(hub, 1), datetime.now(UTC))
        assert "\x1b" not in seen
        assert "[2Jdisk..." in seen
        assert f"{MAX_PAYLOAD_BYTES + 8} bytes, of which these are the first {MAX_PAYLOAD_BYTES}" in seen

    @pytest.mark.parametrize("name", BOMBS)
    def test_a_payload_without_meaning_is_refused_with_a_reason_and_kept(
        self, port: RunningServer, recorder: AlertRecorder, name: str
    ) -> None:
        sent, reason = BOMBS[name]
        answer = port.request("/prometheus", sent, BEARER)

        assert (answer.status, recorder.recorded) == (400, REFUSED)
        assert answer.text.startswith(reason)
        found = only_rejected(recorder.hub)
        data = sent.encode() if isinstance(sent, str) else sent
        assert (found.source, found.reason, found.bytes) == ("prometheus", answer.text.strip(), len(data))
        # A server stores no NUL in a text.
        assert found.payload == data[:MAX_PAYLOAD_BYTES].decode("utf-8", "replace").replace("\0", "\ufffd")

    def test_a_text_of_oracle_that_is_not_json_is_refused_like_any_other(self, recorder: AlertRecorder) -> None:
        with running_server(recorder, {"oci": SourceSection("oracle_cloud")}) as port:
            answer = port.request("/oci", (PAYLOADS / "oracle_split_not_json.txt").read_text("utf-8"))
        assert (answer.status, answer.text[:23]) == (400, "The payload is not vali")

    def test_it_is_a_problem_until_the_source_is_understood_again(self, recorder: AlertRecorder) -> None:
        sources = {"open": SourceSection("plain"), "other": SourceSection("plain")}
        with running_server(recorder, sources) as port:
            assert port.request("/open", "{").status == 400
            assert port.request("/other", "x").status == 200
        with running_server(recorder, sources) as port:
            assert port.request("/open", "y").status == 200
            assert port.request("/open", "z").status == 200
        fine = [(name, "firing") for name in "xyz"]
        assert recorder.recorded == [*REFUSED, *fine[:2], ("refused", "resolved"), fine[2]]

    def test_the_same_one_is_kept_once(self, port: RunningServer, hub: MessageHub) -> None:
        for _ in range(3):
            port.request("/prometheus", "hello", BEARER)
        assert (only_rejected(hub).times, only_rejected(hub).payload) == (3, "hello")

    def test_no_source_can_fill_the_disk_or_push_out_what_another_has_sent(self, hub: MessageHub) -> None:
        insert_rejected(hub, "quiet", [NewRejectedPayload("why", b"quiet")])
        for number in range(MAX_PER_SOURCE + 20):
            insert_rejected(hub, "loud", [NewRejectedPayload("why", b"%d" % number)])
        found = list_rejected(hub)
        assert [one.source for one in found].count("loud") == MAX_PER_SOURCE
        assert [one.source for one in found].count("quiet") == 1
        assert found[0].payload == str(MAX_PER_SOURCE + 19)

    def test_one_that_cannot_be_kept_is_asked_for_again(self, port: RunningServer, hub: MessageHub) -> None:
        hub.execute("ALTER TABLE rejected_payloads RENAME TO gone")
        assert port.request("/prometheus", "hello", BEARER).status == 503
        hub.execute("ALTER TABLE gone RENAME TO rejected_payloads")

    def test_the_beginning_of_a_payload_that_is_too_large_is_kept(
        self, port: RunningServer, recorder: AlertRecorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(body, "MAX_BYTES", 2**20)
        answer = port.request("/prometheus", FIRING.ljust(2**20 + 1), BEARER)
        assert (answer.status, recorder.recorded) == (200, REFUSED)
        assert answer.text == "It is larger than 1 MiB. Only its beginning is kept, for a person.\n"
        found = only_rejected(recorder.hub)
        assert found.reason == "The payload is larger than 1 MiB; this is its beginning."
        assert found.payload == FIRING.ljust(MAX_PAYLOAD_BYTES)

    def test_so_it_is_of_one_whose_length_is_not_said(
        self, port: RunningServer, recorder: AlertRecorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(body, "MAX_BYTES", 2**20)
        with socket.create_connection(("127.0.0.1", port.port), timeout=30) as connection:
            head = f"POST /prometheus HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n"
            connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(17):
                connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            connection.sendall(b"0\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        assert recorder.recorded == REFUSED

    def test_a_payload_of_the_largest_size_is_accepted(self, port: RunningServer, recorder: AlertRecorder) -> None:
        assert port.request("/prometheus", FIRING.ljust(body.MAX_BYTES), BEARER).status == 200
        assert recorder.recorded == [(KEY, "firing")]
        assert port.server._memory_budget.used == 0

    def test_more_than_all_requests_may_hold_comes_again(
        self, port: RunningServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(body, "MAX_TOTAL_BYTES", 2**20)
        with socket.create_connection(("127.0.0.1", port.port), timeout=30) as connection:
            head = f"POST /prometheus HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n"
            connection.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + b" " * 900_000)
            eventually(lambda: port.server._memory_budget.used > 800_000, "it is read")
            answer = port.request("/prometheus", FIRING.ljust(2**19), BEARER)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        eventually(
            lambda: port.request("/prometheus", FIRING.ljust(2**19), BEARER).status == 200, "there is room again"
        )

    def test_the_readable_alerts_of_a_group_are_stored_and_the_rest_is_kept(
        self, port: RunningServer, recorder: AlertRecorder
    ) -> None:
        group = json.loads(FIRING)
        (one,) = group["alerts"]
        group["alerts"] = [one, "fire", {**one, "fingerprint": "other"}, {"status": "firing"}]
        answer = port.request("/prometheus", group, BEARER)
        assert answer.status == 200
        assert answer.text.startswith("Stored, except for 2 that could not be read: alerts[1] must be a table")
        assert recorder.recorded == [(KEY, "firing"), ("other", "firing"), *REFUSED]
        assert [each.payload for each in list_rejected(recorder.hub)] == ['{"status": "firing"}', '"fire"']

    def test_a_group_that_can_be_read_does_not_hide_one_that_could_not(
        self, port: RunningServer, recorder: AlertRecorder
    ) -> None:
        assert port.request("/prometheus", {"alerts": [{"status": "firing"}]}, BEARER).status == 400
        assert port.request("/prometheus", FIRING, BEARER).status == 200
        assert recorder.recorded == [*REFUSED, (KEY, "firing")]
        assert port.server.receiver.rejected_note

        # Now it would have come again.
        port.server.receiver._rejected_at["prometheus"] -= 5 * 3600
        assert port.request("/prometheus", FIRING, BEARER).status == 200
        assert recorder.recorded[-1] == ("refused", "resolved")
        assert not port.server.receiver.rejected_note

    def test_a_value_that_is_nested_too_deeply_is_left_out(self, port: RunningServer, recorder: AlertRecorder) -> None:
        deep = "[" * 100_000 + "]" * 100_000
        sent = FIRING.replace('"annotations": {', f'"annotations": {{"deep": {deep}, "more": "]]", ')
        assert sent != FIRING
        assert port.request("/prometheus", sent, BEARER).status == 200
        assert recorder.recorded == [(KEY, "firing")]

    @pytest.mark.parametrize("log", [b"\xff\x00\x1b" * 1000, b"x" * 2_000_000, b'{"a": ', b""])
    def test_the_log_of_a_ping_may_be_anything_of_any_size(
        self, port: RunningServer, recorder: AlertRecorder, log: bytes
    ) -> None:
        assert port.request("/scripts/backup/fail", log, BEARER).status == 200
        assert port.request("/scripts/backup", log, BEARER).status == 200
        assert recorder.recorded == [("ping backup", "firing"), ("backup", "alive"), ("ping backup", "resolved")]

    def test_a_client_that_expects_100_continues_if_its_secret_is_right(self, port: RunningServer) -> None:
        for secret, answer in ((SECRET, b"HTTP/1.1 100 Continue"), ("wrong", b"HTTP/1.1 401 ")):
            with socket.create_connection(("127.0.0.1", port.port), timeout=30) as connection:
                head = f"POST /prometheus HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n"
                connection.sendall(f"{head}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n".encode())
                assert connection.recv(100).startswith(answer)

    def test_half_a_body_is_nothing(self, port: RunningServer, recorder: AlertRecorder) -> None:
        with socket.create_connection(("127.0.0.1", port.port), timeout=30) as connection:
            head = f"POST /prometheus HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n"
            connection.sendall(f"{head}Content-Length: {len(FIRING)}\r\n\r\n{FIRING[:100]}".encode())
        assert port.request("/", method="GET").status == 200
        assert recorder.stored_sources == []

    @pytest.mark.parametrize(
        "sent",
        [
            b"HELO x\r\n\r\n",
            b"POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST /open HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
            b"POST /open HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        ],
    )
    def test_requests_that_are_not_http_do_not_fill_the_log(
        self, port: RunningServer, recorder: AlertRecorder, caplog: pytest.LogCaptureFixture, sent: bytes
    ) -> None:
        with socket.create_connection(("127.0.0.1", port.port), timeout=30) as connection:
            connection.sendall(sent)
            assert connection.recv(100)[9:12] in (b"400", b"415")
        assert (port.request("/", method="GET").status, recorder.stored_sources) == (200, [])
        assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


class TestWhateverComes:
    """From a source that has proven to be one, with monitor-bridge's own incidents behind it."""

    EXAMPLES = ("alertmanager_firing", "grafana_firing", "google_open", "oracle_grouped", "uptime_kuma_down")

    def test_it_is_stored_or_refused_in_a_sentence_and_no_mistake_of_ours(self, join: Join) -> None:
        harness = IncidentHarness(join)
        kinds: dict[str, SourceKind] = {
            "alertmanager": "alertmanager",
            "grafana": "grafana",
            "google": "google_cloud",
            "oracle": "oracle_cloud",
            "uptime": "uptime_kuma",
        }
        sources = {name: SourceSection(kind) for name, kind in kinds.items()}
        with running_server(HarnessRecorder(harness), sources) as port:

            @settings(max_examples=60, deadline=None)
            @given(st.data())
            def ask(data: st.DataObject) -> None:
                name = data.draw(st.sampled_from(self.EXAMPLES))
                sent = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))
                change_somewhere(data, sent)
                answer = port.request(f"/{name.partition('_')[0]}", json.dumps(sent))
                assert answer.status in (200, 400)
                assert "could not be handled" not in answer.text

            ask()
        harness.advance(3600)


class TestStrangers:
    """Over raw sockets: what they send costs nothing, and locks nobody out."""

    @pytest.fixture
    def connect(self, port: RunningServer) -> Iterator[Callable[[bytes], socket.socket]]:
        opened: list[socket.socket] = []

        def connect(sent: bytes = b"") -> socket.socket:
            opened.append(socket.create_connection(("127.0.0.1", port.port), timeout=30))
            opened[-1].sendall(sent)
            return opened[-1]

        yield connect
        for connection in opened:
            connection.close()

    @pytest.mark.parametrize(
        ("head", "status"),
        [
            ("POST /prometheus HTTP/1.1\r\nHost: localhost", 401),
            ("POST /nobody HTTP/1.1\r\nHost: localhost", 404),
            ("GET /open HTTP/1.1\r\nHost: localhost", 405),
            ("POST /open HTTP/1.1\r\nHost: evil.example", 421),
            ("POST /open HTTP/1.1\r\nHost: localhost\r\nReferer: http://localhost/", 403),
            ("POST /open HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip", 415),
            ("POST /open HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: br", 415),
            ("POST /open HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: identity\r\nContent-Encoding: gzip", 415),
            ("GET / HTTP/1.1\r\nHost: localhost", 200),
        ],
    )
    def test_after_a_refusal_the_connection_ends(
        self, connect: Callable[[bytes], socket.socket], recorder: AlertRecorder, head: str, status: int
    ) -> None:
        connection = connect(f"{head}\r\nContent-Length: 3\r\n\r\nhey".encode())
        said = b""
        while piece := connection.recv(1000):
            said += piece
        assert said.startswith(b"HTTP/1.1 %d " % status)
        assert said.count(b"HTTP/1.1") == 1
        assert recorder.stored_sources == []

    def test_a_bomb_without_the_secret_is_refused_before_it_is_read(
        self, connect: Callable[[bytes], socket.socket], port: RunningServer
    ) -> None:
        head = "POST /prometheus HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 1000000"
        bomb = connect(f"{head}\r\n\r\n".encode() + gzip.compress(b" " * 50 * 2**20))
        assert bomb.recv(100).startswith(b"HTTP/1.1 415 ")
        assert port.request("/open", "x").status == 200

    def test_a_client_that_sends_endless_headers_is_cut_off(
        self, recorder: AlertRecorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "_AUTH_SECONDS", 0.5)
        with (
            running_server(recorder, {"open": SourceSection("plain")}) as port,
            socket.create_connection(("127.0.0.1", port.port), timeout=0.1) as connection,
        ):
            connection.sendall(b"POST /open HTTP/1.1\r\n")
            eventually(lambda: is_cut_off(connection, b"X: y\r\n"), "it is cut off")

    def test_a_body_that_comes_too_slowly_comes_again(
        self, connect: Callable[[bytes], socket.socket], recorder: AlertRecorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(body, "_READ_SECONDS", 0.5)
        connection = connect(b"POST /open HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx")
        assert connection.recv(100).startswith(b"HTTP/1.1 503 ")
        assert recorder.stored_sources == []

    def test_the_oldest_that_has_proven_nothing_makes_room_for_the_next(
        self, connect: Callable[[bytes], socket.socket], port: RunningServer, recorder: AlertRecorder
    ) -> None:
        silent = [connect(b"") for _ in range(connections.MAX_CONNECTIONS + 40)]
        assert port.request("/open", "x").status == 200
        assert recorder.recorded == [("x", "firing")]
        assert silent[0].recv(1) == b""
        silent[-1].sendall(b"POST /open HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\ny")
        assert silent[-1].recv(100).startswith(b"HTTP/1.1 200 ")

    def test_a_connection_that_has_shown_its_secret_is_not_closed_for_others(
        self, connect: Callable[[bytes], socket.socket], port: RunningServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
        post = b"POST /open HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"
        known = [connect(post) for _ in range(2)]
        assert all(each.recv(1000).startswith(b"HTTP/1.1 200 ") for each in known)
        assert connect(b"").recv(100).startswith(b"HTTP/1.1 503 ")
        for each in known:
            each.sendall(post)
            assert each.recv(1000).startswith(b"HTTP/1.1 200 ")
            each.close()
        eventually(lambda: port.request("/", method="GET").status == 200, "there is room again")

    @pytest.mark.parametrize(("trusted", "is_closed"), [([], True), (["203.0.113.0/24"], False)])
    async def test_one_address_has_so_many_connections_unless_it_is_a_proxy_of_ours(
        self, trusted: list[str], is_closed: bool
    ) -> None:
        async def answer(_: web.BaseRequest) -> web.Response:
            raise AssertionError

        server = connections.BoundedHttpServer(answer, trusted, logging.getLogger("test"))
        transports = [RemoteTransport(), *(RemoteTransport() for _ in range(connections.MAX_PER_ADDRESS))]
        for transport in transports:
            server().connection_made(transport)
        try:
            assert [each.is_closing() for each in transports] == [is_closed] + [False] * connections.MAX_PER_ADDRESS
        finally:
            await server.shutdown(0.01)


class RemoteTransport(asyncio.Transport):
    """A connection of 203.0.113.7."""

    def __init__(self) -> None:
        super().__init__({"peername": ("203.0.113.7", 4711)})
        self._is_closed = False

    def close(self) -> None:
        self._is_closed = True

    def is_closing(self) -> bool:
        return self._is_closed


def is_cut_off(connection: socket.socket, more: bytes) -> bool:
    """Whether the other end has closed, after it was sent a little more."""
    try:
        connection.sendall(more)
        return connection.recv(10) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


class TestStoring:
    def test_a_busy_hub_is_503_and_nothing_of_it_stays(self, port: RunningServer, recorder: AlertRecorder) -> None:
        recorder.failure = StoreBusy("held by another program.")
        answer = port.request("/prometheus", FIRING, BEARER)
        assert (answer.status, answer.headers["Retry-After"], recorder.recorded) == (503, "5", [])

        recorder.failure = None
        assert port.request("/prometheus", FIRING, BEARER).status == 200
        assert recorder.recorded == [(KEY, "firing")]
        assert list_rejected(recorder.hub) == []

    def test_a_mistake_of_ours_is_500_and_kept_for_a_person(self, port: RunningServer, recorder: AlertRecorder) -> None:
        recorder.failure = KeyError("oops")
        assert port.request("/prometheus", FIRING, BEARER).status == 500
        assert (only_rejected(recorder.hub).reason, recorder.recorded) == ("It could not be handled: KeyError.", [])

    def test_requests_that_arrive_during_a_transaction_share_the_next(
        self, port: RunningServer, recorder: AlertRecorder
    ) -> None:
        store, intake = recorder.hub._session.store, port.server._writer
        assert isinstance(store, Store)
        with ThreadPoolExecutor(20) as senders:
            with recorder.hub.transaction():
                first = senders.submit(port.request, "/open", {"title": "0"})
                eventually(lambda: intake._writer_task is not None and not intake._queue, "the first is being stored")
                others = [senders.submit(port.request, "/open", {"title": str(number)}) for number in range(1, 20)]
                eventually(lambda: len(intake._queue) == 19, "the others wait")
                before = store._commits
            assert {answer.result().status for answer in (first, *others)} == {200}
        assert len(recorder.recorded) == 20
        assert store._commits - before == 3  # that of this test, the first, the others

    def test_more_than_one_transaction_should_have_are_stored_in_order(
        self, port: RunningServer, recorder: AlertRecorder
    ) -> None:
        titles = [str(number) for number in range(1500)]
        assert port.request("/open", [{"title": title} for title in titles]).status == 200
        assert [key for key, _ in recorder.recorded] == titles

    def test_one_that_cannot_be_taken_is_not_the_end_of_those_it_came_with(
        self, port: RunningServer, recorder: AlertRecorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        take = recorder.store

        def picky(source: str, news: tuple[object, ...]) -> None:
            take(source, news)  # type: ignore[arg-type]
            if "bad" in str(news):
                raise LookupError("bad")

        monkeypatch.setattr(port.server._writer, "_store_alerts", picky)
        with ThreadPoolExecutor(16) as senders:
            titles = [f"{'bad' if number % 10 == 0 else 'good'} {number}" for number in range(100)]
            statuses = list(senders.map(lambda title: port.request("/open", {"title": title}).status, titles))
        assert statuses == [500 if "bad" in title else 200 for title in titles]
        assert sorted(key for key, _ in recorder.recorded if key != "refused") == sorted(
            title for title in titles if "good" in title
        )

    def test_nothing_slow_is_done_while_others_wait_for_the_hub(
        self,
        port: RunningServer,
        recorder: AlertRecorder,
        join: Callable[..., MessageHub],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        lead = join("lead")

        def prepare(news: Alerts) -> Alerts:
            lead.send("lead", "this needs the hub")
            return news

        monkeypatch.setattr(port.server._writer, "_prepare", prepare)
        assert port.request("/open", [{"title": str(number)} for number in range(500)]).status == 200
        assert (len(recorder.recorded), len(lead.queries.peek(100))) == (500, 3)

    def test_more_than_may_wait_come_again(
        self, port: RunningServer, recorder: AlertRecorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("teamsup.workers.monitor_bridge.ingest.batch._MAX_QUEUED", 0)
        assert port.request("/open", "x").status == 503
        assert recorder.stored_sources == []


class TestConfirmation:
    HEADERS = {  # noqa: RUF012
        "X-OCI-NS-MessageType": "SubscriptionConfirmation",
        "X-OCI-NS-ConfirmationURL": "https://cell1.notification.us-phoenix-1.oraclecloud.com/confirm?token=1",
    }

    @pytest.mark.parametrize(("welcome", "status"), [(True, 200), (False, 503)])
    def test_oracle_is_asked_once(self, recorder: AlertRecorder, welcome: bool, status: int) -> None:
        asked = []

        async def confirm(link: str) -> bool:
            asked.append(link)
            return welcome

        with running_server(recorder, {"oci": SourceSection("oracle_cloud")}, confirm=confirm) as port:
            assert port.request("/oci", "{}", self.HEADERS).status == status
            assert (
                port.request("/oci", "{}", {**self.HEADERS, "X-OCI-NS-ConfirmationURL": "https://evil.x/"}).status
                == 400
            )
        assert asked == [self.HEADERS["X-OCI-NS-ConfirmationURL"]]
        assert recorder.recorded == REFUSED

    def test_only_oracle_is(self, recorder: AlertRecorder) -> None:
        with running_server(recorder, {"open": SourceSection("plain")}) as port:
            assert port.request("/open", "x", self.HEADERS).status == 200
        assert recorder.recorded == [("x", "firing")]

    async def ask(self, status: int) -> tuple[bool, list[str]]:
        paths: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                paths.append(self.path)
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                return await receiver.confirm_link(f"http://127.0.0.1:{server.server_port}/confirm"), paths
            finally:
                server.shutdown()
                thread.join()

    @pytest.mark.parametrize(
        ("status", "welcome"), [(200, True), (204, True), (302, False), (404, False), (500, False)]
    )
    async def test_no_redirect_is_followed(self, status: int, welcome: bool) -> None:
        assert await self.ask(status) == (welcome, ["/confirm"])

    async def test_a_missing_server_is_not_a_confirmation(self) -> None:
        assert not await receiver.confirm_link("http://127.0.0.1:1/")


class TestThePort:
    def test_a_port_that_somebody_else_has_is_said_and_waited_for(
        self, recorder: AlertRecorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhook_server, "_FIRST_RETRY_SECONDS", 0.05)
        with socket.create_server(("127.0.0.1", 0)) as other:
            number = other.getsockname()[1]
            with running_server(recorder, {"open": SourceSection("plain")}, port=number) as port:
                assert f"127.0.0.1:{number} is in use by " in port.server.bind_failure
                assert (
                    f"(pid {os.getpid()}). Stop that, or change listen in [monitor-bridge]." in port.server.bind_failure
                )
                other.close()
                eventually(lambda: port.server.port == number, "it takes the port")
                assert port.server.bind_failure == ""


class TestConfiguration:
    def refusal(self, hub: MessageHub, toml: str) -> str:
        hub.team.configuration.write_text(toml)
        with pytest.raises(NotConfigured) as refused:
            server_factory.create_server(hub, Config(hub.team), lambda *_: None, lambda news: news)
        return str(refused.value)

    LOOPBACK = '[monitor-bridge]\nlisten = "127.0.0.1:9095"\n'

    def test_without_sources_nobody_listens_and_nothing_heavy_is_loaded(self, hub: MessageHub) -> None:
        hub.team.configuration.write_text(self.LOOPBACK)
        assert server_factory.create_server(hub, Config(hub.team), lambda *_: None, lambda news: news) is None

    def test_beyond_this_machine_every_source_needs_a_secret(self, hub: MessageHub) -> None:
        toml = (
            '[monitor-bridge]\nlisten = "0.0.0.0:9095"\n[source.a]\nsecret_variable = "A"\n[source.b]\nkind = "plain"\n'
        )
        assert "[source.b] needs a secret_file or secret_variable" in self.refusal(hub, toml)

    def test_sources_need_an_address(self, hub: MessageHub) -> None:
        assert '[source.a] needs [monitor-bridge] listen = "127.0.0.1:9095"' in self.refusal(hub, "[source.a]\n")

    @pytest.mark.parametrize(
        "listen", ["9095", "127.0.0.1", "localhost:0", "example.com:80", ":9095", "127.0.0.1:99999"]
    )
    def test_an_address_is_an_address_and_a_port(self, hub: MessageHub, listen: str) -> None:
        assert "listen must be an address and a port" in self.refusal(hub, f'[monitor-bridge]\nlisten = "{listen}"\n')

    def test_an_unknown_kind_is_refused(self, hub: MessageHub) -> None:
        assert "kind must be one of" in self.refusal(hub, self.LOOPBACK + '[source.a]\nkind = "nagios"\n')

    def test_a_name_that_no_address_would_have_is_refused(self, hub: MessageHub) -> None:
        assert "write the name in small letters" in self.refusal(hub, self.LOOPBACK + "[source.Prod]\n")

    def trouble(self, hub: MessageHub, toml: str) -> str:
        """Why the secret of its source cannot be read, which holds up that source alone."""
        hub.team.configuration.write_text(toml)
        hears = server_factory.create_server(hub, Config(hub.team), lambda *_: None, lambda news: news)
        assert hears is not None
        return hears._secrets.load_missing()

    def test_a_file_that_others_can_read_is_not_a_secret(self, hub: MessageHub, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_text(SECRET)
        toml = f'{self.LOOPBACK}[source.a]\nsecret_file = "{file}"\n'
        file.chmod(0o644)
        assert "run chmod 600 on it" in self.trouble(hub, toml)
        file.chmod(0o600)
        assert self.trouble(hub, toml) == ""
        file.write_text("short")
        assert "must be one line of 8 characters or more" in self.trouble(hub, toml)
        file.write_text(" \n")
        assert "is empty" in self.trouble(hub, toml)
        file.write_bytes(b"\xff" * 20)
        assert "it is not text" in self.trouble(hub, toml)
        file.unlink()
        assert "cannot be read" in self.trouble(hub, toml)

    def test_a_secret_that_cannot_be_read_holds_up_its_own_source_alone_until_it_can(
        self, recorder: AlertRecorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhook_server, "_FIRST_RETRY_SECONDS", 0.05)
        file = tmp_path / "secret"
        sources = {"away": SourceSection("plain", secret_file=str(file)), "open": SourceSection("plain")}
        with running_server(recorder, sources) as port:
            assert port.request("/open", "x").status == 200
            assert port.request("/away", "y", BEARER).status == 503
            file.write_text(SECRET)
            file.chmod(0o600)
            eventually(lambda: port.request("/away", "y", BEARER).status == 200, "it is read")
            assert port.request("/away", "y").status == 401

    def test_systemd_may_keep_it(self, hub: MessageHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "grafana").write_text(SECRET)
        os.chmod(tmp_path / "grafana", 0o444)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        hub.team.configuration.write_text(
            self.LOOPBACK + '[source.a]\nsecret_file = "$CREDENTIALS_DIRECTORY/grafana"\n'
        )
        assert server_factory.create_server(hub, Config(hub.team), lambda *_: None, lambda news: news) is not None

    def test_a_variable_that_is_not_set_is_said(self, hub: MessageHub) -> None:
        toml = self.LOOPBACK + '[source.a]\nsecret_variable = "NOT_SET_ANYWHERE"\n'
        assert "[source.a] in $NOT_SET_ANYWHERE is empty" in self.trouble(hub, toml)

    def test_the_secret_itself_does_not_stand_in_the_file(self, hub: MessageHub) -> None:
        assert "has no key 'secret'" in self.refusal(hub, self.LOOPBACK + '[source.a]\nsecret = "hello"\n')


def test_the_team_is_not_started_with_sources_that_anybody_could_pass_for(team: Team) -> None:
    from teamsup.supervisor.configuration.team_configuration import load_configuration

    team.create()
    team.configuration.write_text('[monitor-bridge]\nlisten = "[::]:9095"\n[source.a]\n')
    with pytest.raises(NotConfigured, match="needs a secret_file"):
        load_configuration(team)


def test_json_is_what_python_reads(port: RunningServer, recorder: AlertRecorder) -> None:
    assert port.request("/open", "\ufeff" + json.dumps({"title": "x"})).status == 200
    assert recorder.recorded == [("x", "firing")]
