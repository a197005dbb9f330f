"""Claude Code's settings: where they are, what they say of teamsup, and what ours adds to a project's.

A project takes part through the plugin: its .claude/settings.json names the folder of the plugin as a marketplace,
enables the plugin, says in the environment which agent of which team the project's sessions are, and allows the tools.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, TypeVar

from teamsup.hub import CallerError, Team
from teamsup.hub.command_line import is_call_of

from .json_file import JsonFile

T = TypeVar("T")
NAME = "teamsup"
PLUGIN = f"{NAME}@{NAME}"
TOOLS = "mcp__plugin_teamsup_teamsup__*"
AGENT, TEAM, HOME, COMMAND = VARIABLES = ("TEAMSUP_AGENT", "TEAMSUP_TEAM", "TEAMSUP_HOME", "TEAMSUP")
DEFAULT_AGENT = "lead"
_SHIPPED_IN = ("deploy", "claude")


class NoProject(CallerError):
    """There is no such folder, or it is not one that can be a project."""

    exit_code = os.EX_NOINPUT


def project_at(folder: Path | None) -> Path:
    """The project in that folder, by default in this one. Raises NoProject."""
    project = (folder or Path.cwd()).absolute()
    if not project.is_dir():
        raise NoProject(f"There is no folder {project}.")
    return project


def user_folder() -> Path:
    """Where Claude Code keeps the user's own settings."""
    return Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")


def user_state_path() -> Path:
    """Where it keeps which folders it trusts, and the servers that 'claude mcp add' was told of."""
    folder = os.environ.get("CLAUDE_CONFIG_DIR")
    return (Path(folder) if folder else Path.home()) / ".claude.json"


def settings_path(project: Path) -> Path:
    return project / ".claude" / "settings.json"


def settings_paths(project: Path) -> list[Path]:
    """The user's, the project's and the user's own of the project; what stands in later ones wins."""
    own = settings_path(project)
    return [user_folder() / "settings.json", own, own.with_name("settings.local.json")]


def team_of(variables: Mapping[str, str], name: str | None = None) -> Team:
    """The team of sessions with these variables, unless another one is named or our own environment has a home."""
    return Team.named(name or variables.get(TEAM), os.environ.get(HOME) or variables.get(HOME))


def expect_shape(settings: JsonFile) -> None:
    """Raises UnfitFile where anything that we look at or change has an unexpected shape."""
    settings.expect(dict)
    for key in ("env", "enabledPlugins", "extraKnownMarketplaces", "permissions"):
        settings.expect(dict, key)
    settings.expect(dict, "extraKnownMarketplaces", NAME)
    settings.expect(dict, "extraKnownMarketplaces", NAME, "source")
    settings.expect(list, "permissions", "allow")
    for name in VARIABLES:
        settings.expect(str, "env", name)


