"""A hint is a command that its reader can run where the reader is."""

from pathlib import Path

import pytest

from teamsup.hub import Team
from teamsup.terminal.hints import absolute_command_hint, command_hint


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in the folder of a virtual environment whose teamsup is not on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", [str(tmp_path / "bin/teamsup")])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_in_a_log_a_hint_names_the_whole_path_the_home_and_the_team(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAMSUP_HOME", "/srv/teams")
    monkeypatch.setenv("TEAMSUP_TEAM", "crew")
    team = Team.named()

    assert command_hint(team, "chat") == "bin/teamsup chat"
    assert absolute_command_hint(team, "chat") == f"TEAMSUP_HOME=/srv/teams {elsewhere}/bin/teamsup chat --team crew"
    monkeypatch.delenv("TEAMSUP_HOME")
    assert absolute_command_hint(Team.named("default"), "chat") == f"{elsewhere}/bin/teamsup chat"


def test_in_the_root_folder_a_hint_has_the_whole_path(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")

    assert command_hint(Team.named("default"), "ps") == f"{elsewhere}/bin/teamsup ps"


@pytest.mark.usefixtures("elsewhere")
def test_a_folder_of_the_path_that_cannot_be_searched_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of another account, which "sudo -u" leaves there. Root may search those, so here its name is too long."""
    monkeypatch.setenv("PATH", "/" + "x" * 300)

    assert command_hint(Team.named("default"), "ps") == "bin/teamsup ps"
