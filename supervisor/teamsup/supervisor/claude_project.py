"""What a project's settings tell Claude Code of teamsup, and what they shall. Pure: from JSON to JSON.

A project takes part through the plugin: its .claude/settings.json names the folder of the plugin as a marketplace,
enables the plugin, says in the environment which agent of which team the project's sessions are, and allows the tools.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath
from typing import Any

from .json_text import Document

NAME = "teamsup"
PLUGIN = f"{NAME}@{NAME}"
TOOLS = "mcp__plugin_teamsup_teamsup__*"
AGENT, TEAM, HOME, COMMAND = VARIABLES = ("TEAMSUP_AGENT", "TEAMSUP_TEAM", "TEAMSUP_HOME", "TEAMSUP")
_ROOT = "CLAUDE_PLUGIN_ROOT"
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_SHIPPED_IN = ("deploy", "claude")


@dataclass(frozen=True, slots=True)
class Seen:
    """What Claude Code finds when it starts in a project."""

    plugins: Mapping[str, str | None]
    """The enabled plugins of our name, and their folders where settings tell them."""
    servers: tuple[str, ...]
    """Other servers that would speak for an agent of ours in the same session, and where they stand."""
    environment: Mapping[str, str]
    """Our variables."""
    hooks_are_off: bool


def environment(settings: Document) -> dict[str, str]:
    """Our variables in a project's settings. Raises InvalidJson where anything we look at has an unexpected shape."""
    for kind, path in (
        (dict, ()),
        (dict, ("env",)),
        (dict, ("enabledPlugins",)),
        (dict, ("extraKnownMarketplaces",)),
        (dict, ("extraKnownMarketplaces", NAME)),
        (dict, ("extraKnownMarketplaces", NAME, "source")),
        (dict, ("permissions",)),
        (list, ("permissions", "allow")),
        *((str, ("env", name)) for name in VARIABLES),
    ):
        settings.expect(kind, *path)
    found = settings.value.get("env", {})
    return {name: found[name] for name in VARIABLES if name in found}