def with_plugin(settings: Mapping[str, Any], folder: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """The settings of a project that takes part, through the plugin in that folder.

    A marketplace of our name that somebody keeps elsewhere stays.
    """
    marketplaces = dict(settings.get("extraKnownMarketplaces", {}))
    if _is_shipped(marketplaces.get(NAME)):
        marketplaces[NAME] = {**marketplaces.get(NAME, {}), "source": {"source": "directory", "path": folder}}
    plugins = dict(settings.get("enabledPlugins", {}))
    plugins[PLUGIN] = plugins.get(PLUGIN) or True
    permissions = dict(settings.get("permissions", {}))
    allowed = permissions.setdefault("allow", [])
    if TOOLS not in allowed and TOOLS.removesuffix("__*") not in allowed:
        permissions["allow"] = [*allowed, TOOLS]
    return {
        **settings,
        "extraKnownMarketplaces": marketplaces,
        "enabledPlugins": plugins,
        "env": {**settings.get("env", {}), **variables},
        "permissions": permissions,
    }


def without_plugin(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings without what is ours; what is empty then goes too."""
    ours: dict[str, tuple[str, ...]] = {"enabledPlugins": (PLUGIN,), "env": VARIABLES}
    if _is_shipped(settings.get("extraKnownMarketplaces", {}).get(NAME)):
        ours["extraKnownMarketplaces"] = (NAME,)
    new = dict(settings)
    for key, names in ours.items():
        _put(new, key, {name: value for name, value in settings.get(key, {}).items() if name not in names})
    permissions = dict(settings.get("permissions", {}))
    _put(permissions, "allow", [rule for rule in permissions.get("allow", []) if rule != TOOLS])
    _put(new, "permissions", permissions)
    return new


@dataclass(frozen=True, slots=True)
class EffectiveSettings:
    """What counts for a session that starts in a project."""

    plugins: Mapping[str, str | None]
    """The enabled plugins of our name, and their folders where settings tell them."""
    servers: tuple[tuple[str, str], ...]
    """Other servers that would speak for an agent of ours in the same session: their names, and where they are."""
    environment: Mapping[str, str]
    """Our variables."""
    hooks_are_off: bool
    is_trusted: bool
    """Whether a person has told Claude Code to trust the folder, or one that it is in."""


def effective_settings(
    settings: Iterable[Any],
    project_servers: Any,  # noqa: ANN401 - JSON
    user_state: Any,  # noqa: ANN401 - JSON
    project: PurePath,
) -> EffectiveSettings:
    """Of the values of settings_paths(), of the project's .mcp.json, and of the user's .claude.json. Nothing has to
    have the right shape."""
    plugins: dict[str, Any] = {}
    marketplaces: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    refused: list[Any] = []
    hooks_are_off = False
    for found in settings:
        plugins |= _at(dict, found, "enabledPlugins")
        marketplaces |= _at(dict, found, "extraKnownMarketplaces")
        variables |= _at(dict, found, "env")
        refused += _at(list, found, "disabledMcpjsonServers")
        hooks_are_off = hooks_are_off or _at(bool, found, "disableAllHooks")
    servers = {
        "the project's .mcp.json": {
            name: entry for name, entry in _at(dict, project_servers, "mcpServers").items() if name not in refused
        },
        "your .claude.json, for this project": _at(dict, user_state, "projects", str(project), "mcpServers"),
        "your .claude.json": _at(dict, user_state, "mcpServers"),
    }
    return EffectiveSettings(
        plugins={
            plugin: _at(str, marketplaces, plugin.rpartition("@")[2], "source", "path") or None
            for plugin, value in plugins.items()
            if value and plugin.rpartition("@")[0] == NAME
        },
        servers=tuple((name, where) for where, group in servers.items() for name in group if serves_us(group[name])),
        environment={name: value for name in VARIABLES if (value := _at(str, variables, name))},
        hooks_are_off=hooks_are_off,
        is_trusted=any(
            _at(bool, user_state, "projects", str(folder), "hasTrustDialogAccepted")
            for folder in (project, *project.parents)
        ),
    )


def serves_us(entry: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether an MCP server is ``teamsup mcp``."""
    words = [_at(str, entry, "command"), *_at(list, entry, "args")]
    return is_call_of("mcp", [word for word in words if isinstance(word, str)])


def _is_shipped(marketplace: Mapping[str, Any] | None) -> bool:
    """Whether it is the folder that came with a teamsup, this one or another; or there is none."""
    if marketplace is None:
        return True
    source = marketplace.get("source", {})
    return source.get("source") == "directory" and PurePath(_at(str, source, "path")).parts[-2:] == _SHIPPED_IN


def _put(holder: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 - JSON
    """What was empty before stays."""
    if value or value == holder.get(key):
        holder[key] = value
    else:
        holder.pop(key, None)


def _at(kind: type[T], value: Any, *keys: str) -> T:  # noqa: ANN401 - JSON
    """What stands there, or an empty one where nothing of that kind does."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, kind) else kind()
