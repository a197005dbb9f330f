"""The parts of Claude Code's settings that a run must know: the files, the deny rules, and whether hooks are off."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from teamsup.hub import NotConfigured

from ..run import Run
from ..sections import AgentSection

_MANAGED_SETTINGS = Path("/etc/claude-code/managed-settings.json")


def setting_files(agent: AgentSection, directory: Path, environment: Mapping[str, str]) -> list[Path]:
    """Return the files of settings that apply to a run besides its own settings."""
    sources = {
        "user": Path(config_folder(environment)) / "settings.json",
        "project": directory / ".claude" / "settings.json",
        "local": directory / ".claude" / "settings.local.json",
    }
    return [_MANAGED_SETTINGS, *(sources[name] for name in agent.setting_sources)]


def config_folder(environment: Mapping[str, str]) -> str:
    """Return the folder of Claude Code's own files."""
    return environment.get("CLAUDE_CONFIG_DIR") or str(Path(environment.get("HOME", "~"), ".claude").expanduser())


def check_hooks(run: Run, files: Iterable[Path]) -> None:
    """Raise NotConfigured if one of these settings switches the hooks off: the gate is a hook."""
    for file in files:
        try:
            is_off = bool(json.loads(file.read_text("utf-8")).get("disableAllHooks"))
        except (OSError, ValueError, AttributeError):
            continue
        if is_off:
            raise NotConfigured(
                f"[agent.{run.agent}] setting_sources: {file} has disableAllHooks, which would switch off the gate of"
                " the run. Remove it there, or remove the source."
            )


def denied_rules(agent: AgentSection, directory: Path, environment: Mapping[str, str]) -> list[str]:
    """Return the deny rules of this run. People are not asked about a call that a rule denies, because Claude Code
    applies these rules too. An unreadable file counts as a file without rules.
    """
    return [rule for file in setting_files(agent, directory, environment) for rule in _read_denied(file)]


def _read_denied(file: Path) -> Iterator[str]:
    try:
        permissions = json.loads(file.read_text("utf-8")).get("permissions", {})
        yield from (rule for rule in permissions.get("deny", []) if isinstance(rule, str))
    except (OSError, ValueError, AttributeError, TypeError):
        return
