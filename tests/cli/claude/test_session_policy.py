"""What the rules and the memory of Claude Code take away from a session, though the plugin is enabled and complete."""

from typing import Any

import pytest

from teamsup.cli.claude.session_policy import PluginServer, Settings, check_policy, plugin_server
from teamsup.terminal.findings import Verdict

SERVER = PluginServer(
    "/plugin", ("sh", "/plugin/python.sh", "/plugin/launcher.py", "teamsup", "mcp", "--agent", "lead")
)
COMMAND = {"serverCommand": list(SERVER.command)}
PLUGIN = {"source": "directory", "path": "/plugin"}
FOLDERS = {"/plugin"}


def findings(settings: Settings) -> list[tuple[Verdict, str]]:
    return [(found.verdict, found.text) for found in check_policy(settings, SERVER, FOLDERS.__contains__)]


def managed(**rules: Any) -> Settings:  # noqa: ANN401 - JSON
    return Settings(own=(), managed=(rules,))


def own(**rules: Any) -> Settings:  # noqa: ANN401 - JSON
    return Settings(own=(rules,))


def deny(*rules: str) -> dict[str, list[str]]:
    return {"deny": list(rules)}


WELL = {
    "nothing": own(),
    "shapes that are not understood": Settings((None, 7, [], {"permissions": [], "deniedMcpServers": {}}), ("x",), []),
    "its command is allowed": managed(allowedMcpServers=[COMMAND]),
    "another server is denied": managed(deniedMcpServers=[{"serverName": "teamsup"}]),
    "its folder is allowed": managed(strictKnownMarketplaces=[PLUGIN]),
    "a pattern of folders is allowed": managed(
        strictKnownMarketplaces=[{"source": "pathPattern", "pathPattern": ".*"}]
    ),
    "a user has no list of marketplaces": own(strictKnownMarketplaces=[], blockedMarketplaces=[PLUGIN]),
    "a user has no rule for managed hooks": own(allowManagedHooksOnly=True),
    "the plugin is managed": managed(allowManagedHooksOnly=True, enabledPlugins={"teamsup@teamsup": True}),
    "a managed list replaces the user's": Settings(
        ({"allowedMcpServers": []},), ({"allowManagedMcpServersOnly": True, "allowedMcpServers": [COMMAND]},)
    ),
    "only some calls are denied": own(permissions=deny("mcp__plugin_teamsup_teamsup(x)", "Bash", "mcp__teamsup")),
    "managed rules permit its tools": managed(
        allowManagedPermissionRulesOnly=True, permissions={"allow": ["mcp__plugin_teamsup_teamsup__*"]}
    ),
    "the remembered folder is there": Settings((), (), {"teamsup": {"installLocation": "/plugin"}}),
}


@pytest.mark.parametrize("settings", WELL.values(), ids=WELL.keys())
def test_nothing_is_found_where_a_session_would_have_all(settings: Settings) -> None:
    assert findings(settings) == []


NO_TOOLS = {
    "no server is allowed": (managed(allowedMcpServers=[]), "allowedMcpServers does not contain its server"),
    "a user allows no server": (own(allowedMcpServers=[]), "allowedMcpServers does not contain its server"),
    "a name cannot allow it": (managed(allowedMcpServers=[{"serverName": "teamsup"}]), "does not contain its server"),
    "its name is denied": (managed(deniedMcpServers=[{"serverName": "plugin:teamsup:teamsup"}]), "contains its server"),
    "its command is denied": (own(deniedMcpServers=[COMMAND]), "deniedMcpServers contains its server"),
    "no marketplace is allowed": (managed(strictKnownMarketplaces=[]), "managed settings do not allow"),
    "another folder is allowed": (managed(strictKnownMarketplaces=[{**PLUGIN, "path": "/x"}]), "do not allow"),
    "its folder is blocked": (managed(blockedMarketplaces=[PLUGIN]), "managed settings block the plugin's folder"),
    "the remembered folder is gone": (
        Settings((), (), {"teamsup": {"installLocation": "/old"}}),
        "Claude Code still looks for it in /old, which is gone",
    ),
    "its server is denied": (
        own(permissions=deny("mcp__plugin_teamsup_teamsup")),
        "take away team_broadcast, team_get",
    ),
    "its tools are denied": (own(permissions=deny("mcp__plugin_teamsup_teamsup__*")), "take away team_broadcast"),
    "all servers are denied": (own(permissions=deny("mcp__*")), "take away team_broadcast"),
    "reading is denied": (
        managed(permissions=deny("mcp__plugin_teamsup_teamsup__team_read_messages")),
        "deny rules take away team_read_messages",
    ),
}


@pytest.mark.parametrize(("settings", "text"), NO_TOOLS.values(), ids=NO_TOOLS.keys())
def test_a_session_without_its_tools_is_a_failure(settings: Settings, text: str) -> None:
    ((verdict, said),) = findings(settings)
    assert verdict is Verdict.FAILED
    assert text in said


LESS = {
    "hooks are off": (own(disableAllHooks=True), "all hooks are switched off"),
    "hooks are off for all": (managed(disableAllHooks=True), "switch the plugin's hooks off: disableAllHooks"),
    "only managed hooks": (managed(allowManagedHooksOnly=True), "hooks off: allowManagedHooksOnly"),
    "a tool is denied": (own(permissions=deny("mcp__plugin_teamsup_teamsup__team_broadcast")), "away team_broadcast"),
    "only managed rules": (managed(allowManagedPermissionRulesOnly=True), "each call asks a person"),
}


@pytest.mark.parametrize(("settings", "text"), LESS.values(), ids=LESS.keys())
def test_a_session_that_only_has_less_is_a_warning(settings: Settings, text: str) -> None:
    ((verdict, said),) = findings(settings)
    assert verdict is Verdict.WARNING
    assert text in said


def test_the_hint_is_the_entry_that_an_administrator_has_to_add() -> None:
    (found,) = check_policy(managed(allowedMcpServers=[]), SERVER, FOLDERS.__contains__)
    assert (
        '{"serverCommand": ["sh", "/plugin/python.sh", "/plugin/launcher.py", "teamsup", "mcp", "--agent",'
        in found.hint
    )
    assert plugin_server("/plugin", "teamsup", "lead") == SERVER
