"""Commands to paste, as hints show them."""

import os
import shutil
import sys
from pathlib import Path

from teamsup.hub import CallerError, Team


class NoTeam(CallerError):
    """There is no team of that name."""

    exit_code = os.EX_NOINPUT


def command_line(team: Team, *words: str) -> str:
    """``teamsup`` as this person can call it here, with --team where that is needed."""
    program = "teamsup"
    called = Path(sys.argv[0])
    if shutil.which(program) is None and called.name == program:
        program = min(str(called.absolute()), os.path.relpath(called), key=len)
    return " ".join([program, *words, *([] if Team.named() == team else ["--team", team.name])])


def installed_command() -> tuple[str, ...]:
    """``teamsup`` of this very installation, whoever calls it and from wherever."""
    python = Path(sys.executable).absolute()
    teamsup = python.with_name("teamsup")
    return (str(teamsup),) if os.access(teamsup, os.X_OK) else (str(python), "-m", "teamsup.supervisor")


def existing_team(name: str | None) -> Team:
    """The team of that name. Raises NoTeam unless it has ever been started or written to."""
    team = Team.named(name)
    if not team.database.exists():
        raise NoTeam(
            f"There is no team {team.name!r} in {team.folder.parent} yet. Start it with: {command_line(team, 'start')}"
        )
    return team
