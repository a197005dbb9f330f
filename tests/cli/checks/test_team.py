"""The findings of doctor about the team and its store."""

from pathlib import Path

from teamsup.cli.checks.team import check_hub
from teamsup.hub import Team


def test_a_server_that_cannot_be_used_sends_nobody_to_the_teams_folder(tmp_path: Path) -> None:
    team = Team("crew", tmp_path)
    team.configuration.write_text('[team]\nhub = "postgresql://crew@db/crew"\n')
    team.configuration.chmod(0o600)
    (finding,) = check_hub(team, "it does not answer")
    assert "Look at the server" in str(finding.hint)
    assert str(tmp_path) not in str(finding.hint)


def test_a_store_of_a_newer_teamsup_asks_for_an_update(tmp_path: Path) -> None:
    (finding,) = check_hub(Team("crew", tmp_path), "its schema is newer", is_outdated=True)
    assert "pip install -U teamsup" in str(finding.hint)
    assert "df -h" not in str(finding.hint)
