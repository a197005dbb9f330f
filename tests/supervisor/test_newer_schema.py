"""The processes of a team, while a newer teamsup changes the tables of its hub."""

import os
import subprocess

import pytest

from conftest import run_team
from helpers.support import (
    FORK_SERVER,
    TIMEOUT_SECONDS,
    WEB,
    TeamsupCommand,
    count_listeners,
    eventually,
    migrate_further,
)
from teamsup.hub import MessageHub

SENTENCE = "written by a newer teamsup; this one knows"


@pytest.mark.slow
def test_the_supervisor_ends_with_its_workers_and_says_why(teamsup: TeamsupCommand) -> None:
    teamsup.team.folder.mkdir(parents=True)
    others = ("monitor-bridge", "gateway", "agent-runner", WEB, FORK_SERVER)
    quiet = "".join(f"[worker.{name}]\nautostart = false\n" for name in others)
    teamsup.team.configuration.write_text(quiet)
    with run_team(teamsup) as supervisor:
        eventually(lambda: count_listeners(teamsup.team, "user_comm"), "a worker that reads")
        migrate_further(teamsup.team)
        assert supervisor.wait(TIMEOUT_SECONDS) == os.EX_PROTOCOL
    logs = teamsup.run("logs").stdout
    assert all(
        any(SENTENCE in line for line in logs.splitlines() if name in line) for name in ("supervisor", "user_comm")
    )
    assert "Traceback" not in logs


def test_commands_that_go_on_end_with_the_sentence(teamsup: TeamsupCommand) -> None:
    with MessageHub(teamsup.team, agent="scout") as scout:
        scout.register()
        commands = {
            "read": ["read", "--agent", "scout", "--wait", "20"],
            "watch": ["watch", "--agent", "scout"],
            "chat": ["chat", "--once", "hello", "--timeout", "20"],
        }
        processes: dict[str, subprocess.Popen[str]] = {}
        for name, words in commands.items():
            processes[name] = teamsup.open(*words)
        eventually(lambda: count_listeners(teamsup.team, "scout") == 2, "a read and a watch")
        eventually(lambda: len(list(teamsup.team.run.glob("*@*"))) == 3, "a chat")
        migrate_further(teamsup.team)
    said = {name: process.communicate(timeout=TIMEOUT_SECONDS)[0] for name, process in processes.items()}
    assert {name: process.returncode for name, process in processes.items()} == dict.fromkeys(commands, os.EX_PROTOCOL)
    assert all(SENTENCE in text for text in said.values())
    assert not any("Traceback" in text for text in said.values())
