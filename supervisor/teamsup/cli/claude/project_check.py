"""Check the setup of teamsup that a Claude Code session finds in a project."""

import os
import shlex
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from teamsup.config.components import normalize_session_agent
from teamsup.hub import Agent, CallerError, InvalidName, Team
from teamsup.hub.models import RESERVED_KINDS
from teamsup.hub.team import normalize_agent_name
from teamsup.terminal.findings import CommandHint, Finding, Verdict

from . import project_settings, session_policy
from .git_repository import is_committed, is_in_repository
from .json_file import read_json
from .project_settings import EffectiveSettings, get_value
from .session_policy import READ_TOOL, Settings, find_denied_tools

_MAX_HEADER_CHARACTERS = 10_000
_DEFAULTS = {(project_settings.AGENT_VARIABLE, project_settings.DEFAULT_AGENT)}
_PLUGIN_FILES = (
    ".claude-plugin/plugin.json",
    ".mcp.json",
    "hooks/hooks.json",
    "monitors/monitors.json",
    "python.sh",
    "hook.py",
    "launcher.py",
    "guard.py",
)


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """The settings that a session in a project would have."""

    effective: EffectiveSettings
    files: Settings
    troubles: tuple[str, ...]
    """A sentence for each file that Claude Code cannot read."""


def read_project_settings(project: Path) -> ProjectSettings:
    """Return the settings that a session in the project would have."""
    troubles: list[str] = []

    def value(path: Path) -> object:
        try:
            return read_json(path).value
        except CallerError as trouble:
            troubles.append(str(trouble))
            return None

    files = Settings(
        own=tuple(value(path) for path in project_settings.settings_paths(project)),
        managed=tuple(value(path) for path in project_settings.managed_paths()),
        marketplaces=value(project_settings.user_folder() / "plugins" / "known_marketplaces.json"),
    )
    servers, user_state = value(project / ".mcp.json"), value(project_settings.user_state_path())
    effective = project_settings.effective_settings(files.all, servers, user_state, project.resolve())
    return ProjectSettings(effective, files, tuple(troubles))


def session_can_read() -> bool:
    """Return whether the session that has started this process may use the tool that reads messages."""
    project = Path(os.environ.get("CLAUDE_PROJECT_DIR") or os.getcwd())
    return READ_TOOL not in find_denied_tools(read_project_settings(project).files.all)


def check_project(project: Path, team: Team, call: CommandHint) -> list[Finding]:
    """Check future sessions in the project. ``team`` is the team in which they should take part."""
    found_settings = read_project_settings(project)
    settings = found_settings.effective
    init = call("init", "--claude", "--project", shlex.quote(str(project)))
    found = [
        Finding("project", Verdict.FAILED, trouble.rstrip("."), "Claude Code ignores that file until you correct it.")
        for trouble in found_settings.troubles
    ]
    found.append(_check_servers(project, settings, init))
    if not settings.plugins:
        return found
    found += [_check_plugin(plugin, found_settings, init) for plugin in settings.plugins]
    for plugin in settings.plugins:
        if path := _plugin_path(plugin, found_settings):
            server = session_policy.plugin_server(path, _command(settings), _agent(settings))
            found += session_policy.check_policy(found_settings.files, server, os.path.isdir)
    found += _check_agent(settings, init)
    found += _check_worktree(project, settings, found_settings.files)
    if not settings.is_trusted:
        hint = f"Start 'claude' in {project} once and accept; until then it ignores the project's settings."
        found.append(Finding("project", Verdict.WARNING, "Claude Code does not trust this folder yet", hint))
    sessions = Team.named(
        settings.environment.get(project_settings.TEAM_VARIABLE),
        settings.environment.get(project_settings.HOME_VARIABLE),
    )
    if sessions != team:
        text = f"its sessions are in team {sessions.name!r} in {sessions.folder}, not in the team that is checked here"
        here = call("init", "--claude", "--project", shlex.quote(str(project)), "--team", team.name)
        hint = f"Omit --team to check that team, or move the sessions to this team with: {here}"
        found.append(Finding("project", Verdict.WARNING, text, hint))
    return found


def check_subagent_names(project: Path, agents: Iterable[Agent]) -> list[Finding]:
    """Return findings for the project's subagents whose names are not allowed in the team."""
    taken = {agent.name: agent.kind for agent in agents if agent.kind in RESERVED_KINDS}
    found = []
    for file in sorted((project / ".claude" / "agents").glob("**/*.md")):
        name = _declared_name(file)
        try:
            folded = normalize_agent_name(name)
        except InvalidName as error:
            hint = f"Change the line 'name:' in {file}. Until then it cannot take part in the team."
            found.append(Finding("agents", Verdict.WARNING, str(error).rstrip("."), hint))
            continue
        if folded in taken:
            text = f"the subagent {name!r} has the name of the team's {taken[folded]}"
            hint = f"Change the line 'name:' in {file}."
            found.append(Finding("agents", Verdict.FAILED, text, hint))
    return found


def _declared_name(file: Path) -> str:
    """Return a subagent's name like Claude Code: from the first lines of its file, or from the file's name."""
    try:
        lines = file.read_text("utf-8", errors="replace")[:_MAX_HEADER_CHARACTERS].splitlines()
    except OSError:
        return file.stem
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "name" and value.strip():
            return value.strip().strip("\"'")
    return file.stem


