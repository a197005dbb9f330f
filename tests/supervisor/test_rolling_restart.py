"""A rolling restart replaces each worker, and then the supervisor's program, while the team works."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from helpers.custom_workers import wait_for_state, worker_section
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, run_foreign_sql
from teamsup.hub.errors import ExitCode
from teamsup.status.state_file import TeamState, read_state

ANSWER_CODE = """
from teamsup.workers.worker import Worker, main
class Clerk(Worker):
    name = "clerk"
    async def handle(self, delivery):
        await self.in_thread(self.hub.reply, delivery, delivery.content)
main(Clerk)
"""
COUNT_CODE = """
import itertools, time
for number in itertools.count():
    print("line", number)
    time.sleep(0.02)
"""
CLERK = worker_section("clerk", ANSWER_CODE, heartbeat_seconds=60)

pytestmark = pytest.mark.slow


def state_of(teamsup: TeamsupCommand) -> TeamState:
    return eventually(lambda: read_state(teamsup.team), "the supervisor's state")


def pids_of(state: TeamState) -> dict[str, int | None]:
    return {worker.name: worker.pid for worker in state.workers if worker.pid is not None}


def ask_clerk(teamsup: TeamsupCommand, number: int) -> None:
    run_foreign_sql(
        teamsup.team,
        "INSERT INTO messages (message_id, sender, recipient, content) VALUES (?, 'cron', 'clerk', ?)",
        f"q{number}",
        str(number),
    )


def answers_of_clerk(teamsup: TeamsupCommand) -> list[str]:
    return [row[0] for row in run_foreign_sql(teamsup.team, "SELECT content FROM messages WHERE sender = 'clerk'")]


def wait_for_answers(teamsup: TeamsupCommand, count: int) -> None:
    eventually(lambda: len(answers_of_clerk(teamsup)) >= count, f"{count} answers")


def test_nothing_is_lost_or_answered_twice_while_all_are_replaced(
    run_workers: Callable[[str], TeamsupCommand],
) -> None:
    team = run_workers(CLERK + worker_section("counter", COUNT_CODE) + worker_section("idler"))
    before = state_of(team)
    sent = 0
    with team.open("restart", "--rolling", "--timeout", "120") as restart:
        while restart.poll() is None:
            ask_clerk(team, sent)
            sent += 1
            wait_for_answers(team, sent - 20)
        output, _ = restart.communicate()

    assert restart.returncode == 0, output
    after = state_of(team)
    assert after.pid == before.pid
    assert after.started_at > before.started_at
    assert pids_of(after).keys() == {"clerk", "counter", "idler"}
    assert not set(pids_of(before).values()) & set(pids_of(after).values())
    children = {each.pid for each in psutil.Process(after.pid).children()}
    assert children == set(pids_of(after).values())
    wait_for_answers(team, sent)
    assert sorted(answers_of_clerk(team), key=int) == [str(number) for number in range(sent)]

    # The successor reads their output, notices their ends, and stops them.
    lines = team.log("counter").count("line")
    eventually(lambda: team.log("counter").count("line") > lines, "further lines of an adopted worker")
    os.kill(pids_of(after)["idler"] or 0, signal.SIGKILL)
    eventually(lambda: pids_of(state_of(team)).get("idler") not in (None, pids_of(after)["idler"]), "a new idler")
    numbers = [int(line.split()[-1]) for line in team.log("counter").splitlines()]
    assert numbers.count(0) == 2  # the second process has lost no line at the handover
    assert numbers[numbers.index(0, 1) :] == list(range(len(numbers) - numbers.index(0, 1)))


def test_the_service_manager_hears_the_same_process_go_on(
    run_workers: Callable[[str], TeamsupCommand], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd accepts a notification only from the process that it has started, so this looks at the sender too."""
    credentials = struct.Struct("3i")
    heard: list[tuple[int, str]] = []

    def listen() -> None:
        while True:
            data, ancillary, _, _ = manager.recvmsg(4096, socket.CMSG_SPACE(credentials.size))
            heard.extend((credentials.unpack(ancillary[0][2])[0], line) for line in data.decode().splitlines())
            if "STATUS=stopped" in data.decode():
                return

    def hear(*words: str) -> None:
        """Wait for these words in this order, and forget all until then."""
        for word in words:
            eventually(lambda: word in [line for _, line in heard], word)  # noqa: B023 - it is called at once
            del heard[: [line for _, line in heard].index(word) + 1]

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        team = run_workers(worker_section("idler"))
        hear("READY=1")

        assert team.run("restart", "--rolling").returncode == 0

        after = [*heard]
        hear("READY=1", "WATCHDOG=1")
        assert {pid for pid, _ in after} == {state_of(team).pid}
        assert not [line for _, line in after if line.startswith(("MAINPID", "STOPPING"))]
        variables = psutil.Process(pids_of(state_of(team))["idler"]).environ()
        assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & variables.keys()

        assert team.run("reload").returncode == 0
        hear("RELOADING=1", "READY=1")
        assert team.run("stop").returncode == 0
        hear("STOPPING=1", "STATUS=stopped")
        listener.join()


def test_it_ends_at_the_first_worker_that_does_not_become_ready(
    run_workers: Callable[[str], TeamsupCommand], tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nsleep 1000\n")
    program.chmod(0o755)
    section = f'[worker.second]\ncommand = ["{program}"]\nstart_seconds = 0.1\n'
    team = run_workers(worker_section("first") + section + worker_section("third"))
    before = state_of(team)
    program.unlink()

    ended = team.run("restart", "--rolling")

    assert ended.returncode == ExitCode.UNWELL
    assert "second" in ended.stderr
    assert "1 workers were restarted before it; the others and the supervisor were not." in ended.stderr
    after = state_of(team)
    assert after.started_at == before.started_at
    assert pids_of(after)["third"] == pids_of(before)["third"]


def test_a_supervisor_that_cannot_be_replaced_goes_on(teamsup: TeamsupCommand, tmp_path: Path) -> None:
    """The program that is installed now does not know how to follow."""
    teamsup.configure(worker_section("idler"))
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(shutil.which("python3") or "")
    command = [*teamsup.line("start")]
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.executable = {str(python)!r}\n")
    environment = {**teamsup.environment, "PYTHONPATH": str(tmp_path)}
    (python.parent / "teamsup").write_text("#!/bin/sh\necho 'teamsup: I am older.'\n")
    (python.parent / "teamsup").chmod(0o755)
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as supervisor:
        wait_for_state(teamsup, "idler", "RUNNING")
        before = state_of(teamsup)
        ended = teamsup.run("restart", "--rolling")
        assert ended.returncode == ExitCode.UNWELL
        assert "The supervisor was not replaced, and continues: I am older." in ended.stderr
        assert state_of(teamsup).started_at == before.started_at
        assert teamsup.run("stop").returncode == 0
        supervisor.wait(TIMEOUT_SECONDS)
