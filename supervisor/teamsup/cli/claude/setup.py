"""Set up the Claude Code sessions of a project to take part in the team, or undo that."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from teamsup.config.components import normalize_session_agent
from teamsup.config.resources import resource_path
from teamsup.hub import InvalidName, MessageHub, Team
from teamsup.hub.engines.choice import has_store
from teamsup.hub.validation import list_names, quote
from teamsup.terminal.findings import Verdict
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import command_hint, installed_command

from . import json_file, project_settings
from .git_repository import is_ignored, is_in_repository
from .json_file import JsonFile
from .project_check import check_project
from .project_settings import (
    AGENT_VARIABLE,
    COMMAND_VARIABLE,
    DEFAULT_AGENT,
    HOME_VARIABLE,
    MACHINE_VARIABLES,
    TEAM_VARIABLE,
    NoProject,
)


@dataclass(frozen=True, slots=True)
class _Project:
    """A project, and the two files that may be changed in it."""

    folder: Path
    shared: JsonFile
    local: JsonFile

    @property
    def environment(self) -> dict[str, str]:
        return {**self.shared.value.get("env", {}), **self.local.value.get("env", {})}


def install(
    folder: Path | None,
    team_name: str | None,
    agent: str | None,
    others: Sequence[str],
    *,
    is_shared: bool,
    dry_run: bool,
) -> None:
    """Write the project's settings, and enroll its agent and the plugin's agents in ``others``.

    With ``is_shared``, settings for every machine go into the committed file. Only requested settings change. Raise
    InvalidName for an agent that the plugin does not have.
    """
    project = _open_project(folder)
    there = project.environment
    team = project_settings.team_of(there, team_name)
    name = normalize_session_agent(agent or there.get(AGENT_VARIABLE) or DEFAULT_AGENT)
    plugin = _find_plugin(others)
    asked = {variable for variable, option in ((AGENT_VARIABLE, agent), (TEAM_VARIABLE, team_name)) if option}
    variables = _changed_variables(there, team, name, asked)
    shared, local = project.shared.value, project.local.value
    if not project_settings.keeps_plugin_elsewhere(shared):
        local = project_settings.with_marketplace(local, str(plugin))
    if is_shared:
        everywhere = {name: value for name, value in there.items() if name in (AGENT_VARIABLE, TEAM_VARIABLE)}
        ours = {name: value for name, value in variables.items() if name not in MACHINE_VARIABLES}
        shared = project_settings.with_plugin(project_settings.without_machine(shared), {**everywhere, **ours})
        machine = {name: value for name, value in {**there, **variables}.items() if name in MACHINE_VARIABLES}
        local = _with_environment(local, machine)
    else:
        local = project_settings.with_plugin(local, variables)
    not_enrolled = _find_unenrolled(team, [name, *others])
    if (shared, local) == (project.shared.value, project.local.value) and not not_enrolled:
        print(f"Nothing to do: the sessions of {project.folder} are agent {name!r} of team {team.name!r}.")
    _apply(project.shared, shared, dry_run=dry_run)
    _apply(project.local, local, dry_run=dry_run)
    _enroll(team, not_enrolled, dry_run=dry_run)
    if not dry_run:
        for found in check_project(project.folder, team, partial(command_hint, team)):
            if found.verdict is not Verdict.OK:
                print(f"teamsup: {sanitize(f'{found.text}. {found.hint}')}", file=sys.stderr)
        if is_in_repository(project.folder) and not is_ignored(project.local.path):
            print(
                f"teamsup: {sanitize(str(project.local.path))} is for this machine: let git ignore it", file=sys.stderr
            )
        print(f"New Claude Code sessions in {project.folder} are agent {name!r} of team {team.name!r}.")
        print(f"Check the setup with: {command_hint(team, 'doctor', '--project', shlex.quote(str(project.folder)))}")


def uninstall(folder: Path | None, others: Sequence[str], *, dry_run: bool) -> None:
    """Remove the settings of install() from the project. Retire its agent and ``others``, if they have never taken
    part.
    """
    project = _open_project(folder)
    changes = [(file, project_settings.without_plugin(file.value)) for file in (project.shared, project.local)]
    if all(value == file.value for file, value in changes) and not others:
        print(f"Nothing to do: the settings of {project.folder} contain nothing of teamsup.")
        return
    for file, value in changes:
        _apply(file, value, dry_run=dry_run)
    name = project.environment.get(AGENT_VARIABLE)
    _retire(project_settings.team_of(project.environment), [*([name] if name else []), *others], dry_run=dry_run)


def _find_plugin(agents: Sequence[str]) -> Path:
    """Return the plugin's folder. Raise NoProject if it is missing, and InvalidName if one of the agents is missing in
    it.
    """
    plugin = resource_path("claude")
    if not (plugin / ".claude-plugin").is_dir():
        raise NoProject(f"This installation of teamsup lacks the plugin: there is no {plugin}.")
    offered = sorted(file.stem for file in plugin.glob("agents/*.md"))
    if unknown := [agent for agent in agents if agent not in offered]:
        raise InvalidName(f"The plugin has no agent {quote(unknown[0])}; it has {list_names(offered)}.")
    return plugin


def _open_project(folder: Path | None) -> _Project:
    project = project_settings.find_project(folder)
    if (project / ".claude").resolve() == project_settings.user_folder().resolve():
        raise NoProject(
            f"{project} is not a project: its .claude folder applies to all your projects. Name one by --project, "
            f"or install for all projects: claude plugin marketplace add {shlex.quote(str(resource_path('claude')))}, "
            f"claude plugin install {project_settings.PLUGIN_ID}"
        )
    shared = json_file.read_json(project_settings.shared_path(project))
    local = json_file.read_json(project_settings.local_path(project))
    for file in (shared, local):
        project_settings.require_shape(file)
    return _Project(project, shared, local)


def _with_environment(settings: dict[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    env = {**settings.get("env", {}), **variables}
    return {**settings, "env": env} if env else settings


def _changed_variables(there: dict[str, str], team: Team, agent: str, asked: set[str]) -> dict[str, str]:
    """Return teamsup's variables that must be written: those that are requested, missing or outdated."""
    variables = {}
    if AGENT_VARIABLE in asked or AGENT_VARIABLE not in there:
        variables[AGENT_VARIABLE] = agent
    if TEAM_VARIABLE in asked or (TEAM_VARIABLE not in there and team.name != "default"):
        variables[TEAM_VARIABLE] = team.name
    # A caller with another home for teams wants that home.
    if os.environ.get(HOME_VARIABLE) and (
        HOME_VARIABLE not in there or Team.named(team.name, there[HOME_VARIABLE]) != team
    ):
        variables[HOME_VARIABLE] = str(team.folder.parent)
    command, *more = installed_command()
    if more:
        raise NoProject(f"There is no command teamsup next to {command} for Claude Code to start.")
    configured = there.get(COMMAND_VARIABLE)
    if configured:
        is_outdated = configured.endswith("teamsup") or shutil.which(configured) is None
    else:
        is_outdated = not _is_on_every_path(command)
    if is_outdated:
        variables[COMMAND_VARIABLE] = command
    return variables


