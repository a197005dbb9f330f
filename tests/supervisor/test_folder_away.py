"""A team's folder is away while its supervisor runs: no command says that the team is down, or makes another one."""

import json
import os
from collections.abc import Callable, Iterator

import pytest

from helpers.custom_workers import wait_for_state, worker_section
from helpers.support import TeamsupCommand, refusal_of
from teamsup.hub import Team
from teamsup.status import team_lock
from teamsup.supervisor.processes import orphans

REFUSED = (["stop"], ["start"], ["reload"], ["send", "own", "hello"], ["alerts"], ["mcp", "--agent", "lead"])
RunWorkers = Callable[[str], TeamsupCommand]


@pytest.fixture
def moved_team(run_workers: RunWorkers) -> Iterator[tuple[TeamsupCommand, int]]:
    """A team whose folder was moved while it runs, and its supervisor's pid."""
    team = run_workers(worker_section("own"))
    wait_for_state(team, "own", "RUNNING")
    pid = int(team.ps()["supervisor"]["pid"])
    elsewhere = team.team.folder.rename(team.home / "elsewhere")
    yield team, pid
    elsewhere.rename(team.team.folder)
    assert team.ps()["supervisor"]["pid"] == pid, "the same one runs it still"


@pytest.mark.slow
def test_commands_say_that_the_folder_is_away_and_who_runs_the_team(moved_team: tuple[TeamsupCommand, int]) -> None:
    team, pid = moved_team
    sentence = f"{team.team.folder} is not there at present, but pid {pid} runs team 'default'. Move or mount it back."

    ps = team.run("ps", "--json")
    doctor = json.loads(team.run("doctor", "--json").stdout)
    others = [team.run(*words) for words in REFUSED]

    report = json.loads(ps.stdout)
    assert (ps.returncode, report["running"], report["trouble"]) == (4, True, sentence)
    assert {row["name"]: row["state"] for row in report["rows"]} == {"supervisor": "unknown"}
    assert [each["text"] for each in doctor["findings"] if each["check"] == "team"] == [sentence.rstrip(".")]
    assert not doctor["well"]
    for each in others:
        assert each.returncode == os.EX_UNAVAILABLE
        assert refusal_of(each) == f"teamsup: {sentence}"
    assert not team.team.folder.exists()


def test_a_team_without_a_folder_and_without_processes_does_not_run(teamsup: TeamsupCommand) -> None:
    ps = teamsup.run("ps")

    assert ps.returncode == 3
    assert ps.stderr.startswith("Team 'default' is not running. Start it with: ")


def test_a_supervisor_is_found_by_the_marks_of_its_own_teams_workers(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = orphans.process_tag(team, "own", 1)
    monkeypatch.setattr(team_lock, "marked_processes", lambda _: iter([(None, mark)]))
    assert team_lock.supervisor_of(team) == os.getpid()
    assert team_lock.supervisor_of(Team("other", team.folder.with_name("other"))) is None

    monkeypatch.setattr(team_lock, "marked_processes", lambda _: iter([(None, f"{mark}1")]))
    assert team_lock.supervisor_of(team) is None, "it lives in another container"
