"""Claude Code's own agent teams, in the folder where teams are by default."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from teamsup.cli.claude.native_teams import check_native_teams, find_exposed_credentials
from teamsup.hub import Agent, MessageHub, Team

TEAMS = Path("/home/ann/.claude/teams")


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / ".claude"))
    team = Team("crew", tmp_path / ".claude" / "teams" / "crew")
    MessageHub(team).close()
    return team


@pytest.mark.parametrize("native", ["config.json", "inboxes"])
def test_a_team_of_claude_code_in_the_same_folder_is_a_warning(team: Team, native: str) -> None:
    assert check_native_teams(team) == []
    if native == "inboxes":
        (team.folder / native).mkdir()
    else:
        (team.folder / native).write_text("{}")
    (found,) = check_native_teams(team)
    assert "Claude Code has an agent team of its own" in found.text


def test_a_credential_where_sessions_read_without_asking_is_a_warning(team: Team) -> None:
    team.configuration.write_text('[gateway]\ntoken_file = "token"\n')
    (found,) = check_native_teams(team)
    assert f"may read {team.folder}/token without asking" in found.text


@pytest.mark.parametrize(("status", "shown"), [("online", True), ("offline", False)])
def test_a_mailbox_of_a_teammate_that_cannot_be_written_is_a_warning(team: Team, status: str, *, shown: bool) -> None:
    details = {"native_inbox": "/x/inboxes/scout.json is not JSON"}
    lead = Agent("lead", "agent", status, datetime.now(UTC), details, 0)
    found = check_native_teams(team, [lead])
    assert ["/x/inboxes/scout.json is not JSON" in each.text for each in found] == ([True] if shown else [])


EXPOSED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"gateway": {"token_file": "/home/ann/.config/token"}}, []),
    ({"gateway": {"token_file": "token"}}, [f"{TEAMS}/crew/token"]),
    ({"source": [{"secret_file": "../s"}, {"secret_file": "/etc/s"}]}, [f"{TEAMS}/s"]),
    ({"agent": {"lead": {"env_file": ".env"}}}, [f"{TEAMS}/crew/.env"]),
    ({"team": {"hub": "postgresql://ann@db/teams"}}, []),
    ({"team": {"hub": "postgresql://ann:secret@db/teams"}}, ['the password in hub = "…"']),
]


@pytest.mark.parametrize(("configuration", "exposed"), EXPOSED)
def test_a_configuration_exposes_only_what_is_below_the_teams(
    configuration: dict[str, Any], exposed: list[str]
) -> None:
    assert list(find_exposed_credentials(configuration, TEAMS / "crew", TEAMS)) == exposed
