"""The sections of agent-runner. A changed teamsup.toml applies when it is saved."""

import os
from collections.abc import Mapping
from pathlib import Path

from teamsup.config.loader import Config, load_file
from teamsup.config.startable_agents import AGENT_RUNNER
from teamsup.hub import CallerError, NotConfigured, Team
from teamsup.terminal.hints import command_hint

from ..run_table import AgentPause
from ..sections import AgentSection, RunnerSection

_Stamp = tuple[int, int, int] | None


class AgentSettings:
    """Keeps the last valid sections, and reports the fault of newer sections."""

    def __init__(self, team: Team, config: Config) -> None:
        self._team = team
        # The file may have changed after these settings were read, so read it once more.
        self._stamp: _Stamp = (-1, -1, -1)
        self.failure = ""
        self.agents: Mapping[str, AgentSection] = {}
        self.runner = RunnerSection()
        self._read(config)

    def reload_if_changed(self) -> bool:
        """Return whether the sections have changed. Check the file with one stat()."""
        stamp = self._current_stamp()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        before = self.agents, self.runner
        try:
            if stamp is None or not stamp[1]:
                # While an editor saves the file it may be missing or empty for a moment.
                raise NotConfigured(f"{self._team.configuration} is gone, or empty.")
            self._read(Config(self._team, load_file(self._team)))
        except (CallerError, NotConfigured) as error:
            self.failure = f"keeps the former agents: {error}"
        else:
            self.failure = ""
        return (self.agents, self.runner) != before

    def section(self, name: str) -> AgentSection:
        """Return the section of an agent. If the section was removed, return the defaults until the agent's last run is
        over.
        """
        return self.agents.get(name) or AgentSection()

    def directory(self, name: str) -> str:
        """Return the folder in which an agent works now."""
        given = self.section(name).directory
        return str(self._team.folder / (Path(given).expanduser() if given else Path("agents", name)))

    def login(self, name: str) -> str:
        """Return the login of an agent. Agents with the same login share its limits. An empty text is the login of this
        user.
        """
        section = self.section(name)
        if section.command:
            return f"the program of {name}"
        return section.environment.get("CLAUDE_CONFIG_DIR", "") or section.env_file

    def describe_incident(self, pause: AgentPause) -> str:
        """Return a sentence about a trouble that only a person can end, with the remedy."""
        if pause.kind == "agent":
            fact, agent = f"No run of {pause.name} starts", pause.name
        else:
            login = f"the login {pause.name}" if pause.name else "your login of Claude Code"
            fact = f"No run starts with {login}"
            agent = next((name for name in self.agents if self.login(name) == pause.name), "")
        resume = f" Correct it, then run: {command_hint(self._team, 'agents', 'resume', agent)}" if agent else ""
        return f"{fact}: {pause.reason.rstrip('.')}.{resume}"

    def _read(self, config: Config) -> None:
        agents = config.sections_of("agent", AgentSection)
        self.agents, self.runner = agents, config.section(AGENT_RUNNER, RunnerSection)

    def _current_stamp(self) -> _Stamp:
        try:
            found = os.stat(self._team.configuration)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