def _check_servers(project: Path, settings: EffectiveSettings, init: str) -> Finding:
    plugins, servers = [*settings.plugins], settings.servers
    there = [*(f"plugin {name}" for name in plugins), *(f"server {name!r} in {where}" for name, where in servers)]
    removal = [f"claude mcp remove {shlex.quote(name)}" for name, _ in servers]
    if len(there) > 1:
        removal += [f"claude plugin disable {name}" for name in plugins if name != project_settings.PLUGIN_ID]
        text = f"sessions in {project} would use several servers at once: {', '.join(there)}"
        return Finding("project", Verdict.WARNING, text, f"Keep one, and remove the others with: {'; '.join(removal)}")
    if servers:
        text = f"sessions in {project} have {there[0]}, but no hooks and no monitor: messages cannot reach them"
        return Finding("project", Verdict.WARNING, text, f"Replace it with: {removal[0]}; {init}")
    if plugins:
        text = f"sessions in {project} load {there[0]} and are agent {_agent(settings)!r}"
        return Finding("project", Verdict.OK, text)
    text = f"sessions in {project} do not take part in a team: they have neither the plugin nor the server"
    return Finding("project", Verdict.WARNING, text, f"Let them take part with: {init}")


def _agent(settings: EffectiveSettings) -> str:
    name = project_settings.AGENT_VARIABLE
    return settings.environment.get(name) or os.environ.get(name) or project_settings.DEFAULT_AGENT


def _command(settings: EffectiveSettings) -> str:
    name = project_settings.COMMAND_VARIABLE
    return settings.environment.get(name) or os.environ.get(name) or "teamsup"


def _check_agent(settings: EffectiveSettings, init: str) -> Iterator[Finding]:
    try:
        normalize_session_agent(_agent(settings))
    except InvalidName as error:
        text = f"sessions have no tools: {str(error).rstrip('.')}"
        yield Finding("project", Verdict.FAILED, text, f"Choose another name with: {init} --agent NAME")


def _check_worktree(project: Path, settings: EffectiveSettings, files: Settings) -> Iterator[Finding]:
    """Check sessions of ``claude --worktree``: they do not get the "env" of a project, nor a settings.json that is not
    committed.
    """
    if not is_in_repository(project):
        return
    user, shared, local = files.own
    kept = [user, local, *files.managed] + ([shared] if is_committed(project_settings.shared_path(project)) else [])
    if not any(get_value(dict, found, "enabledPlugins").get(project_settings.PLUGIN_ID) for found in kept):
        text = "sessions of 'claude --worktree' do not take part: .claude/settings.json is not committed"
        hint = "Commit it, or move its entries to .claude/settings.local.json."
        yield Finding("project", Verdict.WARNING, text, hint)
        return
    has = {name: value for found in (user, *files.managed) for name, value in get_value(dict, found, "env").items()}
    lacking = {
        name: value
        for name, value in settings.environment.items()
        if value not in (has.get(name), os.environ.get(name)) and (name, value) not in _DEFAULTS
    }
    if lacking:
        words = " ".join(f"{name}={shlex.quote(value)}" for name, value in lacking.items())
        text = f"'claude --worktree' does not apply {', '.join(lacking)} of this project"
        yield Finding("project", Verdict.WARNING, text, f"Start such sessions with: {words} claude --worktree")


def _plugin_path(plugin: str, settings: ProjectSettings) -> str | None:
    remembered = get_value(str, settings.files.marketplaces, plugin.rpartition("@")[2], "installLocation")
    return settings.effective.plugins[plugin] or _installed_path(plugin) or remembered or None


def _check_plugin(plugin: str, found: ProjectSettings, init: str) -> Finding:
    settings = found.effective
    path = settings.plugins[plugin] or _installed_path(plugin)
    if path is None:
        hint = f"Install it with: claude plugin install {plugin}"
        return Finding("plugin", Verdict.FAILED, f"Claude Code has not installed {plugin}", hint)
    if missing := list(_missing_files(Path(path), settings)):
        hint = f"If teamsup was moved or updated: {init}"
        return Finding("plugin", Verdict.FAILED, f"there is no {', no '.join(missing)}", hint)
    return Finding("plugin", Verdict.OK, f"is complete in {path}, and its programs are there")


def _missing_files(plugin: Path, settings: EffectiveSettings) -> Iterator[str]:
    """Return the missing files that a session needs."""
    if plugin.is_dir():
        yield from (str(plugin / name) for name in _PLUGIN_FILES if not (plugin / name).is_file())
    else:
        yield str(plugin)
    for program in ("python3", _command(settings)):
        if shutil.which(program) is None:
            yield program if "/" in program else f"{program} on the PATH"


def _installed_path(plugin: str) -> str | None:
    """Return the path of Claude Code's copy."""
    try:
        found = read_json(project_settings.user_folder() / "plugins" / "installed_plugins.json").value
        return str(found["plugins"][plugin][-1]["installPath"])
    except (CallerError, TypeError, KeyError, IndexError):
        return None
