"""The command of last resort is run by the supervisor when the hub or monitor-bridge itself fails."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.custom_workers import SLEEP_CODE, hold_write_lock, wait_for_log_line, wait_for_state, worker_section
from helpers.support import TeamsupCommand, eventually
from teamsup.config.components import CommandHook
from teamsup.hub import Team
from teamsup.status.process_state import State
from teamsup.supervisor.configuration.program import Program
from teamsup.supervisor.health import alarm
from teamsup.supervisor.health.alarm import OutageAlarm, describe_watcher_outage
from teamsup.supervisor.processes.lifecycle import Process
from teamsup.supervisor.processes.managed_process import ManagedProcess

RunWorkers = Callable[[str], TeamsupCommand]


def section(told: Path) -> str:
    script = f'(cat; echo "$TEAMSUP_SEVERITY, secret: $SECRET_OF_A_SOURCE") > {told}.part; mv {told}.part {told}'
    return (
        f"[monitor-bridge]\nack_timeout_seconds = 1\ncommand = {json.dumps(['sh', '-c', script])}\n"
        '[source.script]\nkind = "plain"\nsecret_variable = "SECRET_OF_A_SOURCE"\n'
    )


def text_of(told: Path) -> str:
    return eventually(lambda: told.read_text() if told.exists() else "", "the command was run")


@pytest.mark.slow
def test_it_is_run_once_when_the_hub_takes_no_writes(
    run_workers: RunWorkers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_A_SOURCE", "hush")
    told = tmp_path / "told"
    team = run_workers(section(told))
    with hold_write_lock(team.team.database) as foreign_pid:
        text = text_of(told)
        told.unlink()
        assert f"{team.team.database} does not accept writes." in text
        assert text.endswith("critical, secret: \n")
        wait_for_log_line(team, f"Pid {foreign_pid} (")
        assert not told.exists()


@pytest.mark.slow
def test_it_is_run_when_monitor_bridge_does_not_start(teamsup: TeamsupCommand, tmp_path: Path) -> None:
    """Here for a mistake in the sections beside [monitor-bridge]: a source that nobody listens to."""
    told = tmp_path / "told"
    teamsup.configure("")
    toml = teamsup.team.configuration.read_text().replace("[worker.monitor-bridge]\nautostart = false\n", "")
    teamsup.team.configuration.write_text(toml + section(told))
    with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
        try:
            text = text_of(told)
        finally:
            supervisor.terminate()

    assert text.startswith("Team default cannot pass on alerts for 10s: monitor-bridge does not run: ")


async def test_a_command_that_fails_is_run_again_and_one_that_was_well_is_not(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm, "_MIN_OUTAGE_SECONDS", 0.0)
    monkeypatch.setattr(alarm, "_RETRY_SECONDS", 0.0)
    script = f"echo x >> {tmp_path / 'runs'}; [ $(wc -l < {tmp_path / 'runs'}) = 2 ]"
    command = CommandHook("monitor-bridge", ("sh", "-c", script), after_seconds=1)
    lines: list[str] = []

    raised = OutageAlarm(team, lines.append)
    async with asyncio.timeout(20):
        raised.check("It is out.", command, 100.0, dict)
        while len(lines) < 3:
            raised.check("It is out.", command, 100.0, dict)
            await asyncio.sleep(0.01)
        await raised.wait()
        raised.check("It is out.", command, 100.0, dict)
        await raised.wait()

    assert (tmp_path / "runs").read_text() == "x\nx\n"
    assert lines[1] == "the command of [monitor-bridge] failed and is run again: exit code 1"


@pytest.mark.parametrize(
    ("process", "wanted", "trouble"),
    [
        (Process(State.RUNNING, ready_at=0.0), True, ""),
        (Process(State.STOPPED), False, ""),
        (Process(State.STARTING), True, "monitor-bridge does not run: STARTING."),
        (Process(State.BACKOFF, failures=3, reason="exit code 1"), True, "monitor-bridge does not run: exit code 1."),
        (Process(State.RUNNING, ready_at=95.0, failures=3), True, "monitor-bridge does not run: RUNNING."),
        (Process(State.RUNNING, ready_at=50.0, failures=3), True, ""),
    ],
)
def test_monitor_bridge_works_when_it_runs_steadily_or_is_not_wanted(
    process: Process, wanted: bool, trouble: str
) -> None:
    bridge = ManagedProcess(Program("monitor-bridge", ("x",)), wanted=wanted, process=process)

    assert describe_watcher_outage(bridge, after_seconds=20, now=100.0) == trouble


@pytest.mark.slow
def test_a_secret_is_kept_from_others_as_soon_as_a_saved_file_names_it_though_that_is_refused(
    run_workers: RunWorkers, teamsup: TeamsupCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_A_SOURCE", "hush")
    own = worker_section(
        "own", "import os; print('it is', os.environ.get('SECRET_OF_A_SOURCE'), flush=True);" + SLEEP_CODE
    )
    source = '[source.script]\nkind = "plain"\nsecret_variable = "SECRET_OF_A_SOURCE"\n'

    def said_by_another_process() -> str:
        before = teamsup.run("logs", "own").stdout.count("it is")
        assert teamsup.run("restart", "own").returncode == 0
        eventually(lambda: teamsup.log("own").count("it is") > before, "another process speaks")
        return teamsup.run("logs", "own").stdout.splitlines()[-1].rpartition(" ")[2]

    run_workers(own)
    assert said_by_another_process() == "hush", "nobody knows that it is a secret"
    teamsup.configure(own + source + '[worker.odd]\ncommand = "a mistake"\n')
    assert teamsup.run("reload").returncode == os.EX_CONFIG
    assert said_by_another_process() == "None"
    teamsup.configure(own)
    assert teamsup.run("reload").returncode == 0
    assert said_by_another_process() == "hush"


def test_a_secret_goes_to_the_worker_that_needs_it_alone(
    run_workers: RunWorkers, teamsup: TeamsupCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_A_SOURCE", "hush")
    monkeypatch.setattr(
        TeamsupCommand, "environment", {**teamsup.environment, "DISCORD_TOKEN": "t.o.ken", "OTHER": "kept"}
    )
    names = ("DISCORD_TOKEN", "SECRET_OF_A_SOURCE", "OTHER", "A")
    code = f"import os; print([os.environ.get(name) for name in {names}], flush=True);"
    source = '[source.script]\nkind = "plain"\nsecret_variable = "SECRET_OF_A_SOURCE"\n'

    run_workers(source + worker_section("own", code + SLEEP_CODE) + 'environment = { A = "hush too" }\n')

    wait_for_state(teamsup, "own", "RUNNING")
    assert "[None, None, 'kept', 'hush too']" in teamsup.run("logs", "own").stdout
