"""Doctor says before the night what would keep an agent from a start."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from helpers.support import round_ages
from teamsup.config.components import open_hub
from teamsup.config.startable_agents import AGENT_RUNNER, STARTABLE, StartableAgent
from teamsup.hub import Agent, Team
from teamsup.terminal.findings import Finding, Verdict
from teamsup.workers.agent_runner.commands.agent_check import check_agents
from teamsup.workers.agent_runner.component import component
from teamsup.workers.agent_runner.programs.claude_code import SEEN_VERSION
from teamsup.workers.agent_runner.run import Cause
from teamsup.workers.agent_runner.run_table import RunTable


@pytest.fixture(autouse=True)
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which Claude Code is only what a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def install_claude(folder: Path, version: str = SEEN_VERSION, *, logged_in: bool = True) -> None:
    status = json.dumps({"loggedIn": logged_in, "authMethod": "oauth" if logged_in else "none"})
    script = folder / "claude"
    script.write_text(
        f"#!/bin/sh\necho \"$1\" >>'{folder}/asked'\n"
        f"[ \"$1\" = --version ] && echo '{version} (Claude Code)' || echo '{status}'\n"
    )
    script.chmod(0o755)


def check(team: Team, toml: str, *agents: Agent) -> dict[str, Finding]:
    team.create()
    team.configuration.write_text(toml)
    found = check_agents(team, {agent.name: agent for agent in agents}, lambda *words: " ".join(("teamsup", *words)))
    return {finding.check: finding for finding in found}


def test_a_team_without_agents_to_start_has_nothing_to_check(team: Team) -> None:
    assert check(team, "") == {}


def test_an_agent_that_can_be_started_is_well(team: Team, bin_folder: Path) -> None:
    install_claude(bin_folder)
    found = check(team, '[agent.gcp]\nstart = ["message", "schedule"]\nschedule = "*/30 * * * *"\n')

    assert found["runs"] == Finding(
        "runs", Verdict.OK, f"they use Claude Code {SEEN_VERSION}, with which teamsup was tried"
    )
    assert found["agent gcp"].verdict is Verdict.OK
    assert found["agent gcp"].text == "started by a message and */30 * * * *; logged in by oauth; never run"


def test_another_version_is_a_warning(team: Team, bin_folder: Path) -> None:
    install_claude(bin_folder, "9.9.9")
    found = check(team, "[agent.gcp]\n")["runs"]

    assert found.verdict is Verdict.WARNING
    assert found.text == f"they use Claude Code 9.9.9; teamsup was tried with {SEEN_VERSION}"


def test_without_a_login_it_says_how_to_log_in(team: Team, bin_folder: Path) -> None:
    install_claude(bin_folder, logged_in=False)
    found = check(team, '[agent.gcp]\nenvironment = { CLAUDE_CONFIG_DIR = "/night" }\n')["agent gcp"]

    assert (found.verdict, found.text) == (Verdict.FAILED, "Claude Code is not logged in")
    assert found.hint == "Log in with: CLAUDE_CONFIG_DIR=/night claude auth login"


def test_a_login_that_agents_share_is_asked_about_once(team: Team, bin_folder: Path) -> None:
    install_claude(bin_folder)
    night = 'environment = { CLAUDE_CONFIG_DIR = "/night" }'
    found = check(team, f"[agent.gcp]\n[agent.oci]\n[agent.disk]\n{night}\n[agent.net]\n{night}\n")

    assert [found[f"agent {name}"].verdict for name in ("gcp", "oci", "disk", "net")] == [Verdict.OK] * 4
    assert (bin_folder / "asked").read_text().split().count("auth") == 2


def test_without_claude_the_agent_cannot_start(team: Team) -> None:
    found = check(team, "[agent.gcp]\n")

    assert found["runs"].text == "there is no claude on the PATH"
    assert {each.verdict for each in found.values()} == {Verdict.FAILED}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('directory = "/no/such"', "directory: there is no folder /no/such"),
        ('instructions = "no.md"', "instructions: "),
        ('command = ["no-such-program"]', "command: there is no program no-such-program"),
        ('gate = ["./no-gate.sh"]', "gate: there is no program ./no-gate.sh"),
        ('env_file = "no.env"', "no.env"),
    ],
)
def test_a_missing_part_is_named(team: Team, bin_folder: Path, line: str, why: str) -> None:
    install_claude(bin_folder)
    found = check(team, f"[agent.gcp]\n{line}\n")["agent gcp"]

    assert found.verdict is Verdict.FAILED
    assert why in found.text


@pytest.mark.parametrize(
    ("deny", "is_warned"), [("Edit(./secret/**)", False), ("Agent(deployer)", True), ("Skill(deploy)", False)]
)
def test_a_rule_that_denies_only_after_people_were_asked_is_named(
    team: Team, bin_folder: Path, tmp_path: Path, deny: str, is_warned: bool
) -> None:
    install_claude(bin_folder)
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").write_text(json.dumps({"permissions": {"deny": [deny]}}))
    keys = f'directory = "{tmp_path}"\nsetting_sources = ["project"]\nask_people = ["Edit", "Agent"]'
    found = check(team, f"[agent.gcp]\n{keys}\n")["agent gcp"]

    assert (found.verdict is Verdict.WARNING) is is_warned
    assert ("people are also asked about calls that " in found.text) is is_warned


def test_another_program_needs_no_login(team: Team) -> None:
    found = check(team, '[agent.gcp]\ncommand = ["cat"]\n')

    assert list(found) == ["agent gcp"]
    assert found["agent gcp"].verdict is Verdict.OK


def test_the_last_run_and_what_keeps_it_from_a_start_are_shown(team: Team) -> None:
    team.create()
    with open_hub(component, team) as hub:
        table = RunTable(hub)
        table.update(table.insert("gcp", Cause("person", "x"), datetime.now(UTC).timestamp()), state="failed")
    limited = {"gcp": StartableAgent(("message",), "its limit of today is reached").to_metadata()}
    runner = Agent(AGENT_RUNNER, "daemon", "online", datetime.now(UTC), {STARTABLE: limited}, 0)

    found = check(team, f'[agent.gcp]\ncommand = ["{os.path.realpath("/bin/cat")}"]\n', runner)["agent gcp"]

    assert found.verdict is Verdict.WARNING
    assert "last run just now: failed; not started now: its limit of today is reached" in round_ages(found.text)
