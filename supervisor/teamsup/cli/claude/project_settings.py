"""Claude Code's settings: their files, their entries for teamsup, and the entries that teamsup adds to a project.

A project takes part through the plugin. Its settings name the plugin's folder as a marketplace, enable the plugin and
allow the tools. They also set the agent and the team of the project's sessions in the environment. All these entries
are in .claude/settings.local.json, which belongs to one person and machine. Entries for all people can be in
.claude/settings.json, which is committed.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, TypeVar

from teamsup.hub import CallerError, Team
from teamsup.hub.errors import ExitCode
from teamsup.terminal.hints import is_invocation_of

from .json_file import JsonFile

T = TypeVar("T")
PLUGIN_NAME = "teamsup"
PLUGIN_ID = f"{PLUGIN_NAME}@{PLUGIN_NAME}"
TOOLS_PERMISSION = "mcp__plugin_teamsup_teamsup__*"
AGENT_VARIABLE, TEAM_VARIABLE, HOME_VARIABLE, COMMAND_VARIABLE = VARIABLES = (
    "TEAMSUP_AGENT",
    "TEAMSUP_TEAM",
    "TEAMSUP_HOME",
    "TEAMSUP",
)
MACHINE_VARIABLES = (HOME_VARIABLE, COMMAND_VARIABLE)
"""Variables with a path of this machine."""
DEFAULT_AGENT = "lead"
_BUNDLED_FOLDER = ("deploy", "claude")


class NoProject(CallerError):
    """The folder does not exist, or cannot be a project."""

    exit_code = ExitCode.NO_TEAM


def find_project(folder: Path | None) -> Path:
    """Return the project in a folder, by default in the current folder. Raise NoProject."""
    project = (folder or Path.cwd()).absolute()
    if not project.is_dir():
        raise NoProject(f"There is no folder {project}.")
    return project


def user_folder() -> Path:
    """Return the folder of the user's own settings of Claude Code."""
    return Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")


def user_state_path() -> Path:
    """Return the file with the folders that Claude Code trusts, and the servers of 'claude mcp add'."""
    folder = os.environ.get("CLAUDE_CONFIG_DIR")
    return (Path(folder) if folder else Path.home()) / ".claude.json"


def shared_path(project: Path) -> Path:
    """Return the project's committed settings, which apply to all people."""
    return project / ".claude" / "settings.json"


def local_path(project: Path) -> Path:
    """Return the project's settings for this person on this machine."""
    return project / ".claude" / "settings.local.json"


def managed_paths() -> list[Path]:
    """Return the settings of the machine's administrator. Later files take precedence."""
    folder = Path("/Library/Application Support/ClaudeCode" if sys.platform == "darwin" else "/etc/claude-code")
    return [folder / "managed-settings.json", *sorted(folder.glob("managed-settings.d/*.json"))]


def settings_paths(project: Path) -> list[Path]:
    """Return the settings of the user, of the project, and of the user in the project. Later files take precedence."""
    return [user_folder() / "settings.json", shared_path(project), local_path(project)]


def team_of(variables: Mapping[str, str], name: str | None = None) -> Team:
    """Return the team of sessions with these variables. A named team, or a home in the environment of this process,
    takes precedence.
    """
    return Team.named(
        name or variables.get(TEAM_VARIABLE), os.environ.get(HOME_VARIABLE) or variables.get(HOME_VARIABLE)
    )


def require_shape(settings: JsonFile) -> None:
    """Raise UnusableFile if a value that teamsup reads or changes has an unexpected shape."""
    settings.require(dict)
    for key in ("env", "enabledPlugins", "extraKnownMarketplaces", "permissions"):
        settings.require(dict, key)
    settings.require(dict, "extraKnownMarketplaces", PLUGIN_NAME)
    settings.require(dict, "extraKnownMarketplaces", PLUGIN_NAME, "source")
    settings.require(list, "permissions", "allow")
    for name in VARIABLES:
        settings.require(str, "env", name)


