"""Workers of the user's own, as the supervisor runs them: real processes that die, hang, linger and depend."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import termios
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from helpers.custom_workers import (
    HEARTBEAT_CODE,
    SLEEP_CODE,
    heartbeat_worker_section,
    ps_row,
    tagged_processes,
    wait_for_log_line,
    wait_for_state,
    worker_section,
)
from helpers.kill_soak import kill_repeatedly
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, refusal_of
from teamsup.config.components import installed_components
from teamsup.hub import MessageHub

RunWorkers = Callable[[str], TeamsupCommand]

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True);" + SLEEP_CODE


@pytest.mark.slow
@pytest.mark.parametrize(("start_seconds", "timeout"), [(60, "1"), (0.5, "30")])
def test_detach_says_who_hangs_at_the_start(teamsup: TeamsupCommand, start_seconds: float, timeout: str) -> None:
    teamsup.configure(
        heartbeat_worker_section("mute", SLEEP_CODE, start_seconds=start_seconds) + worker_section("well")
    )
    try:
        start = teamsup.run("start", "--detach", "--timeout", timeout)
        said = refusal_of(start)
        assert start.returncode == 4
        assert said.startswith("teamsup: Team 'default' runs, pid ")
        assert "but mute " in said
        assert said.endswith(" See: teamsup logs mute")
        wait_for_state(teamsup, "well", "RUNNING")
    finally:
        assert teamsup.run("stop").returncode == 0


def test_it_runs_as_its_section_says(run_workers: RunWorkers, teamsup: TeamsupCommand, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.env"
    secrets.write_text("# a comment\nexport B='two'\n")
    secrets.chmod(0o600)
    code = (
        "import os; print(os.getcwd(), *(os.environ[name] for name in ('A', 'B', 'TEAMSUP_TEAM')), flush=True);"
        + SLEEP_CODE
    )
    run_workers(
        worker_section("own", code, directory=str(tmp_path), env_file=str(secrets)) + 'environment = { A = "one" }\n'
    )

    wait_for_state(teamsup, "own", "RUNNING")

    assert f"{tmp_path} one two default" in teamsup.run("logs", "own").stdout
    assert "own" not in {agent["name"] for agent in teamsup.ps().values() if agent["kind"] == "agent"}


@pytest.mark.slow
def test_it_is_not_started_unless_somebody_asks(run_workers: RunWorkers) -> None:
    team = run_workers(worker_section("own", autostart=False))
    assert ps_row(team, "own")["state"] == "STOPPED"

    assert team.run("start", "own").stdout == f"own runs, pid {ps_row(team, 'own')['pid']}.\n"
    assert team.run("stop", "own").stdout == "own has ended.\n"

    assert ps_row(team, "own")["state"] == "STOPPED"
    assert team.run("ps").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["command", "directory", "env_file"])
def test_a_missing_file_or_folder_is_tried_again_until_it_is_there(
    run_workers: RunWorkers, teamsup: TeamsupCommand, missing: str
) -> None:
    there = {
        "command": teamsup.home / "program",
        "directory": teamsup.home / "folder",
        "env_file": teamsup.home / "env",
    }
    away = there[missing]
    program, folder, env_file = there.values()
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o700)
    folder.mkdir()
    env_file.write_text("A=1\n")
    env_file.chmod(0o600)
    away.rename(teamsup.home / "elsewhere")
    section = f'[worker.own]\ncommand = ["{program}"]\ndirectory = "{folder}"\nenv_file = "{env_file}"\n'
    run_workers(f"{section}start_seconds = 0.1\n")

    own = wait_for_state(teamsup, "own", "BACKOFF")
    assert own["note"].startswith("cannot be started: ")
    assert str(away) in own["note"]
    assert teamsup.run("ps").returncode == 4
    (teamsup.home / "elsewhere").rename(away)

    wait_for_state(teamsup, "own", "RUNNING")


def test_a_mistake_holds_one_worker_and_the_team_starts_without_it(run_workers: RunWorkers) -> None:
    team = run_workers(worker_section("well") + worker_section("own", restrat="never"))

    own = wait_for_state(team, "own", "FATAL")

    assert own["note"].endswith("[worker.own] has no key 'restrat'; did you mean restart?")
    assert ps_row(team, "well")["state"] == "RUNNING"
    assert team.run("ps").returncode == 4


def test_a_worker_that_was_meant_to_end_is_well(run_workers: RunWorkers) -> None:
    team = run_workers(worker_section("own", "print('done')", restart="on-failure"))

    assert wait_for_state(team, "own", "EXITED")["note"] == "exit code 0"
    assert team.run("ps").returncode == 0


def test_an_unconfigured_worker_is_held_until_the_configuration_changes(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    run_workers(worker_section("own", "print('no key'); raise SystemExit(78)"))
    own = wait_for_state(teamsup, "own", "not configured")
    assert (own["restarts"], own["note"], own["crashes"][0]["lines"]) == (0, "no key", ["no key"])
    assert teamsup.run("ps").returncode == 4
    teamsup.configure(worker_section("own"))

    assert teamsup.run("reload").returncode == 0

    wait_for_state(teamsup, "own", "RUNNING")


def test_a_finished_job_is_not_done_again_by_a_reload(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("job", "pass", restart="on-failure"))
    wait_for_state(teamsup, "job", "EXITED")

    assert teamsup.run("reload").stdout == "nothing has changed\n"


def test_it_is_asked_to_end_by_its_own_signal(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("own", "print('up', flush=True);" + SLEEP_CODE, stop_signal="INT"))
    eventually(lambda: "up" in teamsup.log("own"), "the worker")

    teamsup.run("stop", "own")

    assert "KeyboardInterrupt" in teamsup.run("logs", "own").stdout


def test_a_crash_loop_is_reported_with_its_last_lines_and_not_spun(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    code = "for number in range(30): print('line', number)\nraise SystemExit(3)"
    run_workers('[team]\nagents = ["lead"]\nnotify_on_crash = ["lead"]\n' + worker_section("loop", code))

    loop = wait_for_state(teamsup, "loop", "BACKOFF")
    assert "exit code 3; next try in" in loop["note"]
    eventually(lambda: teamsup.run("ps").returncode == 4, "ps says that somebody is unwell")
    crash = loop["crashes"][0]
    assert (crash["reason"], crash["failures"]) == ("exit code 3", 1)
    assert crash["lines"] == [f"line {number}" for number in range(10, 30)]
    shown = teamsup.run("ps", "loop").stdout
    assert "died: exit code 3" in shown
    assert "; started again after " in shown
    assert "    line 29" in shown
    with MessageHub(teamsup.team, agent="lead") as lead:
        assert lead.wait(TIMEOUT_SECONDS)
        (told,) = lead.claim()
        lead.acknowledge(told)
    assert told.message.sender == "supervisor"
    assert told.message.content.startswith("loop has crashed ")
    # The next start may come before the notice is written.
    assert re.search(r", last: exit code 3\. It (is started again in |was started again\.)", told.message.content)
    assert told.message.content.endswith("line 28\nline 29")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stopped", "blocked"])
def test_a_hung_worker_is_replaced_with_a_stack_dump(run_workers: RunWorkers, how: str) -> None:
    blocks = (
        "import signal\ndef stuck(*_):\n    while True: pass\nsignal.signal(signal.SIGUSR1, stuck)\n" + HEARTBEAT_CODE
    )
    team = run_workers(heartbeat_worker_section("own", blocks))
    pid = wait_for_state(team, "own", "RUNNING")["pid"]

    os.kill(pid, signal.SIGSTOP if how == "stopped" else signal.SIGUSR1)

    eventually(lambda: ps_row(team, "own")["pid"] not in (None, pid), "another process")
    wait_for_state(team, "own", "RUNNING")
    (crash,) = ps_row(team, "own")["crashes"]
    assert crash["reason"].startswith("no heartbeat for 2.")
    assert any("Fatal Python error: Aborted" in line for line in crash["lines"])
    if how == "blocked":
        assert any("in stuck" in line for line in crash["lines"])


@pytest.mark.slow
def test_a_worker_that_never_reports_is_replaced_when_its_time_to_start_is_over(run_workers: RunWorkers) -> None:
    team = run_workers(heartbeat_worker_section("own", SLEEP_CODE, start_seconds=1))

    wait_for_log_line(team, "own hangs: no heartbeat for 1.")
    eventually(lambda: ps_row(team, "own")["restarts"] >= 1, "it is replaced")


@pytest.mark.slow
def test_a_slow_start_is_not_a_hang(run_workers: RunWorkers) -> None:
    team = run_workers(heartbeat_worker_section("own", "import time; time.sleep(3)\n" + HEARTBEAT_CODE))

    assert wait_for_state(team, "own", "RUNNING")["restarts"] == 0


@pytest.mark.slow
def test_nobody_is_judged_while_the_hub_cannot_be_written(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    team = run_workers(heartbeat_worker_section("own"))
    pid = wait_for_state(team, "own", "RUNNING")["pid"]
    with contextlib.closing(sqlite3.connect(teamsup.team.database, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        wait_for_log_line(team, "is held by another program")
        blocker.execute("ROLLBACK")

    with MessageHub(team.team) as hub:
        last = "SELECT last_heartbeat FROM agent_status WHERE agent_name = 'own'"
        beaten = hub.query(last)
        eventually(lambda: hub.query(last) != beaten, "another heartbeat")
    assert (ps_row(team, "own")["pid"], ps_row(team, "own")["restarts"]) == (pid, 0)


@pytest.mark.slow
def test_a_supervisor_that_was_stopped_judges_nobody(run_workers: RunWorkers) -> None:
    team = run_workers(heartbeat_worker_section("own"))
    before = wait_for_state(team, "own", "RUNNING")
    supervisor = ps_row(team, "supervisor")["pid"]
    os.kill(before["pid"], signal.SIGSTOP)
    os.kill(supervisor, signal.SIGSTOP)
    eventually(lambda: ps_row(team, "own")["heartbeat_age_seconds"] > 4, "a long silence")

    os.kill(before["pid"], signal.SIGCONT)
    os.kill(supervisor, signal.SIGCONT)

    eventually(lambda: ps_row(team, "own")["heartbeat_age_seconds"] < 1, "another heartbeat")
    assert (ps_row(team, "own")["pid"], ps_row(team, "own")["restarts"]) == (before["pid"], 0)


@pytest.mark.slow
def test_a_busy_machine_is_not_a_hang(run_workers: RunWorkers) -> None:
    team = run_workers(
        heartbeat_worker_section("own")
        + "".join(worker_section(f"hog{number}", "while True: pass") for number in range(4))
    )
    pid = wait_for_state(team, "own", "RUNNING")["pid"]

    eventually(lambda: ps_row(team, "own")["uptime_seconds"] > 5, "some time under load")

    assert (ps_row(team, "own")["pid"], ps_row(team, "own")["restarts"]) == (pid, 0)


@pytest.mark.slow
def test_a_worker_above_its_memory_limit_is_replaced(run_workers: RunWorkers) -> None:
    team = run_workers(worker_section("own", "data = b'x' * (100 << 20)\n" + SLEEP_CODE, memory_max="50 MiB"))

    wait_for_log_line(team, "MiB of memory and may use 50")
    eventually(lambda: ps_row(team, "own")["crashes"], "its end")


@pytest.mark.parametrize("session", ["False", "True"])
def test_a_child_process_ends_with_its_worker(run_workers: RunWorkers, session: str) -> None:
    code = (
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', {SLEEP_CODE!r}], start_new_session={session})\n"
        "print('up', flush=True)\n" + SLEEP_CODE
    )
    team = run_workers(worker_section("own", code, autostart=False))
    team.run("start", "own")
    eventually(lambda: len(tagged_processes(f"{team.team.folder}:own@")) == 2, "the worker and its child")

    assert team.run("stop", "own").returncode == 0

    eventually(lambda: not tagged_processes(f"{team.team.folder}:own@"), "nothing left")


def test_a_child_process_ends_with_the_crash_of_its_worker(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    code = (
        f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {SLEEP_CODE!r}], start_new_session=True)\n"
        + SLEEP_CODE
    )
    run_workers(worker_section("own", code))
    mark = f"{teamsup.team.folder}:own@"
    before = eventually(
        lambda: found if len(found := tagged_processes(mark)) == 2 else None, "the worker and its child"
    )

    os.kill(ps_row(teamsup, "own")["pid"], signal.SIGKILL)

    wait_for_log_line(teamsup, "own had left 1 processes, which are killed")
    eventually(lambda: len(tagged_processes(mark)) == 2, "the next ones")
    assert not {process.pid for process in before} & {process.pid for process in tagged_processes(mark)}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the supervisor adopt them")
def test_a_process_that_has_emptied_its_environment_ends_with_the_team(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    code = (
        "import subprocess, sys\n"
        f"print(subprocess.Popen([sys.executable, '-c', {SLEEP_CODE!r}], start_new_session=True, "
        "env={}).pid, flush=True)\n" + SLEEP_CODE
    )
    run_workers(worker_section("own", code))
    shown = eventually(lambda: teamsup.log("own").splitlines(), "its child's pid")
    child = psutil.Process(int(shown[0].split()[-1]))

    teamsup.run("stop")

    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "its end")


@pytest.mark.slow
def test_a_killed_supervisor_leaves_nothing_that_the_next_start_would_double(teamsup: TeamsupCommand) -> None:
    code = (
        f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {SLEEP_CODE!r}], start_new_session=True)\n"
        + SLEEP_CODE
    )
    teamsup.configure(worker_section("own", code))
    mark = f"{teamsup.team.folder}:own@"
    with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
        eventually(lambda: len(tagged_processes(mark)) == 2, "the worker and its child")
        pid = wait_for_state(teamsup, "own", "RUNNING")["pid"]
        supervisor.kill()
    eventually(lambda: not psutil.pid_exists(pid), "the worker's end")
    with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
        try:
            eventually(lambda: len(tagged_processes(mark)) == 2, "the worker and its child, once")
            wait_for_log_line(teamsup, "killed processes that the last supervisor had left")
            assert len(tagged_processes(mark)) == 2
        finally:
            supervisor.terminate()
    assert not tagged_processes(mark)


@pytest.mark.slow
def test_a_stubborn_worker_holds_up_nobody_else(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("own") + worker_section("stubborn", STUBBORN, stop_seconds=1))
    eventually(lambda: "up" in teamsup.log("stubborn"), "the stubborn one")

    assert teamsup.run("stop").returncode == 0

    lines = [line.split("| ", 1)[1] for line in teamsup.run("logs", "supervisor").stdout.splitlines()]
    assert lines[-4:] == [
        "own ended (signal 15 (SIGTERM))",
        "stubborn did not end in time and is killed",
        "stubborn ended (signal 9 (SIGKILL))",
        "stopped",
    ]


def test_a_restart_that_was_asked_for_while_the_team_stops_does_not_keep_it_up(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    run_workers(worker_section("own") + worker_section("stubborn", STUBBORN))
    eventually(lambda: "up" in teamsup.log("stubborn"), "the stubborn one")
    pid = ps_row(teamsup, "stubborn")["pid"]
    with teamsup.open("stop") as stop:
        wait_for_state(teamsup, "own", "STOPPED")
        with MessageHub(teamsup.team, agent="console-late") as late:
            late.register("console")
            late.send("supervisor", "restart own")
        os.kill(pid, signal.SIGKILL)
        assert stop.wait(TIMEOUT_SECONDS) == 0


@pytest.mark.slow
def test_a_worker_that_two_people_restart_at_the_same_moment_comes_back(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    run_workers(worker_section("stubborn", STUBBORN))
    eventually(lambda: "up" in teamsup.log("stubborn"), "the stubborn one")
    pid = ps_row(teamsup, "stubborn")["pid"]
    with teamsup.open("restart", "stubborn") as one:
        wait_for_state(teamsup, "stubborn", "STOPPING")
        with teamsup.open("restart", "stubborn") as other:
            eventually(lambda: teamsup.log("supervisor").count("asked to restart") == 2, "the second request")
            os.kill(pid, signal.SIGKILL)
            assert (one.wait(TIMEOUT_SECONDS), other.wait(TIMEOUT_SECONDS)) == (0, 0)
    assert ps_row(teamsup, "stubborn")["pid"] not in (pid, None)


@pytest.mark.slow
def test_a_second_ctrl_c_kills_and_a_doubled_signal_does_not(teamsup: TeamsupCommand) -> None:
    teamsup.configure(worker_section("own") + worker_section("stubborn", STUBBORN, stop_seconds=60))
    with teamsup.open("start") as supervisor:
        eventually(lambda: "up" in teamsup.log("stubborn"), "the stubborn one")
        stubborn = ps_row(teamsup, "stubborn")["pid"]
        supervisor.send_signal(signal.SIGTERM)
        supervisor.send_signal(signal.SIGTERM)
        wait_for_state(teamsup, "own", "STOPPED")
        assert psutil.pid_exists(stubborn)

        def impatient() -> bool:
            supervisor.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                supervisor.wait(1)
            return supervisor.returncode is not None

        eventually(impatient, "the end")
        output, _ = supervisor.communicate()
    assert "stubborn ended (signal 9 (SIGKILL))" in output


def test_dependencies_start_first_and_end_last(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("app", depends_on=["db"]) + worker_section("db", start_seconds=0.3))
    wait_for_state(teamsup, "app", "RUNNING")

    assert teamsup.run("stop").returncode == 0

    told = [line.split("| ", 1)[1].split()[:2] for line in teamsup.run("logs", "supervisor").stdout.splitlines()]
    assert [words for words in told if words[0] in ("app", "db")] == [
        ["db", "started,"],
        ["app", "started,"],
        ["app", "ended"],
        ["db", "ended"],
    ]


def order(teamsup: TeamsupCommand, *names: str) -> list[list[str]]:
    """Who started and ended, as the supervisor has said it."""
    told = [line.split("| ", 1)[1].split()[:2] for line in teamsup.run("logs", "supervisor").stdout.splitlines()]
    return [[words[0], words[1].rstrip(",")] for words in told if words[0] in names]


@pytest.mark.slow
def test_a_dependent_worker_ends_before_a_stopped_one_and_comes_back_with_it(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    run_workers(worker_section("app", depends_on=["db"]) + worker_section("db", start_seconds=0.3))
    wait_for_state(teamsup, "app", "RUNNING")

    assert teamsup.run("stop", "db").returncode == 0
    assert wait_for_state(teamsup, "app", "STOPPED")["note"] == "waits for db"
    assert teamsup.run("start", "db").returncode == 0

    wait_for_state(teamsup, "app", "RUNNING")
    assert order(teamsup, "app", "db")[2:] == [["app", "ended"], ["db", "ended"], ["db", "started"], ["app", "started"]]


@pytest.mark.slow
def test_a_reload_that_changes_both_keeps_their_order(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("app", depends_on=["db"]) + worker_section("db", start_seconds=0.3))
    wait_for_state(teamsup, "app", "RUNNING")
    other = SLEEP_CODE + " # other"
    teamsup.configure(worker_section("app", other, depends_on=["db"]) + worker_section("db", other, start_seconds=0.3))

    assert teamsup.run("reload").stdout == "restart db, app\n"

    eventually(lambda: len(order(teamsup, "app", "db")) == 6, "both have been restarted")
    assert order(teamsup, "app", "db")[2:] == [["app", "ended"], ["db", "ended"], ["db", "started"], ["app", "started"]]


def test_a_worker_waits_for_a_dependency_that_does_not_run_and_says_so(run_workers: RunWorkers) -> None:
    team = run_workers(worker_section("app", depends_on=["db"]) + '[worker.db]\ncommand = ["/nowhere/at/all"]\n')

    eventually(lambda: ps_row(team, "app")["note"] == "waits for db", "the reason")
    assert ps_row(team, "app")["state"] == "STOPPED"


def test_a_reload_restarts_only_what_has_changed(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("one") + worker_section("two") + worker_section("three"))
    before = {name: wait_for_state(teamsup, name, "RUNNING")["pid"] for name in ("one", "two", "three")}
    teamsup.configure(worker_section("one") + worker_section("two", SLEEP_CODE + " # other") + worker_section("four"))

    reload = teamsup.run("reload")

    assert (reload.returncode, reload.stdout) == (0, "start four; restart two; stop three\n")
    wait_for_state(teamsup, "four", "RUNNING")
    eventually(lambda: "three" not in teamsup.ps(), "three is gone")
    assert wait_for_state(teamsup, "two", "RUNNING")["pid"] != before["two"]
    assert ps_row(teamsup, "one")["pid"] == before["one"]
    assert teamsup.run("reload").stdout == "nothing has changed\n"


def test_a_reload_of_a_file_that_is_wrong_changes_nothing(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("one"))
    teamsup.configure(worker_section("one", restart="sometimes"))

    assert 'restart must be one of "always", "on-failure", "never"' in refusal_of(teamsup.run("reload"))
    os.kill(ps_row(teamsup, "supervisor")["pid"], signal.SIGHUP)

    wait_for_log_line(teamsup, "nothing was reloaded")
    wait_for_state(teamsup, "one", "RUNNING")
    trouble = wait_for_state(teamsup, "supervisor", "DEGRADED")["note"]
    assert trouble.startswith("The saved teamsup.toml is not in use: ")
    teamsup.configure(worker_section("one"))
    teamsup.run("reload")
    eventually(lambda: teamsup.run("ps").returncode == 0, "all is well")


def test_a_hang_up_signal_reloads(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("one"))
    teamsup.configure(worker_section("one") + worker_section("two"))

    os.kill(ps_row(teamsup, "supervisor")["pid"], signal.SIGHUP)

    eventually(lambda: "two" in teamsup.ps(), "the new worker")
    wait_for_state(teamsup, "two", "RUNNING")


def test_only_people_and_those_the_configuration_names_may_control(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    run_workers('[team]\noperators = ["lead"]\n' + worker_section("one"))
    wait_for_state(teamsup, "one", "RUNNING")

    def ask(agent: str) -> str:
        with MessageHub(teamsup.team, agent=agent) as hub:
            hub.register()
            question = hub.send("supervisor", "stop one")
            for delivery in hub.listen(20):
                hub.acknowledge(delivery)
                if delivery.message.reply_to == question.message_id:
                    return delivery.message.content
        raise AssertionError

    assert ask("intruder").startswith("intruder may ask only for 'status'.")
    assert ps_row(teamsup, "one")["state"] == "RUNNING"
    assert ask("lead") == "one has ended."


@pytest.fixture
def notify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What stands where systemd would, with a watchdog of two seconds."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "2000000")
        yield listener


@pytest.mark.slow
def test_the_service_manager_is_notified(
    notify: socket.socket, run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    def heard(word: str) -> list[str]:
        while True:
            lines = notify.recv(4096).decode().splitlines()
            if word in lines:
                return lines

    run_workers(worker_section("one"))
    assert heard("READY=1")[1] == f"STATUS=1 of {len(installed_components()) + 1} workers run"
    heard("WATCHDOG=1")
    heard("WATCHDOG=1")
    teamsup.run("reload")
    assert heard("RELOADING=1")[1].startswith("MONOTONIC_USEC=")
    heard("READY=1")
    teamsup.run("stop")
    heard("STOPPING=1")


def test_prometheus_reads_the_team(run_workers: RunWorkers) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    team = run_workers(f"[metrics]\nport = {port}\n" + worker_section("one"))
    wait_for_state(team, "one", "RUNNING")

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        text = response.read().decode()

    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'teamsup_worker_up{worker="one"} 1\n' in text
    assert 'teamsup_worker_restarts_total{worker="one"} 0\n' in text
    assert 'teamsup_heartbeat_age_seconds{agent="supervisor"}' in text
    assert "# TYPE teamsup_oldest_unread_seconds gauge\nteamsup_oldest_unread_seconds 0\n" in text
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/")
    refused.value.close()


@pytest.mark.slow
def test_a_supervisor_killed_at_any_moment_is_never_doubled(teamsup: TeamsupCommand) -> None:
    tally = kill_repeatedly(teamsup, kills=4)

    assert (tally.doubled, tally.left) == (0, 0)


def test_a_team_whose_terminal_goes_away_ends(teamsup: TeamsupCommand) -> None:
    teamsup.configure(worker_section("own"))
    terminal, theirs = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        teamsup.line("start"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=teamsup.environment,
        preexec_fn=take_terminal,
    ) as supervisor:
        os.close(theirs)
        try:
            wait_for_state(teamsup, "own", "RUNNING")
        finally:
            os.close(terminal)
        assert supervisor.wait(TIMEOUT_SECONDS) == 0
    assert "stopped" in teamsup.run("logs", "supervisor").stdout


def test_the_supervisor_holds_the_teams_watcher(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("own"))

    with MessageHub(teamsup.team) as hub:
        assert not hub.start_watcher()


@pytest.mark.slow
def test_a_log_is_followed_across_its_rotation(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    code = (
        "import time\nfor number in range(400):\n    print(f'line {number:4}', flush=True); time.sleep(0.002)\n"
        + SLEEP_CODE
    )
    run_workers(worker_section("own", code, log_max="4 KiB", log_files=9, autostart=False) + worker_section("quiet"))
    with teamsup.open("logs", "--follow", "supervisor") as follower, teamsup.open("logs", "--follow") as all_of_them:
        assert all_of_them.stdout is not None
        assert all_of_them.stdout.readline(), "it follows"
        teamsup.run("start", "own")
        lines: list[str] = []

        def look() -> bool:
            assert all_of_them.stdout is not None
            lines.append(all_of_them.stdout.readline())
            return "line  399" in lines[-1]

        eventually(look, "the last line")
        for process in (follower, all_of_them):
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT_SECONDS) == 130
    numbers = [int(line.split("line")[1]) for line in lines if "| line" in line]
    assert numbers == list(range(400))
    kept = teamsup.run("logs", "own", "-n", "400").stdout.splitlines()
    assert len(kept) > 100
    assert (teamsup.team.logs / "own.log.1").exists()


def in_terminal(teamsup: TeamsupCommand, *words: str, until: str, **environment: str) -> str:
    """What a command shows on a terminal, up to there."""
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(
        teamsup.line(*words), stdout=theirs, stdin=theirs, env={**teamsup.environment, **environment}
    ) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):
            while until.encode() not in shown:
                shown += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
    os.close(ours)
    return shown.decode()


def test_ps_has_colours_on_a_terminal_only(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("own"))
    wait_for_state(teamsup, "own", "RUNNING")

    assert "\x1b[32mown " in in_terminal(teamsup, "ps", until="own", TERM="xterm")
    assert "\x1b" not in in_terminal(teamsup, "ps", until="own", TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in in_terminal(teamsup, "ps", until="own", TERM="dumb")
    assert "\x1b" not in teamsup.run("ps").stdout


def test_ps_can_go_on_looking(run_workers: RunWorkers, teamsup: TeamsupCommand) -> None:
    run_workers(worker_section("own"))

    clear = "\x1b[H\x1b[J"

    assert in_terminal(teamsup, "ps", "--watch", until=f"{clear}\x1b[2mNAME", TERM="xterm").count(clear) >= 1


def test_ps_of_a_team_whose_supervisor_was_killed_says_so(teamsup: TeamsupCommand) -> None:
    teamsup.configure(worker_section("own"))
    with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
        try:
            wait_for_state(teamsup, "own", "RUNNING")
        finally:
            supervisor.kill()

    ps = teamsup.run("ps")

    assert (ps.returncode, ps.stderr) == (3, "Team 'default' is not running. Start it with: teamsup start\n")
    assert ps_row(teamsup, "own")["state"] == "STOPPED"


def test_agents_stand_in_ps_with_their_presence_and_their_mail(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    run_workers('[team]\nagents = ["lead", "scout"]\n' + worker_section("own"))
    with MessageHub(teamsup.team, agent="lead") as lead:
        lead.register(note="reading logs")
        lead.send("scout", "one")
        lead.send("scout", "two")
        lead_row, scout = ps_row(teamsup, "lead"), ps_row(teamsup, "scout")

    assert (lead_row["state"], lead_row["note"], lead_row["unread"]) == ("online", "reading logs", 0)
    assert lead_row["heartbeat_age_seconds"] < 30
    assert (scout["state"], scout["unread"]) == ("offline", 2)
    assert 0 <= scout["oldest_unread_seconds"] < 30


def test_stopping_the_first_of_a_chain_stops_all_that_stand_on_it(
    run_workers: RunWorkers, teamsup: TeamsupCommand
) -> None:
    run_workers(
        worker_section("app", depends_on=["cache"]) + worker_section("cache", depends_on=["db"]) + worker_section("db")
    )
    wait_for_state(teamsup, "app", "RUNNING")

    assert teamsup.run("stop", "db").stdout == "db has ended.\n"

    assert [line for line in order(teamsup, "app", "cache", "db") if line[1] == "ended"] == [
        ["app", "ended"],
        ["cache", "ended"],
        ["db", "ended"],
    ]
