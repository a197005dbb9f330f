"""What monitor-bridge says of itself while it runs and cannot do a part of its work."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from helpers.incident_harness import FIRING, SOURCE, IncidentHarness, Join
from helpers.support import TIMEOUT_SECONDS, eventually
from teamsup.config.loader import Config
from teamsup.hub import StoreBusy
from teamsup.workers.monitor_bridge import bridge
from teamsup.workers.monitor_bridge.bridge import MonitorBridge
from teamsup.workers.monitor_bridge.escalation.silencer import Silencer
from teamsup.workers.monitor_bridge.source_section import SourceSection


@pytest.fixture
def worker(join: Join, monkeypatch: pytest.MonkeyPatch) -> MonitorBridge:
    for name in ("_FIRST_CHECK_SECONDS", "_HOST_TIMEOUT_SECONDS"):
        monkeypatch.setattr(bridge, name, 0.05)
    hub = IncidentHarness(join).hub
    hub.team.configuration.write_text("[monitor-bridge]\ninterval_seconds = 1\n")
    return MonitorBridge(hub, Config(hub.team))


@contextlib.asynccontextmanager
async def running(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(eventually, condition, what)


def status(worker: MonitorBridge) -> tuple[str, str]:
    agent = worker.hub.find_agent("monitor-bridge")
    assert agent is not None
    return agent.status, agent.degraded


async def test_a_host_that_does_not_answer_holds_up_nothing_else(
    worker: MonitorBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()

    def look_at_host() -> str:
        answers.wait(TIMEOUT_SECONDS)
        return ""

    monkeypatch.setattr(worker._checks, "check_host", look_at_host)

    async with running(worker._check_host_loop):
        why = "The host cannot be measured. Check /."
        await until(lambda: status(worker) == ("degraded", why), "it says so")
        answers.set()
        await until(lambda: status(worker)[0] == "online", "it is well again")


async def test_a_hub_that_takes_nothing_is_said_as_soon_as_it_does(
    worker: MonitorBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_busy = True

    def look() -> None:
        if is_busy:
            raise StoreBusy("held by another program.")

    monkeypatch.setattr(worker._checks, "check_team", look)

    async with running(worker._check_team_loop):
        why = "Problems of the team could not be stored: held by another program."
        await until(lambda: status(worker) == ("degraded", why), "it says so")
        is_busy = False
        await until(lambda: status(worker)[0] == "online", "it is well again")


async def test_an_alertmanager_that_cannot_be_asked_is_said(join: Join) -> None:
    harness = IncidentHarness(join)
    harness.ingest(FIRING)
    said: list[tuple[str, str]] = []

    async def report(cause: str, reason: str) -> None:
        said.append((cause, reason))

    source = SourceSection("alertmanager", silence_url="http://127.0.0.1:1")
    quiet = Silencer(harness.hub, {SOURCE: source}, harness.incidents, 0.01, report)

    async with running(quiet.run):
        await until(lambda: ("staleness", "") in said, "it has asked")
    cause, reason = said[0]
    assert cause == "silences of prom"
    assert reason.startswith("prom does not return its firing alerts: ")
