"""Command lines of teamsup: hints for people to paste, lines for programs to run, and patterns that recognise
processes."""

import os
import re
import shlex
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePath

from teamsup.hub.engines.choice import has_store
from teamsup.hub.errors import UnknownTeam as UnknownTeam
from teamsup.hub.team import DEFAULT_HOME, DEFAULT_TEAM, Team
from teamsup.hub.validation import describe_similar

_HINT = re.compile(r"(?<=: )teamsup ([a-z][^:.]*[^:. ])(\.?)\Z")
_PROGRAM_NAMES = ("teamsup", "teamsup.cli")


def command_hint(team: Team, *words: str) -> str:
    """Return the ``teamsup`` command that this person can run here, with the team and the home of teams if needed."""
    called = Path(sys.argv[0])
    # In / the path from here only lacks a slash.
    program = min(str(called.absolute()), os.path.relpath(called), key=len) if Path.cwd() != Path("/") else str(called)
    is_known = "--team" in words or Team.named().name == team.name
    return _join_hint(team, program, words, knows_home=Team.named(team.name) == team, knows_team=is_known)


def absolute_command_hint(team: Team, *words: str) -> str:
    """Return the ``teamsup`` command that a person can run in any folder and shell, as the reader of a log does."""
    is_default = team == Team.named(team.name, DEFAULT_HOME)
    program = str(Path(sys.argv[0]).absolute())
    return _join_hint(team, program, words, knows_home=is_default, knows_team=team.name == DEFAULT_TEAM)


def _join_hint(team: Team, program: str, words: Sequence[str], *, knows_home: bool, knows_team: bool) -> str:
    if _is_on_path("teamsup") or Path(sys.argv[0]).name != "teamsup":
        program = "teamsup"
    home = [] if knows_home else [f"TEAMSUP_HOME={shlex.quote(str(team.folder.parent))}"]
    return " ".join([*home, program, *words, *([] if knows_team else ["--team", team.name])])


def qualify_hints(team: Team, text: str) -> str:
    """Return the text, with the ``teamsup`` command at its end in the form that this person can run here. The hub or a
    worker may have written the text, without knowledge of the terminal or the chosen team.
    """
    found = _HINT.search(text)
    return text if found is None else f"{text[: found.start()]}{command_hint(team, *found[1].split())}{found[2]}"


def is_invocation_of(command: str, words: Sequence[str]) -> bool:
    """Return whether these words run a given command of teamsup, in any wrapper and with any team."""
    short = list(words)
    while "--team" in short:
        first = short.index("--team")
        del short[first : first + 2]
    return any(PurePath(program).name in _PROGRAM_NAMES and word == command for program, word in pairwise(short))


def installed_command() -> tuple[str, ...]:
    """Return the ``teamsup`` of this installation, for any caller and folder."""
    python = Path(sys.executable).absolute()
    teamsup = python.with_name("teamsup")
    return (str(teamsup),) if os.access(teamsup, os.X_OK) else (str(python), "-m", "teamsup.cli")


def find_team(name: str | None) -> Team:
    """Return the team of this name. Raise UnknownTeam if it was never started or written to."""
    team = Team.named(name)
    if not has_store(team):
        raise UnknownTeam(
            f"There is no team {team.name!r} in {team.folder.parent} yet.{suggest_team(team)} "
            f"Start it with: {command_hint(team, 'start')}"
        )
    return team


def suggest_team(team: Team) -> str:
    """Return " Did you mean 'crew'?" if this team does not have a folder and another team has a similar name. Otherwise
    return an empty text.
    """
    if team.folder.is_dir():
        return ""
    try:
        known = [path.name for path in team.folder.parent.iterdir() if (path / "messages.db").exists()]
    except OSError:
        return ""
    return describe_similar(team.name, known)


def _is_on_path(program: str) -> bool:
    """Return the result of ``shutil.which``. Importing shutil takes 0.3 MiB of every worker."""
    files = (Path(folder, program) for folder in os.get_exec_path())
    # Path.is_file() raises PermissionError for a folder of another account, which "sudo -u" leaves on the path.
    return any(os.path.isfile(file) and os.access(file, os.X_OK) for file in files)
