"""Find the hooks and tools that Claude Code's rules or memory take away from a session with the plugin. Pure.

An administrator's settings, which Claude Code calls managed, take precedence over all others. Each rule here was tried
with the version of Claude Code that docs/claude-code.md names.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from teamsup.terminal.findings import Finding, Verdict

from .project_settings import PLUGIN_ID, PLUGIN_NAME, get_value

SERVER_NAME = f"plugin:{PLUGIN_NAME}:{PLUGIN_NAME}"
TOOL_PREFIX = f"mcp__plugin_{PLUGIN_NAME}_{PLUGIN_NAME}__"
TOOLS = ("team_broadcast", "team_get_status", "team_read_messages", "team_send_message", "team_update_status")
READ_TOOL = f"{TOOL_PREFIX}team_read_messages"
_NEEDED = {READ_TOOL, f"{TOOL_PREFIX}team_send_message"}
_ASK = "Ask your administrator"


@dataclass(frozen=True, slots=True)
class PluginServer:
    """The plugin's folder, and the command with which Claude Code starts its server."""

    folder: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of Claude Code, and the marketplaces that it remembers. Any of them may have a wrong shape."""

    own: tuple[object, ...]
    """The settings of the user, of the project, and of the user in the project."""
    managed: tuple[object, ...] = ()
    marketplaces: object = None

    @property
    def all(self) -> tuple[object, ...]:
        return (*self.own, *self.managed)


def check_policy(settings: Settings, server: PluginServer, is_folder: Callable[[str], bool]) -> list[Finding]:
    """Return findings about hooks or tools that a session lacks although the plugin is enabled and complete."""
    return [
        *_check_hooks(settings),
        *_check_marketplace(settings, server, is_folder),
        *_check_servers(settings, server),
        *_check_denials(settings),
    ]


def find_denied_tools(settings: Iterable[object]) -> dict[str, str]:
    """Return the plugin's tools that a rule denies completely, each with this rule."""
    rules = [
        rule
        for found in settings
        for rule in get_value(list, found, "permissions", "deny")
        if isinstance(rule, str) and "(" not in rule
    ]
    tools = [f"{TOOL_PREFIX}{name}" for name in TOOLS]
    return {tool: rule for tool in tools for rule in rules if _applies_to(rule, tool)}


def _applies_to(rule: str, tool: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in rule.split("*"))
    return bool(re.fullmatch(f"{pattern}(__.*)?", tool))


def _check_hooks(settings: Settings) -> Iterator[Finding]:
    is_managed_plugin = any(get_value(bool, found, "enabledPlugins", PLUGIN_ID) for found in settings.managed)
    if any(get_value(bool, found, "disableAllHooks") for found in settings.managed):
        why, remedy = "disableAllHooks", "to remove it"
    elif not is_managed_plugin and any(get_value(bool, found, "allowManagedHooksOnly") for found in settings.managed):
        why, remedy = "allowManagedHooksOnly", f"to enable {PLUGIN_ID} in the managed settings"
    elif any(get_value(bool, found, "disableAllHooks") for found in settings.own):
        hint = "Remove disableAllHooks from Claude Code's settings. Otherwise agents get messages only while they wait."
        yield Finding("plugin", Verdict.WARNING, "all hooks are switched off", hint)
        return
    else:
        return
    hint = f"{_ASK} {remedy}. Until then agents get messages only while they wait."
    yield Finding("plugin", Verdict.WARNING, f"managed settings switch the plugin's hooks off: {why}", hint)


