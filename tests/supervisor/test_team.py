"""The whole team, as a person starts, uses and ends it."""

import fcntl
import os
import signal
import sqlite3
import subprocess

import psutil
import pytest

from helpers.custom_workers import SLEEP_CODE, worker_section
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, is_team_ready, refusal_of, run_foreign_sql
from teamsup.hub import MessageHub


def test_a_line_in_chat_is_answered(running: TeamsupCommand) -> None:
    chat = running.run("chat", stdin="Hello\n")

    assert (chat.returncode, chat.stdout, chat.stderr) == (0, "Hi there! 👋\n", "")


@pytest.mark.slow
def test_a_question_outlives_the_worker_that_would_have_answered_it(running: TeamsupCommand) -> None:
    pid = running.ps()["user_comm"]["pid"]
    os.kill(pid, signal.SIGSTOP)  # so that the question is stored, and not claimed, when user_comm dies
    with running.open("chat", stdin=subprocess.PIPE) as chat:
        assert chat.stdin is not None
        chat.stdin.write("Hello\n")
        chat.stdin.close()
        asked = "SELECT status FROM messages WHERE recipient = 'user_comm'"
        eventually(lambda: running.team.database.exists() and run_foreign_sql(running.team, asked), "the question")
        os.kill(pid, signal.SIGKILL)

        assert chat.stdout is not None
        assert chat.stdout.read().endswith("Hi there! 👋\n")
        assert chat.wait() == 0
    user_comm = running.ps()["user_comm"]
    assert user_comm["restarts"] == 1
    assert user_comm["pid"] != pid


@pytest.mark.slow
def test_stop_ends_the_team_and_leaves_no_process(teamsup: TeamsupCommand) -> None:
    with teamsup.open("start") as supervisor:
        eventually(lambda: is_team_ready(teamsup), "all workers ready")

        def family_in_ps() -> list[psutil.Process] | None:
            """The last worker starts after the team is ready, and those that are not configured end then."""
            found = psutil.Process(supervisor.pid).children(recursive=True)
            shown = {row["pid"] for row in teamsup.ps().values() if row["pid"] not in (None, supervisor.pid)}
            return found if {process.pid for process in found} == shown and len(found) > 2 else None

        family = eventually(family_in_ps, "all processes of the team are in ps")
        stop = teamsup.run("stop")

        assert (stop.returncode, stop.stdout) == (0, "Team 'default' has ended.\n")
        assert supervisor.wait(TIMEOUT_SECONDS) == 0
        assert not [process for process in family if process.is_running()]
    assert teamsup.run("ps").returncode == 3
    assert teamsup.run("stop").stdout == "Team 'default' is not running.\n"


@pytest.mark.slow
def test_workers_start_one_after_another_and_end_together(teamsup: TeamsupCommand) -> None:
    with teamsup.open("start") as supervisor:
        eventually(lambda: is_team_ready(teamsup), "all workers ready")
        supervisor.send_signal(signal.SIGINT)
        output, _ = supervisor.communicate(timeout=TIMEOUT_SECONDS)

    told = [line.split("|")[1].split()[0] for line in output.splitlines() if "started, pid" in line]
    ended = [line.split("|")[1].split()[0] for line in output.splitlines() if "ended (exit code 0)" in line]
    assert told[:4] == ["user_comm", "monitor-bridge", "gateway", "agent-runner"]
    assert sorted(ended) == ["monitor-bridge", "user_comm", "web"]


@pytest.mark.slow
def test_a_killed_supervisor_leaves_no_worker_behind(teamsup: TeamsupCommand) -> None:
    with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
        eventually(lambda: is_team_ready(teamsup), "all workers ready")
        family = psutil.Process(supervisor.pid).children(recursive=True)

        supervisor.kill()

        assert psutil.wait_procs(family, timeout=TIMEOUT_SECONDS)[1] == []


