"""``teamsup init``."""

import argparse
from contextlib import suppress
from importlib.resources import files

from teamsup.hub import CallerError, Team

from ..command_line import command_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="replace a teamsup.toml that is there")


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    team.create()
    text = files("teamsup.supervisor").joinpath("teamsup.toml").read_text("utf-8")
    try:
        with team.configuration.open("w" if arguments.force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CallerError(f"{team.configuration} is there already; --force replaces it.") from None
    except OSError:
        # A full disk leaves an empty file, which would be in the way the next time.
        with suppress(OSError):
            team.configuration.unlink()
        raise
    print(f"Wrote {team.configuration}. Edit it, then run: {command_line(team, 'start')}")
    return 0