def _is_on_every_path(command: str) -> bool:
    """Return whether the command 'teamsup' is this installation even without an active virtual environment."""
    found = shutil.which("teamsup")
    in_environment = sys.prefix != sys.base_prefix
    if found is None or (in_environment and Path(found).is_relative_to(sys.prefix)):
        return False
    return os.path.samefile(found, command)


def _find_unenrolled(team: Team, names: list[str]) -> list[str]:
    """Return the names that the team does not know. Raise InvalidName if the first name belongs to another kind of
    agent."""
    known = {}
    if has_store(team):
        with MessageHub(team) as hub:
            known = {agent.name: agent.kind for agent in hub.agents()}
    if known.get(names[0], "agent") != "agent":
        raise InvalidName(
            f"{names[0]!r} is the team's {known[names[0]]} of that name. Choose another name with --agent."
        )
    return [name for name in dict.fromkeys(names) if name not in known]


def _enroll(team: Team, names: list[str], *, dry_run: bool) -> None:
    if not names:
        return
    if not dry_run:
        with MessageHub(team) as hub:
            for name in names:
                hub.enroll(name)
    print(f"{'Would enroll' if dry_run else 'Enrolled'} in team {team.name!r}: {', '.join(names)}")


def _retire(team: Team, names: list[str], *, dry_run: bool) -> None:
    """Retire the agents that have never taken part and that do not have waiting messages."""
    if not has_store(team):
        return
    with MessageHub(team) as hub:
        known = [hub.find_agent(name.strip().lower()) for name in dict.fromkeys(names)]
        unused = [
            agent.name
            for agent in known
            if agent and agent.kind == "agent" and agent.last_heartbeat is None and not agent.unread
        ]
        if not dry_run:
            for name in unused:
                hub.maintenance.retire(name)
    if unused:
        print(f"{'Would take' if dry_run else 'Taken'} out of team {team.name!r}: {', '.join(unused)}")
    if len(unused) < len([agent for agent in known if agent]):
        print("Agents that have taken part, or have messages, stay in the team.")


def _apply(settings: JsonFile, value: dict[str, Any], *, dry_run: bool) -> None:
    """Show the change, and make it. Remove a file that becomes empty, unless it is a symlink."""
    if value == settings.value:
        return
    goes = not value and not settings.path.is_symlink()
    text = "" if goes else settings.render(value)
    _print_diff(settings, text)
    if not dry_run:
        if goes:
            json_file.remove_file(settings.path)
        else:
            json_file.replace_file(settings.path, text)
    done = ("Removed" if goes else "Wrote") if not dry_run else f"Would {'remove' if goes else 'write'}"
    print(f"{done}: {settings.path}")


def _print_diff(settings: JsonFile, changed: str) -> None:
    old, new = (str(settings.path) if text else "/dev/null" for text in (settings.text, changed))
    before, after = (StringIO(text, newline="\n").readlines() for text in (settings.text, changed))
    for line in unified_diff(before, after, old, new):
        print(sanitize(line.rstrip("\r\n")))
        if not line.endswith("\n"):
            print("\\ No newline at end of file")
