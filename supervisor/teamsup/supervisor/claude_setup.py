"""Has the Claude Code sessions of a project take part in the team, or takes that out again."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from difflib import unified_diff
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from teamsup.hub import InvalidName, MessageHub, Team
from teamsup.hub.checks import listed, quote
from teamsup.hub.command_line import command_line, installed_command
from teamsup.hub.sections import session_agent
from teamsup.hub.wording import printable

from . import claude_settings, json_file
from .claude_settings import AGENT, COMMAND, DEFAULT_AGENT, HOME, TEAM, NoProject
from .deploy import shipped
from .diagnosis import Verdict
from .json_file import JsonFile
from .project_check import check_project


def set_up(
    folder: Path | None, team_name: str | None, agent: str | None, others: Sequence[str], *, dry_run: bool
) -> None:
    """Write the project's settings, and make its agent and ``others`` of the plugin known to the team.

    What is not asked for stays as the project has it. Raises InvalidName for an agent that the plugin does not have.
    """
    project, settings = _open(folder)
    there = settings.value.get("env", {})
    team = claude_settings.team_of(there, team_name)
    name = session_agent(agent or there.get(AGENT) or DEFAULT_AGENT)
    plugin = shipped("claude")
    if not (plugin / ".claude-plugin").is_dir():
        raise NoProject(f"This teamsup came without its plugin: there is no {plugin}.")
    offered = sorted(file.stem for file in plugin.glob("agents/*.md"))
    if unknown := [other for other in others if other not in offered]:
        raise InvalidName(f"The plugin has no agent {quote(unknown[0])}; it has {listed(offered)}.")
    asked = {variable for variable, option in ((AGENT, agent), (TEAM, team_name)) if option}
    value = claude_settings.with_plugin(settings.value, str(plugin), _variables(there, team, name, asked))
    not_enrolled = _not_enrolled(team, [name, *others])
    if value == settings.value and not not_enrolled:
        print(f"Nothing to do: the sessions of {project} are agent {name!r} of team {team.name!r}.")
    _apply(settings, value, dry_run=dry_run)
    _enroll(team, not_enrolled, dry_run=dry_run)
    if not dry_run:
        for found in check_project(project, team, partial(command_line, team)):
            if found.verdict is not Verdict.OK:
                print(f"teamsup: {printable(f'{found.text}. {found.hint}')}", file=sys.stderr)
        print(f"New Claude Code sessions in {project} are agent {name!r} of team {team.name!r}.")
        print(f"See whether all is well with: {command_line(team, 'doctor', '--project', shlex.quote(str(project)))}")


def take_out(folder: Path | None, *, dry_run: bool) -> None:
    """Take out of the project's settings what set_up() has written."""
    _, settings = _open(folder)
    value = claude_settings.without_plugin(settings.value)
    if value == settings.value:
        print(f"Nothing to do: {settings.path} has nothing of teamsup's.")
        return
    _apply(settings, value, dry_run=dry_run)
    if not dry_run:
        print("The agents stay in the team, and so does what waits for them.")


def _open(folder: Path | None) -> tuple[Path, JsonFile]:
    project = claude_settings.project_at(folder)
    if (project / ".claude").resolve() == claude_settings.user_folder().resolve():
        raise NoProject(
            f"{project} is not a project: its .claude folder is your own, which counts everywhere. Say --project DIR; "
            f"or, for all projects: claude plugin marketplace add {shlex.quote(str(shipped('claude')))}, "
            f"claude plugin install {claude_settings.PLUGIN}"
        )
    settings = json_file.read(claude_settings.settings_path(project), to_edit=True)
    claude_settings.expect_shape(settings)
    return project, settings


def _variables(there: dict[str, str], team: Team, agent: str, asked: set[str]) -> dict[str, str]:
    """Those of ours that have to be written: what was asked for, and what is missing or out of date."""
    variables = {}
    if AGENT in asked or AGENT not in there:
        variables[AGENT] = agent
    if TEAM in asked or (TEAM not in there and team.name != "default"):
        variables[TEAM] = team.name
    # Whoever calls this with a home of teams of their own wants that one.
    if os.environ.get(HOME) and (HOME not in there or Team.named(team.name, there[HOME]) != team):
        variables[HOME] = str(team.folder.parent)
    command, *more = installed_command()
    if more:
        raise NoProject(f"There is no command teamsup next to {command} that Claude Code could start.")
    told = there.get(COMMAND)
    if (told.endswith("teamsup") or shutil.which(told) is None) if told else not _is_on_every_path(command):
        variables[COMMAND] = command
    return variables


def _is_on_every_path(command: str) -> bool:
    """Whether 'teamsup' is this one also where no virtual environment is active."""
    found = shutil.which("teamsup")
    in_environment = sys.prefix != sys.base_prefix
    if found is None or (in_environment and Path(found).is_relative_to(sys.prefix)):
        return False
    return os.path.samefile(found, command)


def _not_enrolled(team: Team, names: list[str]) -> list[str]:
    """Those whom the team does not know. Raises InvalidName where the first is known as something else."""
    known = {}
    if team.database.exists():
        with MessageHub(team) as hub:
            known = {agent.name: agent.kind for agent in hub.agents()}
    if known.get(names[0], "agent") != "agent":
        raise InvalidName(f"{names[0]!r} is the team's {known[names[0]]} of that name; choose another with --agent.")
    return [name for name in dict.fromkeys(names) if name not in known]


def _enroll(team: Team, names: list[str], *, dry_run: bool) -> None:
    if not names:
        return
    if not dry_run:
        with MessageHub(team) as hub:
            for name in names:
                hub.enroll(name)
    print(f"{'Would enroll' if dry_run else 'Enrolled'} in team {team.name!r}: {', '.join(names)}")


def _apply(settings: JsonFile, value: dict[str, Any], *, dry_run: bool) -> None:
    """Show the change, and make it. A file that would say nothing goes, but for a symlink: somebody wants that one."""
    if value == settings.value:
        return
    goes = not value and not settings.path.is_symlink()
    text = "" if goes else settings.changed_to(value)
    _show(settings, text)
    if not dry_run:
        if goes:
            json_file.remove(settings.path)
        else:
            json_file.replace(settings.path, text)
    done = ("Removed" if goes else "Wrote") if not dry_run else f"Would {'remove' if goes else 'write'}"
    print(f"{done}: {settings.path}")


def _show(settings: JsonFile, changed: str) -> None:
    old, new = (str(settings.path) if text else "/dev/null" for text in (settings.text, changed))
    before, after = (StringIO(text, newline="\n").readlines() for text in (settings.text, changed))
    for line in unified_diff(before, after, old, new):
        print(printable(line.rstrip("\r\n")))
        if not line.endswith("\n"):
            print("\\ No newline at end of file")