@pytest.mark.slow
def test_the_output_of_workers_is_prefixed_on_the_terminal_and_kept_in_files(teamsup: TeamsupCommand) -> None:
    with teamsup.open("start") as supervisor:
        eventually(lambda: is_team_ready(teamsup), "all workers ready")
        supervisor.terminate()
        output, _ = supervisor.communicate(timeout=TIMEOUT_SECONDS)

    assert "gateway        | INFO No Discord token" in output
    logs = teamsup.run("logs", "gateway")
    assert (logs.returncode, logs.stderr) == (0, "")
    assert "gateway | INFO No Discord token" in logs.stdout
    assert "supervisor | stopped" in teamsup.run("logs", "supervisor").stdout
    assert teamsup.run("logs").stdout.splitlines()[-1].endswith(" supervisor     | stopped")


@pytest.mark.slow
def test_logs_follow_shows_what_comes(running: TeamsupCommand) -> None:
    with running.open("logs", "--follow", "supervisor") as follower:
        assert follower.stdout is not None
        assert "team 'default' in" in follower.stdout.readline()
        assert running.run("restart", "monitor-bridge").returncode == 0

        eventually(lambda: "asked to restart monitor-bridge" in follower.stdout.readline(), "the news")  # type: ignore[union-attr]

        follower.send_signal(signal.SIGINT)
        assert follower.wait(TIMEOUT_SECONDS) == 130


@pytest.mark.slow
def test_logs_follow_ends_without_a_line_when_its_reader_leaves(running: TeamsupCommand) -> None:
    with running.open("logs", "--follow", "supervisor") as follower:
        assert follower.stdout is not None
        follower.stdout.readline()
        follower.stdout.close()

        assert follower.wait(TIMEOUT_SECONDS) == 141


def test_restart_replaces_one_worker_and_no_other(running: TeamsupCommand) -> None:
    before = running.ps()

    restart = running.run("restart", "monitor-bridge")

    bridge = running.ps()["monitor-bridge"]
    assert (restart.returncode, restart.stdout) == (0, f"monitor-bridge runs, pid {bridge['pid']}.\n")
    assert (bridge["state"], bridge["restarts"]) == ("RUNNING", 0)
    assert bridge["pid"] != before["monitor-bridge"]["pid"]
    assert running.ps()["user_comm"]["pid"] == before["user_comm"]["pid"]


@pytest.mark.slow
def test_restart_of_something_unknown_says_what_is_known(running: TeamsupCommand) -> None:
    restart = running.run("restart", "postman")

    assert restart.returncode == os.EX_USAGE
    known = "user_comm, monitor-bridge, gateway, agent-runner, web, fork-server"
    assert refusal_of(restart) == f"teamsup: There is no worker 'postman'; there are {known}."


@pytest.mark.slow
def test_restart_says_when_a_worker_does_not_run_afterwards(running: TeamsupCommand) -> None:
    why = refusal_of(running.run("restart", "gateway"))

    assert why.startswith("teamsup: gateway does not run: not configured: No Discord token: set DISCORD_TOKEN")
    assert why.endswith(" See: teamsup ps gateway")


def test_people_and_agents_can_ask_a_daemon_through_user_comm(running: TeamsupCommand) -> None:
    asked = running.run("chat", stdin="@supervisor status\n@monitor-bridge load?\n@user_comm hello\n")

    *states, figures, greeting = asked.stdout.splitlines()
    assert states == [
        "supervisor: user_comm: RUNNING",
        "  monitor-bridge: RUNNING",
        "  gateway: EXITED, not configured",
        "  agent-runner: EXITED, not configured",
        "  web: STOPPED",
        "  fork-server: STOPPED",
    ]
    assert figures.startswith("monitor-bridge: ")
    assert greeting == "Hi there! 👋"


