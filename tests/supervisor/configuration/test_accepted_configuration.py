"""The configuration that was accepted last: what it holds, who reads it, and when the team starts with it."""

import json
import stat

import pytest

from teamsup.config.loader import CONFIGURATION_VARIABLE, Config
from teamsup.config.sections import TeamSection
from teamsup.hub import NotConfigured, Team
from teamsup.supervisor.configuration.accepted_configuration import (
    activate_staged,
    load_at_boot,
    replace_sections,
    stage_accepted,
)
from teamsup.supervisor.configuration.team_configuration import load_configuration

TOML = '[team]\nkeep_days = 3\n[worker.own]\ncommand = ["x"]\nenvironment = { TOKEN = "hunter2" }\n'


def accept(team: Team, toml: str) -> None:
    team.create()
    team.configuration.write_text(toml)
    stage_accepted(team, load_configuration(team))
    activate_staged(team)


def test_it_is_the_owners_alone_and_holds_no_values_of_an_environment(team: Team) -> None:
    accept(team, TOML)

    assert stat.S_IMODE(team.accepted_configuration.stat().st_mode) == 0o600
    assert "hunter2" not in team.accepted_configuration.read_text()
    assert json.loads(team.accepted_configuration.read_text())["tables"]["team"] == {"keep_days": 3}


def test_a_process_of_the_team_reads_it_instead_of_a_file_that_nobody_has_accepted(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(team, TOML)
    team.configuration.write_text("[team")
    monkeypatch.setenv(CONFIGURATION_VARIABLE, str(team.accepted_configuration))

    assert Config(team).section("team", TeamSection).keep_days == 3
    assert Config(Team("other", team.folder.parent / "other")).section("team", TeamSection).keep_days == 30


def test_without_it_a_process_reads_the_saved_file(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    accept(team, TOML)
    monkeypatch.setenv(CONFIGURATION_VARIABLE, str(team.accepted_configuration))
    team.accepted_configuration.unlink()

    assert Config(team).section("team", TeamSection).keep_days == 3


@pytest.mark.parametrize("broken", [None, "[team", "[team]\nagent = []\n", TOML + "[gateway]\nuser = []\n"])
def test_a_team_starts_with_it_when_the_saved_file_is_wrong_or_gone(team: Team, broken: str | None) -> None:
    accept(team, TOML)
    team.configuration.unlink()
    if broken is not None:
        team.configuration.write_text(broken)

    found, trouble = load_at_boot(team)

    assert found.keep_seconds == 3 * 86400
    assert trouble


def test_a_worker_whose_environment_cannot_be_read_is_held(team: Team) -> None:
    accept(team, TOML)
    team.configuration.write_text("[team")
    assert (
        load_at_boot(team)[0]
        .programs["own"]
        .fault.endswith("[worker.own] environment cannot be read. Correct the file.")
    )

    team.configuration.write_text(TOML.replace("hunter2", "hunter3") + "[gateway]\nuser = []\n")

    assert load_at_boot(team)[0].programs["own"].environment == (("TOKEN", "hunter3"),)


def test_without_it_a_mistake_holds_one_worker_and_does_not_become_the_accepted_configuration(team: Team) -> None:
    team.create()
    team.configuration.write_text("[gateway]\nuser = []\n")

    for _ in range(2):
        found, trouble = load_at_boot(team)

        assert found.programs["gateway"].fault == trouble
        assert not found.programs["user_comm"].fault


def test_a_team_without_a_file_has_the_defaults(team: Team) -> None:
    team.create()

    for _ in range(2):
        assert load_at_boot(team)[1] == ""


def test_a_file_that_is_not_toml_starts_nothing(team: Team) -> None:
    team.create()
    team.configuration.write_text("[team")

    with pytest.raises(NotConfigured):
        load_at_boot(team)


def test_the_sections_of_some_workers_are_taken_over_alone() -> None:
    old = {"team": 1, "gateway": 1, "message_route": 1, "worker": {"a": 1, "b": 1}}
    new = {"team": 2, "gateway": 2, "source": 2, "worker": {"a": 2, "b": 2}}

    assert replace_sections({"gateway", "user_comm", "a"}, new, old) == {
        "team": 1,
        "gateway": 2,
        "worker": {"b": 1, "a": 2},
    }
