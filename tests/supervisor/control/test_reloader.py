"""A changed configuration: what a reload waits for and refuses, and what a saved file changes without one."""

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.custom_workers import heartbeat_worker_section, ps_row, wait_for_log_line, wait_for_state, worker_section
from helpers.support import TeamsupCommand, eventually, refusal_of, run_foreign_sql

RunWorkers = Callable[[str], TeamsupCommand]

CRASH = "raise SystemExit(3)"
UNCONFIGURED = "raise SystemExit(78)"


def test_a_reload_names_who_cannot_start(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("one"))
    teamsup.configure(
        worker_section("one")
        + worker_section("two", CRASH, start_seconds=60)
        + worker_section("six", CRASH, start_seconds=60)
    )

    reload = teamsup.run("reload")

    assert reload.returncode == 4
    said, _, commands = refusal_of(reload).partition(" See: ")
    assert said == "teamsup: start two, six. two and six do not run: exit code 3."
    assert [command[-3:] for command in commands.split("; ")] == ["two", "six"]
    assert ps_row(teamsup, "one")["state"] == "RUNNING"


@pytest.mark.slow
def test_a_reload_waits_for_the_first_heartbeat_as_long_as_it_may(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    run_workers("")
    teamsup.configure(heartbeat_worker_section("mute", "import time; time.sleep(1000)", start_seconds=60))

    reload = teamsup.run("reload", "--timeout", "1")

    assert reload.returncode == 4
    assert "mute is not ready yet" in refusal_of(reload)
    for verb in ("start", "restart"):
        waited = teamsup.run(verb, "mute", "--timeout", "0.1")
        assert (waited.returncode, waited.stdout) == (4, "")
        assert "mute is not ready yet" in refusal_of(waited)


@pytest.mark.slow
def test_start_and_restart_of_a_job_that_ends_well_are_success(run_workers: RunWorkers) -> None:
    team = run_workers(worker_section("job", "pass", restart="on-failure", start_seconds=60))

    for verb in ("start", "restart"):
        done = team.run(verb, "job")
        assert (done.returncode, done.stdout) == (0, "job was started and has ended well.\n")


def test_restart_of_a_worker_that_crashes_ends_with_4(run_workers: RunWorkers) -> None:
    team = run_workers(worker_section("one", CRASH, start_seconds=60))

    assert team.run("restart", "one").returncode == 4


def test_detach_names_who_is_tried_again(teamsup: TeamsupCommand) -> None:
    teamsup.configure('[worker.one]\ncommand = ["/nowhere/at/all"]\n' + worker_section("two"))
    try:
        start = teamsup.run("start", "--detach")

        assert start.returncode == 4
        assert "but one " in refusal_of(start)
    finally:
        assert teamsup.run("stop").returncode == 0


@pytest.mark.slow
def test_a_start_with_a_broken_file_runs_what_was_accepted_and_says_so(teamsup: TeamsupCommand) -> None:
    teamsup.configure(worker_section("one"))
    assert teamsup.run("start", "--detach").returncode == 0
    assert teamsup.run("stop").returncode == 0
    teamsup.team.configuration.write_text("[team")
    try:
        start = teamsup.run("start", "--detach")

        assert start.returncode == 4
        assert "The saved teamsup.toml is not in use: " in refusal_of(start)
        assert ps_row(teamsup, "one")["state"] == "RUNNING", "it still waits for the workers"
        assert teamsup.run("ps").returncode == 4
    finally:
        assert teamsup.run("stop").returncode == 0


def test_a_reload_needs_the_file(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("one"))
    teamsup.team.configuration.unlink()

    reload = teamsup.run("reload")

    assert reload.returncode == os.EX_CONFIG
    assert "There is no " in refusal_of(reload)
    assert ps_row(teamsup, "one")["state"] == "RUNNING"


@pytest.mark.slow
def test_ps_shows_a_mistake_as_soon_as_reload_has_refused_it(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("one"))
    teamsup.team.configuration.write_text("[team")

    assert teamsup.run("reload").returncode == os.EX_CONFIG
    assert teamsup.run("ps").returncode == 4


@pytest.mark.slow
@pytest.mark.parametrize("step", ["metrics", "file", "hub"])
def test_a_reload_that_fails_in_the_middle_changes_nothing(
    run_workers: RunWorkers, teamsup: TeamsupCommand, step: str
) -> None:
    run_workers(worker_section("one"))
    before = ps_row(teamsup, "one")["pid"]
    accepted = teamsup.team.accepted_configuration
    text = accepted.read_text()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        metrics = f"[metrics]\nport = {port}\n" if step == "metrics" else ""
        if step == "file":
            accepted.with_suffix(".new").mkdir()
        elif step == "hub":
            run_foreign_sql(
                teamsup.team,
                "CREATE TRIGGER refuse BEFORE INSERT ON agent_status WHEN NEW.agent_name = 'two'"
                " BEGIN SELECT raise(ABORT, 'refused'); END",
            )
        teamsup.configure(
            metrics + worker_section("one", restart="never", heartbeat_seconds=60) + heartbeat_worker_section("two")
        )

        assert teamsup.run("reload").returncode == os.EX_IOERR

    assert "two" not in teamsup.ps()
    assert ps_row(teamsup, "one")["pid"] == before
    assert accepted.read_text() == text
    assert teamsup.run("stop", "one").returncode == 0


@pytest.mark.slow
def test_a_crash_while_a_broken_file_is_saved_is_repaired(running: TeamsupCommand) -> None:
    before = ps_row(running, "user_comm")["pid"]
    running.team.configuration.write_text("[team\n")
    trouble = wait_for_state(running, "supervisor", "DEGRADED")["note"]
    assert trouble.startswith("The saved teamsup.toml is not in use: ")
    wait_for_state(running, "user_comm", "DEGRADED")

    os.kill(before, signal.SIGKILL)

    eventually(lambda: ps_row(running, "user_comm")["pid"] not in (None, before), "another user_comm")
    own = wait_for_state(running, "user_comm", "DEGRADED")["note"]
    assert own.startswith("keeps the earlier rules: ")
    assert running.run("ps").returncode == 4
    running.team.configuration.write_text("[monitor-bridge]\ncpu_percent = 100\n")
    wait_for_state(running, "user_comm", "RUNNING")
    note = wait_for_state(running, "supervisor", "RUNNING")["note"]
    assert note.startswith("teamsup.toml has changed. Apply it with: ")


@pytest.mark.slow
def test_a_held_worker_is_tried_again_when_the_file_is_corrected(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    run_workers(worker_section("one") + worker_section("two", UNCONFIGURED) + worker_section("three", restrat="never"))
    wait_for_state(teamsup, "two", "not configured")
    wait_for_state(teamsup, "three", "FATAL")
    one = ps_row(teamsup, "one")["pid"]
    eventually(
        lambda: set(json.loads(supervisor_metadata(teamsup)).get("fatal", {})) == {"two", "three"},
        "the supervisor tells of both, and not of the gateway, which nobody has set up",
    )

    teamsup.configure(
        worker_section("one", restart="never", stop_signal="INT") + worker_section("two") + worker_section("three")
    )

    for name in ("two", "three"):
        wait_for_state(teamsup, name, "RUNNING")
    assert ps_row(teamsup, "one")["pid"] == one
    wait_for_log_line(teamsup, "a file was saved: start two, three")
    eventually(lambda: "has changed" in ps_row(teamsup, "supervisor")["note"], "the rest waits for a reload")
    assert teamsup.run("ps").returncode == 0
    assert teamsup.run("reload").stdout == "change one\n"
    eventually(lambda: ps_row(teamsup, "supervisor")["note"] == "", "nothing waits")


@pytest.mark.slow
def test_a_corrected_worker_starts_and_another_held_one_does_not(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    run_workers(worker_section("one", restrat="never") + worker_section("two", restrat="never"))

    teamsup.configure(worker_section("one") + worker_section("two", restrat="never"))

    wait_for_state(teamsup, "one", "RUNNING")
    assert ps_row(teamsup, "two")["state"] == "FATAL"
    eventually(
        lambda: "[worker.two]" in ps_row(teamsup, "supervisor")["note"], "the supervisor says what is still wrong"
    )
    assert ps_row(teamsup, "supervisor")["note"].startswith(str(teamsup.team.configuration))


@pytest.mark.slow
def test_a_held_worker_is_tried_again_when_its_env_file_changes(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    teamsup.team.create()
    secrets = teamsup.team.folder / "secrets"
    secrets.write_text("KEY=\n")
    secrets.chmod(0o600)
    run_workers(
        worker_section(
            "one",
            "import os, time; os.environ['KEY'] or exit(78); time.sleep(1000)",
            env_file="secrets",
        )
    )
    wait_for_state(teamsup, "one", "not configured")

    secrets.write_text("KEY=key\n")

    wait_for_state(teamsup, "one", "RUNNING")


@pytest.mark.slow
def test_a_worker_that_began_before_the_change_and_is_held_after_it_is_tried_again(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    secrets, begun, go = secret_file(teamsup), teamsup.team.folder / "begun", teamsup.team.folder / "go"
    code = f"""
import os, pathlib, time
if os.environ["KEY"] == "one":
    pathlib.Path({str(begun)!r}).touch()
    while not pathlib.Path({str(go)!r}).exists():
        time.sleep(0.01)
    raise SystemExit(78)
time.sleep(1000)
"""
    run_workers(worker_section("one", code, env_file="secrets") + worker_section("two"))
    eventually(begun.exists, "one has read what is to be mended")
    secrets.write_text("KEY=two\n")
    assert teamsup.run("start", "two").returncode == 0, "the supervisor looks at the files before it answers"

    go.touch()

    wait_for_log_line(teamsup, "a file was saved: start one")
    wait_for_state(teamsup, "one", "RUNNING")


@pytest.mark.slow
def test_a_held_worker_is_tried_again_after_a_chmod(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    secrets = secret_file(teamsup)
    run_workers(
        worker_section(
            "one",
            "import os, time; os.stat('secrets').st_mode & 0o200 and exit(78); time.sleep(1000)",
            env_file="secrets",
        )
    )
    wait_for_state(teamsup, "one", "not configured")

    secrets.chmod(0o400)

    wait_for_state(teamsup, "one", "RUNNING")


@pytest.mark.slow
def test_an_env_file_that_is_away_or_saved_restarts_nobody_before_a_reload(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    secrets = secret_file(teamsup)
    away = secrets.with_name("away")
    run_workers(worker_section("one", env_file="secrets") + worker_section("two", UNCONFIGURED))
    wait_for_state(teamsup, "two", "not configured")
    one = ps_row(teamsup, "one")["pid"]
    secrets.rename(away)
    eventually(lambda: looks(teamsup) >= 1, "the supervisor misses the file")
    away.rename(secrets)
    eventually(lambda: looks(teamsup) >= 2, "the supervisor sees the file again")
    secrets.write_text("KEY=two\n")
    eventually(lambda: looks(teamsup) >= 3, "the supervisor sees what was saved")

    assert ps_row(teamsup, "one")["pid"] == one
    teamsup.run("reload")
    wait_for_log_line(teamsup, "reload: start two; restart one")
    assert ps_row(teamsup, "one")["pid"] != one


@pytest.mark.slow
def test_a_team_folder_that_was_unsafe_for_a_moment_keeps_nobody_away(running: TeamsupCommand) -> None:
    log = running.team.logs / "supervisor.log"
    before = ps_row(running, "user_comm")["pid"]
    running.team.folder.chmod(0o770)
    os.kill(before, signal.SIGKILL)
    eventually(lambda: "user_comm ended (exit code 77)" in log.read_text(), "user_comm refuses the folder")

    running.team.folder.chmod(0o700)

    assert wait_for_state(running, "user_comm", "RUNNING")["pid"] != before


def secret_file(teamsup: TeamsupCommand) -> Path:
    teamsup.team.create()
    secrets = teamsup.team.folder / "secrets"
    secrets.write_text("KEY=one\n")
    secrets.chmod(0o600)
    return secrets


def looks(teamsup: TeamsupCommand) -> int:
    """How often somebody who is held was tried again. A request makes the supervisor look at once."""
    teamsup.run("send", "supervisor", "status")
    return teamsup.run("logs", "supervisor").stdout.count("a file was saved: start two")


@pytest.mark.slow
def test_a_worker_that_was_removed_is_known_no_more_and_its_messages_stay(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    run_workers(heartbeat_worker_section("one") + heartbeat_worker_section("two"))
    for name in ("one", "two"):
        assert teamsup.run("send", name, "hello").returncode == 0
    teamsup.configure('[team]\nagents = ["two"]\n')

    assert teamsup.run("reload").stdout == "stop one, two\n"

    eventually(lambda: ps_row(teamsup, "one")["state"] == "undeliverable", "only its messages are shown")
    assert ps_row(teamsup, "one")["unread"] == 1
    assert ps_row(teamsup, "two")["state"] == "offline"
    assert teamsup.run("send", "one", "hello").returncode == os.EX_NOUSER


@pytest.mark.slow
def test_a_worker_that_was_removed_while_the_team_was_down_is_known_no_more(teamsup: TeamsupCommand) -> None:
    teamsup.configure(heartbeat_worker_section("one"))
    assert teamsup.run("start", "--detach").returncode == 0
    os.kill(ps_row(teamsup, "supervisor")["pid"], signal.SIGKILL)
    teamsup.configure("")
    try:
        assert teamsup.run("start", "--detach").returncode == 0

        eventually(lambda: "one" not in teamsup.ps(), "one is forgotten")
    finally:
        assert teamsup.run("stop").returncode == 0


def supervisor_metadata(teamsup: TeamsupCommand) -> str:
    ((metadata,),) = run_foreign_sql(teamsup.team, "SELECT metadata FROM agent_status WHERE agent_name = 'supervisor'")
    return str(metadata)
