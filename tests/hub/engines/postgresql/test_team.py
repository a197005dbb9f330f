"""A whole team, whose supervisor and workers are real processes, on a server."""

import json
import shutil
import subprocess
from collections.abc import Callable

import pytest

from helpers.support import TeamsupCommand, eventually

RunWorkers = Callable[[str], TeamsupCommand]


@pytest.mark.slow
def test_hello_is_answered_and_the_commands_know_the_team(run_workers: RunWorkers, address: str) -> None:
    teamsup = run_workers(f'[worker.user_comm]\nautostart = true\n[team]\nhub = "{address}"\n')

    assert teamsup.run("send", "user_comm", "Hello").returncode == 0
    eventually(lambda: "Hi there! 👋" in teamsup.run("read").stdout, "the answer")

    assert teamsup.ps()["user_comm"]["state"] == "RUNNING"
    assert json.loads(teamsup.run("hub", "stats", "--json").stdout)["deliveries"] == {"done": 2}
    assert teamsup.run("hub", "check").stdout == "The store is sound.\n"
    assert not teamsup.team.database.exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("psql") is None, reason="needs psql (Debian package postgresql-client)")
def test_a_line_typed_into_psql_reaches_user_comm_and_its_answer_is_kept(run_workers: RunWorkers, address: str) -> None:
    teamsup = run_workers(f'[worker.user_comm]\nautostart = true\n[team]\nhub = "{address}"\n')

    def psql(sql: str) -> str:
        command = ["psql", "-q", "-A", "-t", address, "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    columns = "(message_id, sender, recipient, content)"
    psql(f"INSERT INTO messages {columns} VALUES ('m1', 'shell', 'user_comm', 'Hello')")

    answer = eventually(lambda: psql("SELECT content FROM messages WHERE recipient = 'shell'"), "the answer")
    assert answer == "Hi there! 👋\n"
    assert psql("SELECT status FROM messages WHERE message_id = 'm1'") == "processed\n"
    assert teamsup.run("read", "--agent", "shell").stdout.endswith(": Hi there! 👋\n")
