"""What is silenced in Alertmanager: for how long, what ends it, and what is there instead of an Alertmanager."""

import asyncio
import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helpers.alertmanager import needs_alertmanager, running_alertmanager
from helpers.incident_harness import FIRING, SOURCE, IncidentHarness, Join, resolved
from helpers.support import TIMEOUT_SECONDS, eventually, serve_http
from teamsup.workers.monitor_bridge.escalation import alertmanager_api
from teamsup.workers.monitor_bridge.escalation.alertmanager_api import SilenceFailed
from teamsup.workers.monitor_bridge.escalation.silencer import Silencer
from teamsup.workers.monitor_bridge.source_section import SourceSection

LABELS = {"alertname": "HighCPU", "instance": "web-01"}


@pytest.fixture
def harness(join: Join) -> IncidentHarness:
    return IncidentHarness(join)


def quiet(harness: IncidentHarness, url: str) -> Silencer:
    return Silencer(harness.hub, {SOURCE: SourceSection("alertmanager", silence_url=url)}, harness.incidents, 0.01)


async def until(quiet: Silencer, condition: Callable[[], object]) -> None:
    """Let it look now and then until that is so."""
    following = asyncio.create_task(quiet.run())
    try:
        await asyncio.to_thread(eventually, condition, "what it finds")
    finally:
        following.cancel()
        await asyncio.wait([following])


@contextlib.contextmanager
def answering(answer: Callable[[str], bytes]) -> Iterator[tuple[str, list[str]]]:
    """Something that answers each path with these bytes, status line and all: its address, and what it is asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            with contextlib.suppress(OSError):
                self.wfile.write(answer(self.path))
            self.close_connection = True

        do_POST = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with serve_http(Handler) as url:
        yield url, asked


def says(said: object) -> bytes:
    content = json.dumps(said).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
        b"HTTP/1.1 200 OK\r\n\r\n<html>welcome</html>",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
)
async def test_another_server_than_alertmanager_is_reported_and_ends_nothing(
    harness: IncidentHarness, answer: bytes
) -> None:
    harness.ingest(replace(FIRING, labels=LABELS))
    harness.acknowledgements.acknowledge(["all"], "ann")
    with answering(lambda _: answer) as (url, asked):
        with pytest.raises(SilenceFailed):
            await alertmanager_api.fetch_firing(url)
        await until(quiet(harness, url), lambda: len(asked) > 3)
    assert [each.state for each in harness.open] == ["acknowledged"]


async def test_strange_labels_there_are_nobodys() -> None:
    strange = [{"labels": {"a": ["b"]}}, {"labels": 5}, 5, {"labels": {"c": "d"}}]
    with answering(lambda _: says(strange)) as (url, _):
        assert await alertmanager_api.fetch_firing(url) == [("", {"a": "['b']"}), ("", {"c": "d"})]


async def test_a_slow_alertmanager_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alertmanager_api, "_TIMEOUT_SECONDS", 0.2)
    given_up = threading.Event()

    def drip(_: str) -> bytes:
        given_up.wait(TIMEOUT_SECONDS)
        return b""

    with answering(drip) as (url, _):
        with pytest.raises(SilenceFailed, match="did not answer within"):
            await alertmanager_api.fetch_firing(url)
        given_up.set()


async def test_people_are_notified_once_that_many_could_not_be_silenced(harness: IncidentHarness) -> None:
    harness.ingest(*(replace(FIRING, fingerprint=f"k{number}", labels=LABELS) for number in range(40)))
    done = harness.acknowledgements.acknowledge(["all"], "ann")
    harness.read("user_comm")
    with answering(lambda _: b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n") as (url, asked):
        await quiet(harness, url).silence_acknowledged(done.incidents)
    (told,) = harness.read("user_comm")
    assert "and 30 more are acknowledged, but prom still reports them: it answered 500." in told.content
    assert len([each for each in asked if each.startswith("POST")]) < 10


async def test_an_alertmanager_that_was_started_again_is_not_believed_before_it_can_know(
    harness: IncidentHarness,
) -> None:
    harness.ingest(replace(FIRING, labels=LABELS))
    done = harness.acknowledgements.acknowledge(["all"], "ann")
    fires: list[Any] = [{"labels": LABELS}]
    started = datetime.now(UTC) - timedelta(days=1)

    def answer(path: str) -> bytes:
        if path.endswith("/alerts"):
            return says(fires)
        return says({"uptime": started.isoformat()} if path.endswith("/status") else [])

    with answering(answer) as (url, asked):
        ours = quiet(harness, url)
        await ours.silence_acknowledged(done.incidents)
        fires.clear()
        started = datetime.now(UTC) + timedelta(seconds=1)
        await until(ours, lambda: asked.count("GET /api/v2/status") > 3)
        assert [each.state for each in harness.open] == ["acknowledged"]

        started = datetime.now(UTC) - timedelta(days=1)
        await until(ours, lambda: not harness.open)


@needs_alertmanager
async def test_a_resolved_problem_is_not_silent_when_it_comes_back(harness: IncidentHarness, tmp_path: Path) -> None:
    with running_alertmanager(tmp_path / "am", "http://127.0.0.1:1/") as real:
        alert = replace(FIRING, labels=LABELS)
        harness.ingest(alert, replace(FIRING, fingerprint="k2", labels={"alertname": "Other"}))
        done = harness.acknowledgements.acknowledge(["all"], "ann")
        ours = quiet(harness, real.url)
        await ours.silence_acknowledged(done.incidents)
        assert [each["status"]["state"] for each in real.silences()] == ["active", "active"]

        harness.ingest(resolved(alert))
        await until(ours, lambda: "expired" in [each["status"]["state"] for each in real.silences()])
        (active,) = (each for each in real.silences() if each["status"]["state"] == "active")
        assert [matcher["value"] for matcher in active["matchers"]] == ["Other"]