@pytest.mark.slow
def test_the_supervisor_lives_through_a_locked_database(running: TeamsupCommand) -> None:
    before = running.ps()
    blocker = sqlite3.connect(running.team.database, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    chat = running.open("chat", stdin=subprocess.PIPE)
    with chat:
        assert chat.stdin is not None
        chat.stdin.write("Hello\n")
        chat.stdin.close()
        os.kill(before["monitor-bridge"]["pid"], signal.SIGKILL)
        eventually(lambda: running.ps()["monitor-bridge"]["pid"] != before["monitor-bridge"]["pid"], "its replacement")
        blocker.execute("COMMIT")
        blocker.close()
        assert chat.stdout is not None
        assert chat.stdout.read().endswith("Hi there! 👋\n")
    eventually(lambda: is_team_ready(running), "all is well again")
    assert running.ps()["user_comm"]["restarts"] == 0


def test_a_gateway_without_a_token_is_not_configured_and_says_what_to_do(running: TeamsupCommand) -> None:
    gateway = running.ps()["gateway"]

    assert (gateway["state"], gateway["restarts"], gateway["pid"], gateway["well"]) == ("not configured", 0, None, True)
    assert "set DISCORD_TOKEN" in gateway["note"]
    assert running.run("ps").returncode == 0


@pytest.mark.slow
def test_a_decision_reaches_people_and_is_answered_after_a_restart_of_the_team(
    running: TeamsupCommand,
) -> None:
    with MessageHub(running.team, agent="console-ann") as ann, MessageHub(running.team, agent="lead") as lead:
        ann.register("console")
        lead.register()
        question = lead.send("user_comm", "Restart web-1?", metadata={"options": ["yes", "not now"]})
        assert ann.wait(TIMEOUT_SECONDS)
        (asked,) = ann.claim()
        assert asked.message.content == (
            f"lead asks (#{question.id}): Restart web-1?\n  1. yes\n  2. not now\n"
            f"Answer with its number, or: /decide {question.id} ANSWER"
        )
        ann.send("user_comm", f"/decide {question.id} 2")
        assert lead.wait(TIMEOUT_SECONDS)
        assert lead.claim()[0].message.content == "not now"


@pytest.mark.slow
def test_a_message_of_an_agent_to_user_comm_reaches_people(running: TeamsupCommand) -> None:
    with MessageHub(running.team, agent="console-ann") as ann, MessageHub(running.team, agent="alert-manager") as agent:
        ann.register("console")
        agent.register()
        agent.send("user_comm", "checkout fails since 14:02", priority="urgent")
        assert ann.wait(TIMEOUT_SECONDS)
        (told,) = ann.claim()
        assert (told.message.content, told.message.priority) == (
            "alert-manager: checkout fails since 14:02",
            "urgent",
        )


@pytest.mark.slow
def test_an_answer_with_a_choice_goes_only_to_the_one_who_asked(running: TeamsupCommand) -> None:
    with (
        MessageHub(running.team, agent="console-ann") as ann,
        MessageHub(running.team, agent="console-bob") as bob,
        MessageHub(running.team, agent="lead") as lead,
    ):
        for person in (ann, bob):
            person.register("console")
        lead.register()
        question = ann.send("user_comm", "@lead restart it")
        assert lead.wait(TIMEOUT_SECONDS)
        (asked,) = lead.claim()
        lead.reply(asked, "web-1 or web-2?", metadata={"options": ["web-1", "web-2"]})
        assert ann.wait(TIMEOUT_SECONDS)
        (answer,) = ann.claim()
        assert answer.message.reply_to == question.message_id
        assert "lead asks (#3): web-1 or web-2?\n  1. web-1\n  2. web-2\n" in answer.message.content
        assert bob.claim() == []


def test_ps_shows_everybody_for_people_and_for_programs(running: TeamsupCommand) -> None:
    table = running.run("ps").stdout.splitlines()
    rows = running.ps()

    assert table[0].split()[:4] == ["NAME", "STATE", "PID", "UPTIME"]
    assert [line.split()[0] for line in table[1:]] == list(rows)
    for name in ("supervisor", "user_comm", "monitor-bridge"):
        row = rows[name]
        assert psutil.Process(row["pid"]).is_running()
        assert row["uptime_seconds"] >= 0
        assert row["heartbeat_age_seconds"] < 30
        assert row["cpu_percent"] >= 0
        assert row["memory_bytes"] > 2**20
        assert row["unread"] == 0


@pytest.mark.slow
def test_monitor_bridge_reports_the_host(running: TeamsupCommand) -> None:
    note = eventually(lambda: running.ps()["monitor-bridge"]["note"], "the first figures")

    assert [part.split()[0] for part in note.split(", ")] == ["CPU", "memory", "disk"]


@pytest.mark.slow
def test_an_agent_of_the_configuration_can_be_written_to_before_it_comes(teamsup: TeamsupCommand) -> None:
    teamsup.team.create()
    teamsup.team.configuration.write_text('[team]\nagents = ["lead"]\n')
    with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
        eventually(lambda: "lead" in teamsup.ps(), "lead is enrolled")

        assert teamsup.run("send", "lead", "welcome").stdout.endswith("lead is offline, never here yet.\n")

        assert teamsup.ps()["lead"]["unread"] == 1
        supervisor.terminate()
    assert teamsup.run("read", "--agent", "lead").stdout.endswith(": welcome\n")


def test_detach_returns_when_the_team_is_ready(teamsup: TeamsupCommand) -> None:
    start = teamsup.run("start", "--detach")
    try:
        assert start.returncode == 0, start.stderr
        assert start.stdout.startswith("Team 'default' runs, pid ")
        assert is_team_ready(teamsup)
        assert teamsup.run("chat", stdin="Hello\n").stdout == "Hi there! 👋\n"
    finally:
        assert teamsup.run("stop").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("detach", [[], ["--detach"]])
def test_a_second_start_says_who_runs_the_team(running: TeamsupCommand, detach: list[str]) -> None:
    pid = running.ps()["supervisor"]["pid"]

    second = running.run("start", *detach)

    assert second.returncode == os.EX_TEMPFAIL
    assert second.stderr.startswith(f"teamsup: Team 'default' is run by pid {pid} already.")
    assert second.stderr.count("\n") == 1
    assert is_team_ready(running)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="needs a small pipe (Linux)")
