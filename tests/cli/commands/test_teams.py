"""``teamsup teams`` lists what is a team among the folders of Claude Code's own teams."""

from collections.abc import Callable

from helpers.command_answer import Answer, Ask
from teamsup.hub import MessageHub, Team


def test_without_a_team_it_says_how_one_begins(ask: Ask, team: Team) -> None:
    assert ask("teams") == Answer(
        0, f"There is no team in {team.folder.parent} yet. Start one with: teamsup start\n", ""
    )
    assert ask("teams", "--json").json == {"team": "crew", "folder": str(team.folder.parent), "teams": []}


def test_it_lists_each_team_and_no_other_folder(ask: Ask, team: Team, join: Callable[..., MessageHub]) -> None:
    join("lead")
    (team.folder.parent / "of-claude-code" / "inboxes").mkdir(parents=True)
    (team.folder.parent / "night").mkdir()
    (team.folder.parent / "night" / "teamsup.toml").write_text("")

    shown = ask("teams")

    rows = [line.split() for line in shown.out.splitlines()]
    assert rows[0] == ["NAME", "STATE", "PID", "UPTIME", "FOLDER"]
    assert rows[1:] == [
        ["crew", "stopped", "-", "-", str(team.folder)],
        ["night", "stopped", "-", "-", str(team.folder.parent / "night")],
    ]
    assert [(each["name"], each["pid"]) for each in ask("teams", "--json").json["teams"]] == [
        ("crew", None),
        ("night", None),
    ]


def test_a_folder_whose_name_no_team_may_have_is_named_and_makes_the_list_unwell(ask: Ask, team: Team) -> None:
    folder = team.folder.parent / "a b"
    folder.mkdir()
    (folder / "messages.db").write_text("")

    shown = ask("teams")

    assert shown.code == 4
    assert "unknown" in shown.out
    assert "'a b' cannot be read: " in shown.out
