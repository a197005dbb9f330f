"""``teamsup`` alone says where the team stands, what needs a person, and the command that shows more."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from helpers.command_answer import Ask
from teamsup.cli.overview import render
from teamsup.config.entries import Age, EntryState, Need
from teamsup.hub import MessageHub, Team
from teamsup.hub.errors import ExitCode
from teamsup.status.team_status import ParticipantStatus, TeamStatus

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WELL = ParticipantStatus("gateway", "daemon", "RUNNING", 7, 60.0, 0, 1.0, 0.1, 1, 0, None, "", well=True)
ILL = replace(WELL, name="web", state="BACKOFF", well=False, note="port 9095 is taken")
INCIDENT = Need(
    kind="incident",
    id="3",
    label="disk",
    title="Disk full",
    evidence=("Nobody has acknowledged it ", Age(NOW - timedelta(minutes=5), "for"), "."),
    state=EntryState("failed", "firing"),
    since=NOW - timedelta(minutes=5),
    is_critical=True,
    deadline=NOW + timedelta(minutes=2),
    deadline_note="lead is paged",
)


@pytest.fixture(autouse=True)
def _found_on_the_path(monkeypatch: pytest.MonkeyPatch, team: Team) -> None:
    monkeypatch.setattr("teamsup.terminal.hints._is_on_path", lambda _: True)
    monkeypatch.setenv("TEAMSUP_HOME", str(team.folder.parent))
    monkeypatch.setenv("TEAMSUP_TEAM", "crew")


def shown(team: Team, *rows: ParticipantStatus, needs: tuple[Need, ...] = (), unread: int = 0, dead: int = 0) -> str:
    status = TeamStatus([*rows], {}, 1, None)
    return "\n".join(render(team, status, needs, unread, dead, NOW))


def test_a_team_that_is_well_needs_nobody(team: Team) -> None:
    assert shown(team, WELL) == (
        "Team 'crew' runs: 1 of 1 members are well.\n\n"
        "Nothing needs you.\nAll members: teamsup ps. All commands: teamsup --help"
    )


def test_a_member_that_is_not_well_is_named_with_the_reason(team: Team) -> None:
    assert "1 of 2 members are well.\n  web is BACKOFF. port 9095 is taken" in shown(team, WELL, ILL)


def test_a_need_says_why_until_when_and_which_command_shows_it(team: Team) -> None:
    text = shown(team, WELL, needs=(INCIDENT,))

    assert "1 thing needs a person:\n\n  ! disk: Disk full\n    Nobody has acknowledged it for 5m 0s.\n" in text
    assert "    In 2m 0s: lead is paged.\n    See: teamsup alerts show 3\n" in text
    assert "Nothing needs you" not in text


@pytest.mark.parametrize(
    ("kind", "command"),
    [("decision", "teamsup decisions"), ("run", "teamsup runs show 3"), ("of another package", "teamsup doctor")],
)
def test_each_kind_of_need_has_its_command(team: Team, kind: str, command: str) -> None:
    assert f"See: {command}\n" in shown(team, WELL, needs=(replace(INCIDENT, kind=kind, deadline=None),))


def test_unread_messages_and_dead_letters_are_counted_with_their_commands(team: Team) -> None:
    text = shown(team, WELL, unread=2, dead=1)

    assert "2 unread for you: teamsup read\n1 dead letter: teamsup hub dead-letters\n" in text
    assert "Nothing needs you" not in text


def test_without_a_team_it_says_how_to_start_one_and_makes_nothing(ask: Ask, team: Team) -> None:
    answer = ask()

    assert answer.code == ExitCode.NOT_RUNNING
    assert "Start it with: teamsup start" in answer.out
    assert "teamsup demo" in answer.out
    assert not team.folder.exists()


def test_a_team_that_does_not_run_still_counts_what_waits(
    ask: Ask, join: Callable[..., MessageHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = join("lead")
    monkeypatch.setattr("teamsup.cli.overview.console_name", lambda: "console-ann")
    lead.enroll("console-ann", "console")
    lead.send("console-ann", "are you there?")

    answer = ask()
    found = ask("--json").json

    assert answer.code == ExitCode.NOT_RUNNING
    assert "1 unread for you: teamsup read" in answer.out
    assert (found["team"], found["running"], found["unread"]) == ("crew", False, 1)
    assert [need["id"] for need in found["needs"]] == ["supervisor"]


def test_a_store_that_cannot_be_read_is_a_need_and_not_silence(ask: Ask, team: Team) -> None:
    team.create()
    team.database.write_text("a letter to my aunt" * 100)

    found = ask("--json").json

    assert "is not a SQLite database" in found["trouble"]
    assert found["needs"]
