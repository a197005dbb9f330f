"""The command of the last resort, with each of its results."""

import asyncio
from pathlib import Path

import psutil
import pytest

from helpers.incident_harness import FIRING, IncidentHarness, Join
from helpers.support import eventually
from teamsup.config.loader import Config
from teamsup.terminal.command_hook import run_command
from teamsup.workers.monitor_bridge.bridge import MonitorBridge
from teamsup.workers.monitor_bridge.escalation import command_hook
from teamsup.workers.monitor_bridge.incidents import group_table


@pytest.fixture
def harness(join: Join) -> IncidentHarness:
    return IncidentHarness(join)


async def run(harness: IncidentHarness, script: str, seconds: float = 20.0) -> str:
    harness.ingest(FIRING)
    variables = command_hook.command_environment(harness.open)
    return await run_command(["sh", "-c", script], "text\n" * 100_000, variables, seconds)


async def test_it_need_not_read_and_may_say_much(harness: IncidentHarness) -> None:
    assert await run(harness, "exit 0") == ""
    said = await run(harness, "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo 'no route' >&2; exit 3")
    assert said.endswith("no route")


async def test_a_process_left_in_the_background_is_not_a_failure(harness: IncidentHarness, tmp_path: Path) -> None:
    background = f"sleep 60 & echo $! >> {tmp_path / 'pids'}; "
    assert await run(harness, f"{background} exit 0", seconds=1.0) == ""
    assert await run(harness, f"{background} echo wrong >&2; exit 4", seconds=1.0) == "exit code 4: wrong"
    for pid in (tmp_path / "pids").read_text().split():
        psutil.Process(int(pid)).kill()


async def test_one_that_hangs_is_ended_with_all_that_it_began(harness: IncidentHarness, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    assert await run(harness, f"sleep 1000 & echo $! > {pid}; wait", seconds=1.0) == "it did not end within 1 s"
    number = int(pid.read_text())
    eventually(
        lambda: not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE, "it has ended"
    )


@pytest.mark.parametrize("command", ["/no/such/program", "no\0program"])
async def test_one_that_is_not_there_is_said(harness: IncidentHarness, command: str) -> None:
    harness.ingest(FIRING)
    assert (await run_command([command], "text", {}, 5)).startswith("it could not be started: ")


@pytest.mark.parametrize("acts", [False, True])
async def test_a_failed_command_is_run_again_until_it_succeeds_or_somebody_acts(
    join: Join, monkeypatch: pytest.MonkeyPatch, acts: bool
) -> None:
    harness = IncidentHarness(join, here=(), command=("siren",), ack_timeout_seconds=1)
    harness.ingest(FIRING)
    group_table.update_group(harness.hub, 1, step="command")
    worker = MonitorBridge(harness.hub, Config(harness.hub.team))
    monkeypatch.setattr(command_hook, "_RETRY_SECONDS", 0.01)
    said: list[str] = []

    async def command(_command: object, text: str, _variables: object, _seconds: float) -> str:
        said.append(text)
        if acts:
            harness.acknowledgements.acknowledge(["all"], "ann")
        return "exit code 1" if acts or len(said) < 3 else ""

    monkeypatch.setattr(command_hook, "run_command", command)
    running = asyncio.create_task(worker._commands.retry(1, "exit code 1"))
    await asyncio.sleep(0)
    degraded = list(worker._degraded_causes.values())
    await running

    assert degraded == ["The command of [monitor-bridge] fails: exit code 1."]
    assert (len(said), worker._degraded_causes) == (1 if acts else 3, {})