def with_plugin(settings: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of a project that takes part through the plugin, wherever its folder is."""
    plugins = dict(settings.get("enabledPlugins", {}))
    plugins[PLUGIN_ID] = plugins.get(PLUGIN_ID) or True
    permissions = dict(settings.get("permissions", {}))
    allowed = permissions.setdefault("allow", [])
    if TOOLS_PERMISSION not in allowed and TOOLS_PERMISSION.removesuffix("__*") not in allowed:
        permissions["allow"] = [*allowed, TOOLS_PERMISSION]
    return {
        **settings,
        "enabledPlugins": plugins,
        "env": {**settings.get("env", {}), **variables},
        "permissions": permissions,
    }


def keeps_plugin_elsewhere(settings: Mapping[str, Any]) -> bool:
    """Return whether the settings name a source of the plugin that is not a folder of teamsup."""
    return not _is_bundled(settings.get("extraKnownMarketplaces", {}).get(PLUGIN_NAME))


def with_marketplace(settings: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return the settings with the plugin's folder. Keep a marketplace of the same name in another folder."""
    marketplaces = dict(settings.get("extraKnownMarketplaces", {}))
    if _is_bundled(marketplaces.get(PLUGIN_NAME)):
        marketplaces[PLUGIN_NAME] = {
            **marketplaces.get(PLUGIN_NAME, {}),
            "source": {"source": "directory", "path": folder},
        }
    return {**settings, "extraKnownMarketplaces": marketplaces}


def without_machine(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without those entries of teamsup that contain a path of this machine."""
    new = dict(settings)
    marketplaces = settings.get("extraKnownMarketplaces", {})
    if PLUGIN_NAME in marketplaces and _is_bundled(marketplaces[PLUGIN_NAME]):
        kept = {name: value for name, value in marketplaces.items() if name != PLUGIN_NAME}
        _set_or_remove(new, "extraKnownMarketplaces", kept)
    env = {name: value for name, value in settings.get("env", {}).items() if name not in MACHINE_VARIABLES}
    _set_or_remove(new, "env", env)
    return new


def without_plugin(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without the entries of teamsup, and without objects that become empty."""
    ours: dict[str, tuple[str, ...]] = {"enabledPlugins": (PLUGIN_ID,), "env": VARIABLES}
    if _is_bundled(settings.get("extraKnownMarketplaces", {}).get(PLUGIN_NAME)):
        ours["extraKnownMarketplaces"] = (PLUGIN_NAME,)
    new = dict(settings)
    for key, names in ours.items():
        _set_or_remove(new, key, {name: value for name, value in settings.get(key, {}).items() if name not in names})
    permissions = dict(settings.get("permissions", {}))
    _set_or_remove(permissions, "allow", [rule for rule in permissions.get("allow", []) if rule != TOOLS_PERMISSION])
    _set_or_remove(new, "permissions", permissions)
    return new


@dataclass(frozen=True, slots=True)
class EffectiveSettings:
    """The settings that apply to a session that starts in a project."""

    plugins: Mapping[str, str | None]
    """The enabled plugins with teamsup's name, with their folders if the settings contain them."""
    servers: tuple[tuple[str, str], ...]
    """Other teamsup servers of the same session: their names and their files."""
    environment: Mapping[str, str]
    """The variables of teamsup."""
    is_trusted: bool
    """Whether a person has told Claude Code to trust this folder or a folder above it."""


def effective_settings(
    settings: Iterable[Any],
    project_servers: Any,  # noqa: ANN401 - JSON
    user_state: Any,  # noqa: ANN401 - JSON
    project: PurePath,
) -> EffectiveSettings:
    """Return the settings that apply to a session in a project. ``settings`` are the contents of settings_paths().
    ``project_servers`` comes from the project's .mcp.json, and ``user_state`` from the user's .claude.json. Any of them
    may have a wrong shape.
    """
    plugins: dict[str, Any] = {}
    marketplaces: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    refused: list[Any] = []
    for found in settings:
        plugins |= get_value(dict, found, "enabledPlugins")
        marketplaces |= get_value(dict, found, "extraKnownMarketplaces")
        variables |= get_value(dict, found, "env")
        refused += get_value(list, found, "disabledMcpjsonServers")
    servers = {
        "the project's .mcp.json": {
            name: entry for name, entry in get_value(dict, project_servers, "mcpServers").items() if name not in refused
        },
        "your .claude.json, for this project": get_value(dict, user_state, "projects", str(project), "mcpServers"),
        "your .claude.json": get_value(dict, user_state, "mcpServers"),
    }
    return EffectiveSettings(
        plugins={
            plugin: get_value(str, marketplaces, plugin.rpartition("@")[2], "source", "path") or None
            for plugin, value in plugins.items()
            if value and plugin.rpartition("@")[0] == PLUGIN_NAME
        },
        servers=tuple(
            (name, where) for where, group in servers.items() for name in group if is_teamsup_server(group[name])
        ),
        environment={name: value for name in VARIABLES if (value := get_value(str, variables, name))},
        is_trusted=any(
            get_value(bool, user_state, "projects", str(folder), "hasTrustDialogAccepted")
            for folder in (project, *project.parents)
        ),
    )


def is_teamsup_server(entry: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether an MCP server is ``teamsup mcp``."""
    words = [get_value(str, entry, "command"), *get_value(list, entry, "args")]
    return is_invocation_of("mcp", [word for word in words if isinstance(word, str)])


def _is_bundled(marketplace: Mapping[str, Any] | None) -> bool:
    """Return whether this path is a plugin folder of teamsup, in this or another installation. The folder may be
    missing.
    """
    if marketplace is None:
        return True
    source = marketplace.get("source", {})
    return (
        source.get("source") == "directory" and PurePath(get_value(str, source, "path")).parts[-2:] == _BUNDLED_FOLDER
    )


def _set_or_remove(holder: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 - JSON
    """Set a value, or remove it together with the objects that become empty. Keep objects that were empty before."""
    if value or value == holder.get(key):
        holder[key] = value
    else:
        holder.pop(key, None)


def get_value(kind: type[T], value: Any, *keys: str) -> T:  # noqa: ANN401 - JSON
    """Return the value, or an empty value if it is missing or of another kind."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, kind) else kind()
