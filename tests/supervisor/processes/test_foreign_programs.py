"""Programs that know no hub, as the supervisor runs them: what people ask of them, and what the team shows."""

from collections.abc import Callable

import pytest

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