def _check_marketplace(settings: Settings, server: PluginServer, is_folder: Callable[[str], bool]) -> Iterator[Finding]:
    source = {"source": "directory", "path": server.folder}
    for found in settings.managed:
        allowed = found.get("strictKnownMarketplaces") if isinstance(found, dict) else None
        if allowed is not None and not any(_names_folder(entry, server.folder) for entry in _as_list(allowed)):
            hint = f"{_ASK} to add {json.dumps(source)} to strictKnownMarketplaces. Until then sessions have no tools."
            yield Finding("plugin", Verdict.FAILED, "managed settings do not allow the plugin's folder", hint)
        blocked = get_value(list, found, "blockedMarketplaces")
        if any(_names_folder(entry, server.folder) for entry in blocked):
            hint = f"{_ASK} to remove it from blockedMarketplaces. Until then sessions have no tools."
            yield Finding("plugin", Verdict.FAILED, "managed settings block the plugin's folder", hint)
    remembered = get_value(str, settings.marketplaces, PLUGIN_NAME, "installLocation")
    if remembered and not is_folder(remembered) and is_folder(server.folder):
        text = f"Claude Code still looks for it in {remembered}, which is gone: the next session would have no tools"
        hint = f"Tell Claude Code with: claude plugin marketplace add {shlex.quote(server.folder)}"
        yield Finding("plugin", Verdict.FAILED, text, hint)


def _check_servers(settings: Settings, server: PluginServer) -> Iterator[Finding]:
    command = list(server.command)
    deciding = settings.all
    if any(get_value(bool, found, "allowManagedMcpServersOnly") for found in settings.managed):
        deciding = settings.managed
    lists = [get_value(list, found, "allowedMcpServers") for found in deciding if _has(found, "allowedMcpServers")]
    # The name of a plugin's server has colons, which no entry of this list may have. So only its command can match.
    if lists and not any(get_value(list, entry, "serverCommand") == command for each in lists for entry in each):
        entry = json.dumps({"serverCommand": command})
        text = "allowedMcpServers does not contain its server: sessions have no tools"
        yield Finding("plugin", Verdict.FAILED, text, f"Let this be added to allowedMcpServers: {entry}")
    for entry in (entry for found in settings.all for entry in get_value(list, found, "deniedMcpServers")):
        if get_value(str, entry, "serverName") == SERVER_NAME or get_value(list, entry, "serverCommand") == command:
            text = "deniedMcpServers contains its server: sessions have no tools"
            yield Finding(
                "plugin", Verdict.FAILED, text, f"Let this be removed from deniedMcpServers: {json.dumps(entry)}"
            )


def _check_denials(settings: Settings) -> Iterator[Finding]:
    denied = find_denied_tools(settings.all)
    if denied:
        names = ", ".join(tool.removeprefix(TOOL_PREFIX) for tool in denied)
        rules = ", ".join(dict.fromkeys(denied.values()))
        verdict = Verdict.FAILED if denied.keys() & _NEEDED else Verdict.WARNING
        hint = f"Remove from permissions.deny of Claude Code's settings: {rules}"
        yield Finding("plugin", verdict, f"deny rules take away {names}", hint)
    if any(get_value(bool, found, "allowManagedPermissionRulesOnly") for found in settings.managed):
        allowed = [rule for found in settings.managed for rule in get_value(list, found, "permissions", "allow")]
        if not any(isinstance(rule, str) and _applies_to(rule, READ_TOOL) for rule in allowed):
            hint = f"{_ASK} to add {TOOL_PREFIX}* to permissions.allow of the managed settings."
            text = "managed settings ignore the project's permission for the tools: each call asks a person"
            yield Finding("plugin", Verdict.WARNING, text, hint)


def _names_folder(entry: object, folder: str) -> bool:
    match get_value(str, entry, "source"):
        case "directory":
            return get_value(str, entry, "path") == folder
        case "pathPattern":
            try:
                return re.search(get_value(str, entry, "pathPattern"), folder) is not None
            except re.error:
                return False
    return False


def _has(found: object, key: str) -> bool:
    return isinstance(found, Mapping) and key in found


def _as_list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def plugin_server(folder: str, teamsup: str, agent: str) -> PluginServer:
    """Return the server of the plugin in a folder, as the plugin's .mcp.json defines it."""
    scripts = (str(Path(folder, name)) for name in ("python.sh", "launcher.py"))
    return PluginServer(folder, ("sh", *scripts, teamsup, "mcp", "--agent", agent))
