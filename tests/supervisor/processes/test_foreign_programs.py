"""Programs that know no hub, as the supervisor runs them: what people ask of them, and what the team shows."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import run_team
from helpers.custom_workers import ps_row, wait_for_state, worker_section
from helpers.support import TeamsupCommand, eventually, refusal_of

RunWorkers = Callable[[str], TeamsupCommand]
USR1_CODE = """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: print("rotated", flush=True))
print("up", flush=True)
while True: time.sleep(1000)
"""


@pytest.mark.slow
def test_a_pattern_names_several_workers(run_workers: RunWorkers) -> None:
    team = run_workers("".join(worker_section(name, USR1_CODE) for name in ("web-1", "web-2", "db")))
    for name in ("web-1", "web-2", "db"):
        wait_for_state(team, name, "RUNNING")
        eventually(lambda name=name: "up" in team.log(name), "its handler")  # type: ignore[misc]
    before = {name: ps_row(team, name)["pid"] for name in ("web-1", "web-2", "db")}

    signalled = team.run("signal", "web-*", "USR1")
    assert signalled.stdout == "".join(f"{name}, pid {before[name]}, got SIGUSR1.\n" for name in ("web-1", "web-2"))
    eventually(lambda: "rotated" in team.log("web-1") and "rotated" in team.log("web-2"), "both have got it")
    assert "rotated" not in team.log("db")

    restarted = team.run("restart", "WEB-*")
    after = {name: ps_row(team, name)["pid"] for name in ("web-1", "web-2", "db")}
    assert restarted.stdout == "".join(f"{name} runs, pid {after[name]}.\n" for name in ("web-1", "web-2"))
    assert after["web-1"] != before["web-1"]
    assert after["db"] == before["db"]

    assert team.run("stop", "web-?").stdout == "web-1 has ended.\nweb-2 has ended.\n"
    refused = team.run("signal", "web-1", "HUP")
    assert refused.returncode == 64
    assert refusal_of(refused) == "teamsup: web-1 has no process to signal."


@pytest.mark.slow
def test_a_question_without_a_line_end_is_shown(run_workers: RunWorkers) -> None:
    code = (
        "import sys, time\n"
        "for part in ('10 %\\r', '50 %\\r', '100 %\\n', 'go on?'): print(part, end='', flush=True)\ntime.sleep(1000)"
    )
    team = run_workers(worker_section("asks", code))

    eventually(lambda: "go on?" in team.log("asks"), "its question")

    assert [line.split(" ", 2)[2] for line in team.log("asks").splitlines()] == ["100 %", "go on?"]


SERVER_CODE = """
import http.server, os, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if pathlib.Path(os.environ["FLAG"]).exists() else 503)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
print("listening", flush=True)
server.serve_forever()
"""


@pytest.mark.slow
def test_a_program_without_a_hub_is_ready_when_it_says_so_and_replaced_when_it_is_not_alive(
    teamsup: TeamsupCommand, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flag = tmp_path / "flag"
    toml = (
        worker_section("site", SERVER_CODE)
        + f'environment = {{ PORT = "{port}", FLAG = "{flag}" }}\n'
        + f'ready = {{ http = "http://127.0.0.1:{port}/" }}\n'
        + "alive = { exec = 'test -e \"$FLAG\"', every_seconds = 0.2, failures = 2 }\n"
        + worker_section("after", depends_on=["site"])
    ).replace("start_seconds = 0.1\nenvironment", "start_seconds = 60\nenvironment")
    teamsup.configure(toml)
    with run_team(teamsup):
        eventually(lambda: "listening" in teamsup.log("site"), "its server")
        assert ps_row(teamsup, "site")["state"] == "STARTING"
        assert ps_row(teamsup, "after")["state"] == "STOPPED"

        flag.touch()
        first = wait_for_state(teamsup, "site", "RUNNING")["pid"]
        wait_for_state(teamsup, "after", "RUNNING")

        flag.unlink()
        eventually(lambda: ps_row(teamsup, "site")["restarts"], "its replacement")
        flag.touch()
        assert wait_for_state(teamsup, "site", "RUNNING")["pid"] != first
        assert "not alive, 2 times in a row: exit code 1" in teamsup.run("ps", "site").stdout


@pytest.mark.slow
def test_a_line_of_output_shows_that_a_program_is_ready(run_workers: RunWorkers) -> None:
    code = "import time; time.sleep(0.5); print('now listening on 80', flush=True); time.sleep(1000)"
    team = run_workers(worker_section("site", code, start_seconds=60) + 'ready = { log = "listening on" }\n')

    wait_for_state(team, "site", "RUNNING")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "exit_code"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_the_team_ends_with_an_essential_worker(teamsup: TeamsupCommand, code: str, exit_code: int) -> None:
    teamsup.configure(worker_section("site", code, essential=True, restart="never") + worker_section("other"))

    ended = teamsup.run("start")

    assert ended.returncode == exit_code
    assert "site is essential and has ended" in teamsup.log("supervisor")
    assert "stopped" in teamsup.log("supervisor")


@pytest.mark.slow
def test_a_job_that_was_missed_runs_once(teamsup: TeamsupCommand) -> None:
    section = worker_section("backup", "print('done', flush=True)", schedule="0 3 * * *", timezone="UTC")
    teamsup.configure(section)
    with run_team(teamsup):
        row = wait_for_state(teamsup, "backup", "STOPPED")
        eventually(lambda: "starts in" in ps_row(teamsup, "backup")["note"], "its next start")
        assert row["well"]
    path = teamsup.team.folder / "supervisor.json"
    state = json.loads(path.read_text())
    (worker,) = (each for each in state["workers"] if each["name"] == "backup")
    for key in ("done", "next"):
        worker["ticks"][key] -= 7 * 86400
    path.write_text(json.dumps(state))

    with run_team(teamsup):
        row = wait_for_state(teamsup, "backup", "EXITED")
        assert row["well"]
        assert row["note"].startswith("exit code 0; starts in ")
        assert teamsup.run("ps").returncode == 0

    assert teamsup.log("backup").count("done") == 1


@pytest.mark.slow
def test_a_log_that_was_moved_is_opened_again_at_once(run_workers: RunWorkers) -> None:
    team = run_workers(worker_section("chats", "import time\nwhile True: print('x', flush=True); time.sleep(0.05)"))
    log = team.team.logs / "chats.log"
    eventually(lambda: "x" in team.log("chats"), "its output")

    log.rename(log.with_name("moved.log"))
    assert team.run("logs", "--reopen").stdout == "All logs are reopened.\n"

    assert log.exists()
    assert team.run("logs", "chats", "--since", "1h").stdout.count("x") > 0
    assert team.run("logs", "chats", "--since", "2099-01-01").stdout == ""
