"""Doctor's check of the agents that can be started."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from teamsup.config.components import open_hub
from teamsup.config.loader import Config
from teamsup.config.startable_agents import read_startable_agents
from teamsup.hub import Agent, NotConfigured, Team, TeamsupError
from teamsup.hub.engines.choice import has_store
from teamsup.terminal.findings import CommandHint, Finding, Verdict
from teamsup.terminal.formatting import format_duration, to_single_line

from ..component import component
from ..programs.claude_code import SEEN_VERSION
from ..programs.claude_settings import denied_rules
from ..programs.environment import build_environment
from ..run import Cause, Run
from ..run_table import RunTable
from ..sections import AgentSection
from ..tool_rules import covers, is_denied_before_people, tool_of

_ANSWER_SECONDS = 20.0
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_DETAIL_CHARACTERS = 200


def check_agents(team: Team, agents: Mapping[str, Agent], call: CommandHint) -> list[Finding]:
    """Check each [agent.NAME]: its files, its program and version, its login, and obstacles to a start."""
    try:
        sections = Config(team).sections_of("agent", AgentSection)
    except NotConfigured:
        return []  # the finding about the configuration says so
    if not sections:
        return []
    logins = _Logins()
    return [
        *_check_versions(sections),
        *(_check_agent(team, name, section, agents, logins, call) for name, section in sections.items()),
    ]


def _check_versions(sections: Mapping[str, AgentSection]) -> Iterator[Finding]:
    if all(section.command for section in sections.values()):
        return
    executable = shutil.which("claude")
    if executable is None:
        hint = "Install Claude Code, or give the agent a command of another program."
        yield Finding("runs", Verdict.FAILED, "there is no claude on the PATH", hint)
        return
    said = _ask((executable, "--version"), dict(os.environ))
    found = _VERSION.search(said or "")
    if found is None:
        text = f"{executable} --version does not answer with a version"
        yield Finding("runs", Verdict.FAILED, text, "Start it by hand, and see what it says.")
    elif found[0] != SEEN_VERSION:
        text = f"they use Claude Code {found[0]}; teamsup was tried with {SEEN_VERSION}"
        yield Finding("runs", Verdict.WARNING, text, "Start one agent by hand before you rely on it at night.")
    else:
        yield Finding("runs", Verdict.OK, f"they use Claude Code {found[0]}, with which teamsup was tried")


def _check_agent(
    team: Team, name: str, section: AgentSection, agents: Mapping[str, Agent], logins: "_Logins", call: CommandHint
) -> Finding:
    check = f"agent {name}"
    try:
        environment = build_environment(team, Run(0, name, Cause("person", ""), ""), section)
    except NotConfigured as error:
        return Finding(check, Verdict.FAILED, str(error), "Make the file readable only for you.")
    missing = _find_missing(team, section, environment["PATH"])
    if missing:
        hint = f"Correct it in teamsup.toml, then: {call('doctor')}"
        return Finding(check, Verdict.FAILED, missing, hint)
    login, verdict = ("", Verdict.OK) if section.command else logins.describe(environment)
    if verdict is not Verdict.OK:
        config = environment.get("CLAUDE_CONFIG_DIR")
        setting = f"CLAUDE_CONFIG_DIR={config} " if config else ""
        see = (
            f"Log in with: {setting}claude auth login" if verdict is Verdict.FAILED else f"See: {setting}claude doctor"
        )
        return Finding(check, verdict, login, see)
    obstacle, unknown = _describe_obstacle(name, agents), _describe_unknown_rules(section, environment)
    parts = (_describe_starts(section), login, _describe_last_run(team, name), obstacle, unknown)
    rules = f"Remove the rules, or take the tools out of ask_people, then: {call('reload')}" if unknown else ""
    hint = f"See: {call('agents')}" if obstacle else rules
    verdict = Verdict.WARNING if obstacle or unknown else Verdict.OK
    return Finding(check, verdict, "; ".join(filter(None, parts)), hint)


def _find_missing(team: Team, section: AgentSection, path: str) -> str:
    """Return the files that a start needs and that are missing."""
    directory = Path(section.directory).expanduser()
    if section.directory and not directory.is_dir():
        return f"directory: there is no folder {directory}"
    instructions = team.folder / Path(section.instructions).expanduser()
    if section.instructions and not os.access(instructions, os.R_OK):
        return f"instructions: {instructions} cannot be read"
    for key, command in (("command", section.command), ("gate", section.gate)):
        if command and not _is_executable(command[0], directory if section.directory else team.folder, path):
            return f"{key}: there is no program {command[0]}"
    return ""


def _is_executable(program: str, directory: Path, path: str) -> bool:
    if os.sep in program:
        return os.access(directory / Path(program).expanduser(), os.X_OK)
    return shutil.which(program, path=path) is not None


class _Logins:
    """The logins of the agents. Claude Code takes a second to answer, so each login is asked about once."""

    def __init__(self) -> None:
        self._known: dict[frozenset[tuple[str, str]], tuple[str, Verdict]] = {}

    def describe(self, environment: Mapping[str, str]) -> tuple[str, Verdict]:
        """Return whether Claude Code is logged in in this environment, and how."""
        key = frozenset((name, value) for name, value in environment.items() if not name.startswith("TEAMSUP"))
        if key not in self._known:
            self._known[key] = _describe_login(environment)
        return self._known[key]


def _describe_login(environment: Mapping[str, str]) -> tuple[str, Verdict]:
    """Return whether Claude Code is logged in, and how. Without a network it is unknown whether the login
    still works.
    """
    executable = shutil.which("claude", path=environment["PATH"])
    if executable is None:
        return "there is no claude on its PATH", Verdict.FAILED
    said = _ask((executable, "auth", "status"), environment)
    try:
        status = json.loads(said or "")
        is_logged_in, method = bool(status["loggedIn"]), str(status.get("authMethod"))
    except (ValueError, KeyError, TypeError):
        return f"claude auth status does not say whether there is a login: {_shorten(said)}", Verdict.UNKNOWN
    return (f"logged in by {method}", Verdict.OK) if is_logged_in else ("Claude Code is not logged in", Verdict.FAILED)


def _describe_starts(section: AgentSection) -> str:
    causes = [*(["a message"] if "message" in section.start else []), *([section.schedule] if section.schedule else [])]
    return f"started by {' and '.join(causes) or 'a person only'}"


def _describe_last_run(team: Team, name: str) -> str:
    """Return a sentence about the end of the agent's newest run, which proves more than a login."""
    if not has_store(team):
        return "never run"
    try:
        with open_hub(component, team) as hub:
            found = RunTable(hub).latest(name, 1)
    except TeamsupError as error:
        return f"its runs cannot be read: {error}"
    if not found:
        return "never run"
    return f"last run {format_duration(time.time() - found[0].created_at)} ago: {found[0].state}"


def _describe_unknown_rules(section: AgentSection, environment: Mapping[str, str]) -> str:
    """Return the deny rules that apply only after people have decided, or an empty text."""
    rules = denied_rules(section, Path(section.directory).expanduser(), environment)
    unknown = [
        rule
        for rule in rules
        if not is_denied_before_people(rule) and any(covers(rule, tool_of(asked)) for asked in section.ask_people)
    ]
    return f"people are also asked about calls that {', '.join(unknown)} denies afterwards" if unknown else ""


def _describe_obstacle(name: str, agents: Mapping[str, Agent]) -> str:
    start = read_startable_agents(agents.values(), datetime.now(UTC)).get(name)
    return start.describe_obstacle() if start is not None and start.obstacle else ""


def _ask(command: tuple[str, ...], environment: Mapping[str, str]) -> str | None:
    """Return the output of the program, or None if it does not start or does not end in time."""
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace")


def _shorten(said: str | None) -> str:
    return "it does not answer" if said is None else to_single_line(said, _DETAIL_CHARACTERS) or "it prints nothing"
