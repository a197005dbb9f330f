"""``teamsup teams``: list the teams of this machine."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from teamsup.hub import Team, TeamsupError
from teamsup.hub.engines.choice import has_store
from teamsup.hub.errors import ExitCode
from teamsup.hub.validation import quote
from teamsup.status.state_file import read_state
from teamsup.status.team_lock import owner_pid
from teamsup.terminal.formatting import format_duration, format_table, output_columns, sanitize
from teamsup.terminal.hints import command_hint
from teamsup.terminal.json_output import add_json_option, print_json


@dataclass(frozen=True, slots=True)
class ListedTeam:
    """A team of this machine. ``pid`` is the pid of its supervisor, or None if it does not run."""

    name: str
    folder: Path
    pid: int | None
    uptime_seconds: float | None
    workers: int | None
    trouble: str
    """The reason why it could not be read; empty if it was read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    default = Team.named(arguments.team)
    found = list_teams(default.folder.parent)
    if arguments.json:
        print_json(default.name, folder=default.folder.parent, teams=found)
    elif not found:
        print(f"There is no team in {default.folder.parent} yet. Start one with: {command_hint(default, 'start')}")
    else:
        rows = [("NAME", "STATE", "PID", "UPTIME", "FOLDER"), *(_cells(each) for each in found)]
        print("\n".join(sanitize(line) for line in format_table(rows, output_columns())))
    return ExitCode.UNWELL if any(each.trouble for each in found) else ExitCode.DONE


def list_teams(home: Path) -> list[ListedTeam]:
    """Return the folders with a team in the home of teams, by name. Claude Code has other folders there."""
    try:
        folders = sorted(path for path in home.iterdir() if path.is_dir())
    except OSError:
        return []
    return [known for folder in folders if (known := _read_team(folder)) is not None]


def _read_team(folder: Path) -> ListedTeam | None:
    try:
        team = Team.named(folder.name, folder.parent)
        if team.folder != folder:
            return None
        if not (has_store(team) or team.configuration.exists()):
            return None
        import time

        pid, state = owner_pid(team), read_state(team)
        uptime = None if pid is None or state is None else max(0.0, time.time() - state.started_at)
        return ListedTeam(team.name, folder, pid, uptime, None if state is None else len(state.workers), "")
    except (TeamsupError, OSError) as error:
        if not (folder / "messages.db").exists():
            return None
        return ListedTeam(folder.name, folder, None, None, None, f"{quote(folder.name)} cannot be read: {error}")


def _cells(each: ListedTeam) -> tuple[str, ...]:
    state = "unknown" if each.trouble else "stopped" if each.pid is None else "running"
    uptime = "-" if each.uptime_seconds is None else format_duration(each.uptime_seconds)
    return each.name, state, str(each.pid or "-"), uptime, str(each.folder) if not each.trouble else each.trouble
