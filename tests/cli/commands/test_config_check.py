"""``teamsup config check`` shows every mistake with its line, and a sound file has none."""

import pytest

from helpers.command_answer import Answer, Ask
from teamsup.hub import Team
from teamsup.hub.errors import ExitCode


def write(team: Team, text: str) -> None:
    team.create()
    team.configuration.write_text(text)


def test_a_file_without_a_mistake_names_the_command_that_applies_it(ask: Ask, team: Team) -> None:
    write(team, '[team]\nagents = ["lead"]\n')

    assert ask("config", "check") == Answer(
        0, f"{team.configuration} has no mistake. Apply it with: teamsup reload\n", ""
    )
    assert ask("config", "check", "--json").json == {"team": "crew", "file": str(team.configuration), "mistakes": []}


def test_every_mistake_has_its_line(ask: Ask, team: Team) -> None:
    write(
        team, "[team]\nagent = []\nstop_seconds = true\n\n[wroker.x]\ncommand = 'x'\n[gateway]\nallow_users = 'ann'\n"
    )

    shown = ask("config", "check")
    found = ask("config", "check", "--json")

    assert (shown.code, found.code) == (ExitCode.NOT_CONFIGURED, ExitCode.NOT_CONFIGURED)
    assert [each["line"] for each in found.json["mistakes"]] == sorted(each["line"] for each in found.json["mistakes"])
    assert f"{team.configuration}:2: [team] has no key 'agent'; did you mean agents?" in shown.out
    assert f"{team.configuration}:3: [team] stop_seconds must be a number, not True." in shown.out
    assert f"{team.configuration}:5: " in shown.out


def test_a_table_that_a_section_does_not_have_is_one_mistake_at_its_header(ask: Ask, team: Team) -> None:
    write(team, '[monitor-bridge]\nlisten = "localhost:9095"\n\n[monitor-bridge.source.shop]\nkind = "json"\n')

    (mistake,) = ask("config", "check", "--json").json["mistakes"]

    assert mistake["line"] == 4
    assert mistake["text"].startswith("[monitor-bridge] has no key 'source'; ")


@pytest.mark.parametrize(("text", "line"), [("[team]\n[gateway\n", 2), ("[team]\n\nagents = [\n", 3)])
def test_a_file_that_is_no_toml_has_one_mistake_with_its_line(ask: Ask, team: Team, text: str, line: int) -> None:
    write(team, text)

    assert [each["line"] for each in ask("config", "check", "--json").json["mistakes"]] == [line]


def test_without_a_file_there_is_nothing_to_check(ask: Ask, team: Team) -> None:
    answer = ask("config", "check")

    assert answer.code == ExitCode.NOT_CONFIGURED
    assert "Write it with: teamsup init" in answer.err
    assert not team.folder.exists()
