"""What a command loads before it does anything: somebody waits for it."""

import subprocess
import sys
from pathlib import Path

import pytest

import teamsup.cli.commands as commands

HEAVY = {
    "asyncio",
    "ssl",
    "mcp",
    "discord",
    "aiohttp",
    "pydantic",
    "prompt_toolkit",
    "watchfiles",
    "watchfiles._rust_notify",
    "importlib.metadata",
}
RARE = {"logging", "shlex", "teamsup.hub.maintenance", "teamsup.hub.engines.component_tables"}
"""What the hub needs only for a log line, a refusal or its maintenance."""
COMMANDS = sorted(path.stem for path in Path(commands.__file__).parent.glob("[a-z]*.py"))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_imported_without_what_only_its_work_needs(command: str) -> None:
    modules = f"teamsup.cli.command_line, teamsup.cli.commands.{command}"
    code = f"import sys, {modules}; print(sorted({HEAVY!r} & sys.modules.keys()))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert shown.stdout == "[]\n"


def test_the_hub_is_imported_without_what_few_processes_need() -> None:
    code = f"import sys, teamsup.hub; print(sorted({(HEAVY | RARE)!r} & sys.modules.keys()))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert shown.stdout == "[]\n"
