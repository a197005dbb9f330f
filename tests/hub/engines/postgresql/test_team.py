"""A whole team, whose supervisor and workers are real processes, on a server."""

import json
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
