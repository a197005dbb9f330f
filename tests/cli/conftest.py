from collections.abc import Iterator

import pytest

from helpers.command_answer import Answer, Ask
from helpers.support import TeamsupCommand
from teamsup.cli.main import main
from teamsup.hub import MessageHub, Team


@pytest.fixture
def user_comm(teamsup: TeamsupCommand) -> Iterator[MessageHub]:
    """A team of which only this daemon is there, and says what the test wants."""
    teamsup.team.create()
    with MessageHub(teamsup.team, agent="user_comm") as hub:
        hub.register("daemon")
        yield hub


@pytest.fixture
def ask(team: Team, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command of the team ``crew`` in this process."""
    monkeypatch.setenv("TEAMSUP_HOME", str(team.folder.parent))
    monkeypatch.setenv("TEAMSUP_TEAM", team.name)
    # It is called "teamsup" also where pytest is not on the path.
    monkeypatch.setattr("sys.argv", ["teamsup"])
    monkeypatch.setattr("teamsup.terminal.hints._is_on_path", lambda _: True)

    def run(*words: str) -> Answer:
        capsys.readouterr()
        code = main(list(words))
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return run
