"""The sections of agent-runner in teamsup.toml: [agent-runner] and [agent.NAME]."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from teamsup.config.sections import check_timezone, parse_size

from .tool_rules import covers, tool_of

StartReason = Literal["message", "schedule"]
START_REASONS: tuple[StartReason, ...] = ("message", "schedule")
_SETTING_SOURCES = ("user", "project", "local")
_MAX_MINUTES = 24 * 60
_MAX_PARALLEL = 100
_MAX_USD = 1_000_000


@dataclass(frozen=True)
class RunnerSection:
    """[agent-runner]: the limits of all agents together. It applies when the file is saved."""

    max_parallel: int = 2
    """Runs at a time."""
    memory_max: str = "4 GiB"
    """No run starts while the memory of all runs is above this."""
    usd_per_day: float = 20.0
    """The limit in dollars for all runs of the last 24 hours together."""
    runs_per_hour: int = 60
    """Starts of processes in the last hour."""
    stop_seconds: float = 10.0
    """Seconds from SIGTERM to SIGKILL."""

    def __post_init__(self) -> None:
        _check_range("max_parallel", self.max_parallel, 1, _MAX_PARALLEL)
        parse_size("memory_max", self.memory_max)
        _check_range("usd_per_day", self.usd_per_day, 0, _MAX_USD)
        _check_range("runs_per_hour", self.runs_per_hour, 1, 100_000)
        _check_range("stop_seconds", self.stop_seconds, 0.1, 600)

    @property
    def memory_max_bytes(self) -> int:
        return parse_size("memory_max", self.memory_max)


@dataclass(frozen=True)
class AgentSection:
    """[agent.NAME]: the causes that start this agent, its program, its limits, and the tools that people must permit.
    It applies when the file is saved.
    """

    start: tuple[str, ...] = ()
    """The causes that start it: "message", "schedule". Empty: only a person starts it, with ``teamsup agents
    start``."""
    schedule: str = ""
    """A cron expression of five fields, such as "*/30 * * * *"."""
    timezone: str = ""
    """The time zone of the schedule, such as "Europe/Berlin"; empty: the host's."""
    schedule_prompt: str = ""
    """The text for a run that the schedule starts; empty: a standard text."""
    directory: str = ""
    """Its working folder; empty: its own folder in the team's folder."""
    program: Literal["claude"] = "claude"
    command: tuple[str, ...] = ()
    """Another program: it gets one JSON object on stdin, and answers on stdout."""
    model: str = ""
    instructions: str = ""
    """A file with its instructions, relative to teamsup.toml."""
    allowed_tools: tuple[str, ...] = ()
    setting_sources: tuple[str, ...] = ()
    """The settings of Claude Code that apply: "user", "project", "local"."""
    max_minutes: float = 15.0
    """The longest run."""
    max_turns: int = 40
    max_usd: float = 1.0
    """The limit in dollars for one run."""
    runs_per_hour: int = 12
    """Starts of its process in the last hour."""
    usd_per_day: float = 10.0
    """The limit in dollars for its runs of the last 24 hours."""
    max_parallel: int = 1
    """Conversations at a time."""
    keep_session_minutes: float | None = None
    """Minutes after a run in which the conversation continues in its session; 0: never. None: as long as the prompt
    cache of its login or API key lasts."""
    gate: tuple[str, ...] = ()
    """A command that decides before each run: exit code 0 starts it, 1 does not, and its stdout is the reason."""
    ask_people: tuple[str, ...] = ()
    """Tools whose calls people must permit."""
    deciders: tuple[str, ...] = ()
    """The people who may permit them: a console's name, or discord:NUMBER. Empty: every person who may write to the
    team."""
    decision_seconds: float = 3600.0
    """The time for a decision; after it the call is denied."""
    ask_in_sessions: bool = False
    """Whether people are also asked what the dialogs of Claude Code ask in an open session of this agent."""
    on_unknown: Literal["ask", "again"] = "ask"
    """After a death in the middle of a call: ask people, or run the cause again."""
    environment: Mapping[str, str] = field(default_factory=dict)
    env_file: str = ""
    """A file with more variables, relative to teamsup.toml, such as one with the key of its login."""

    def __post_init__(self) -> None:
        for reason in self.start:
            if reason not in START_REASONS:
                raise ValueError(f'start: {reason!r} is not one of "message", "schedule"')
        if ("schedule" in self.start) != bool(self.schedule):
            raise ValueError('start = ["schedule"] and a schedule belong together: give both, or neither')
        if self.timezone:
            check_timezone(self.timezone)
        if self.schedule:
            from teamsup.config.schedule import check_schedule  # only a schedule needs cronsim

            check_schedule(self.schedule)
        for source in self.setting_sources:
            if source not in _SETTING_SOURCES:
                raise ValueError(f'setting_sources: {source!r} is not one of "user", "project", "local"')
        for name, texts in (("command", self.command), ("gate", self.gate), ("environment", self._environment_texts)):
            if any("\0" in text for text in texts):
                raise ValueError(f"{name} must not have a NUL in it")
        if any(not name or "=" in name for name in self.environment):
            raise ValueError("environment: a name must not be empty or have '=' in it")
        self._check_limits()
        self._check_tools()

    @property
    def kind(self) -> str:
        """The kind of its program: "command" or "claude"."""
        return "command" if self.command else "claude"

    @property
    def _environment_texts(self) -> tuple[str, ...]:
        return *self.environment, *self.environment.values()

    def _check_limits(self) -> None:
        _check_range("max_minutes", self.max_minutes, 0.01, _MAX_MINUTES)
        _check_range("max_turns", self.max_turns, 1, 10_000)
        _check_range("max_usd", self.max_usd, 0, _MAX_USD)
        _check_range("runs_per_hour", self.runs_per_hour, 1, 100_000)
        _check_range("usd_per_day", self.usd_per_day, 0, _MAX_USD)
        if self.max_usd > self.usd_per_day:
            raise ValueError("max_usd must not be above usd_per_day, or no run could start")
        _check_range("max_parallel", self.max_parallel, 1, _MAX_PARALLEL)
        if self.keep_session_minutes is not None:
            _check_range("keep_session_minutes", self.keep_session_minutes, 0, _MAX_MINUTES)
        _check_range("decision_seconds", self.decision_seconds, 30, 7 * 86400)

    def _check_tools(self) -> None:
        """A rule that allows a tool would let its calls pass without permission."""
        for asked in map(tool_of, self.ask_people):
            for allowed in map(tool_of, self.allowed_tools):
                if covers(allowed, asked) or covers(asked, allowed):
                    raise ValueError(
                        f"allowed_tools and ask_people both name {allowed}; people are asked, or they are not"
                    )
        for rule in self.ask_people:
            name, parenthesis, _ = rule.partition("(")
            if parenthesis and name != "Bash":
                raise ValueError(f"ask_people: only Bash may have a condition; write {name!r} instead of {rule!r}")
            if parenthesis and self.setting_sources:
                raise ValueError(
                    f"ask_people: with setting_sources write 'Bash' instead of {rule!r}, because those settings may"
                    " allow the same command in other words"
                )
        if self.ask_people and self.command:
            raise ValueError('ask_people needs program = "claude"; with command the program itself asks')


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least:g} to {most:g}")