def with_plugin(settings: Mapping[str, Any], folder: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """The settings of a project that takes part, through the plugin in that folder.

    A marketplace of our name that somebody keeps elsewhere stays.
    """
    new = dict(settings)
    marketplaces = dict(new.get("extraKnownMarketplaces", {}))
    if is_shipped(marketplaces.get(NAME)):
        source = {"source": "directory", "path": folder}
        marketplaces[NAME] = {**marketplaces.get(NAME, {}), "source": source}
    plugins = dict(new.get("enabledPlugins", {}))
    plugins[PLUGIN] = plugins.get(PLUGIN) or True
    permissions = dict(new.get("permissions", {}))
    allowed = list(permissions.get("allow", []))
    permissions["allow"] = allowed if {TOOLS, TOOLS.removesuffix("__*")} & set(_texts(allowed)) else [*allowed, TOOLS]
    return {
        **new,
        "extraKnownMarketplaces": marketplaces,
        "enabledPlugins": plugins,
        "env": {**new.get("env", {}), **variables},
        "permissions": permissions,
    }


def without_plugin(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings without what is ours; what is empty then goes too."""
    new = dict(settings)
    if is_shipped(new.get("extraKnownMarketplaces", {}).get(NAME)):
        _drop(new, "extraKnownMarketplaces", NAME)
    _drop(new, "enabledPlugins", PLUGIN)
    _drop(new, "env", *VARIABLES)
    if TOOLS in _texts(new.get("permissions", {}).get("allow", [])):
        permissions = dict(new["permissions"])
        permissions["allow"] = [rule for rule in permissions["allow"] if rule != TOOLS]
        _keep_unless_empty(permissions, "allow", permissions["allow"])
        _keep_unless_empty(new, "permissions", permissions)
    return new


def is_shipped(marketplace: Mapping[str, Any] | None) -> bool:
    """Whether the marketplace of our name is the folder that came with a teamsup, this one or another; or there is
    none."""
    if marketplace is None:
        return True
    source = marketplace.get("source", {})
    return source.get("source") == "directory" and PurePath(str(source.get("path"))).parts[-2:] == _SHIPPED_IN


def seen(
    settings: Iterable[Any],
    project_servers: Any,  # noqa: ANN401 - JSON
    user: Any,  # noqa: ANN401 - JSON
    project: str,
) -> Seen:
    """What Claude Code finds in the user's, the project's and the person's own settings of it, later ones before
    earlier ones; in the project's .mcp.json; and in the user's .claude.json. Nothing has to have the right shape."""
    plugins: dict[str, Any] = {}
    marketplaces: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    refused: set[str] = set()
    hooks_are_off = False
    for found in settings:
        plugins |= _object(found, "enabledPlugins")
        marketplaces |= _object(found, "extraKnownMarketplaces")
        variables |= _object(found, "env")
        refused |= set(_texts(_at(found, "disabledMcpjsonServers")))
        hooks_are_off = hooks_are_off or _at(found, "disableAllHooks") is True
    servers = {
        "the project's .mcp.json": {
            name: entry for name, entry in _object(project_servers, "mcpServers").items() if name not in refused
        },
        "your .claude.json, for this project": _object(_object(_object(user, "projects"), project), "mcpServers"),
        "your .claude.json": _object(user, "mcpServers"),
    }
    ids = [plugin for plugin, value in plugins.items() if value and plugin.rpartition("@")[0] == NAME]
    return Seen(
        plugins={plugin: _folder(marketplaces.get(plugin.rpartition("@")[2])) for plugin in ids},
        servers=tuple(
            f"{name!r} in {where}" for where, group in servers.items() for name in group if serves_us(group[name])
        ),
        environment={name: value for name in VARIABLES if isinstance(value := variables.get(name), str)},
        hooks_are_off=hooks_are_off,
    )


def serves_us(entry: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether an MCP server is ``teamsup mcp``, in whatever wrapping."""
    words = [*_texts([_at(entry, "command")]), *_texts(_at(entry, "args"))]
    return any(
        PurePath(program).name in (NAME, "teamsup.supervisor") and word == "mcp" for program, word in pairwise(words)
    )


def is_trusted(user: Any, project: PurePath) -> bool:  # noqa: ANN401 - JSON
    """Whether a person has told Claude Code to trust the folder, or one that it is in."""
    projects = _object(user, "projects")
    return any(
        _at(projects.get(str(folder)), "hasTrustDialogAccepted") is True for folder in (project, *project.parents)
    )


def programs(hooks: Any, servers: Any, folder: str, variables: Mapping[str, str]) -> list[list[str]]:  # noqa: ANN401 - JSON
    """The command lines in the plugin's hooks.json and .mcp.json, as Claude Code runs them."""
    groups = [group for groups in _object(hooks, "hooks").values() for group in _list(groups)]
    handlers = [handler for group in groups for handler in _list(_at(group, "hooks"))]
    found = []
    for entry in (*handlers, *_object(servers, "mcpServers").values()):
        words = [*_texts([_at(entry, "command")]), *_texts(_at(entry, "args"))]
        found.append([_expanded(word, {**variables, _ROOT: folder}) for word in words])
    return [words for words in found if words]


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: variables.get(found[1]) or found[2] or "", word)


def _drop(settings: dict[str, Any], key: str, *names: str) -> None:
    inside = settings.get(key, {})
    if any(name in inside for name in names):
        _keep_unless_empty(settings, key, {name: value for name, value in inside.items() if name not in names})


def _keep_unless_empty(holder: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 - JSON
    if value:
        holder[key] = value
    else:
        del holder[key]


def _folder(marketplace: Any) -> str | None:  # noqa: ANN401 - JSON
    path = _at(_at(marketplace, "source"), "path")
    return path if isinstance(path, str) else None


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - JSON
    return [item for item in _list(value) if isinstance(item, str)]


def _object(value: Any, key: str) -> dict[str, Any]:  # noqa: ANN401 - JSON
    found = _at(value, key)
    return found if isinstance(found, dict) else {}


def _at(value: Any, key: str) -> Any:  # noqa: ANN401 - JSON
    return value.get(key) if isinstance(value, dict) else None