def test_an_output_that_nobody_reads_holds_up_nobody(teamsup: TeamsupCommand) -> None:
    teamsup.configure(
        worker_section("own", f"for number in range(200): print('x' * 100, number, flush=True)\n{SLEEP_CODE}")
    )
    with teamsup.open("start") as supervisor:
        assert supervisor.stdout is not None
        fcntl.fcntl(supervisor.stdout, fcntl.F_SETPIPE_SZ, 4096)
        for _ in range(2):
            eventually(lambda: "x 199" in teamsup.log("own"), "more is said than the pipe takes")
            assert teamsup.run("restart", "own").returncode == 0

        assert teamsup.run("stop").returncode == 0

        assert supervisor.wait(TIMEOUT_SECONDS) == 0


@pytest.mark.slow
def test_a_long_answer_reaches_the_person_as_far_as_it_fits(running: TeamsupCommand) -> None:
    with MessageHub(running.team, agent="lead") as lead:
        lead.register()
        with running.open("chat", stdin=subprocess.PIPE) as chat:
            assert chat.stdin is not None
            assert chat.stdout is not None
            chat.stdin.write("@lead go\n")
            chat.stdin.close()
            assert lead.wait(TIMEOUT_SECONDS)
            (delivery,) = lead.claim()
            lead.reply(delivery, "x" * 262_000)

            answer = chat.stdout.read()
    assert answer.startswith("lead: xxx")
    assert answer.endswith("(cut; all of it is in message #3)\n")
