"""The sections of agent-runner in teamsup.toml: [agent-runner] and [agent.NAME]."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from teamsup.config.keys import SIZE, Example, Number, SecretValues
from teamsup.config.sections import check_timezone, parse_size

from .tool_rules import covers, tool_of

StartReason = Literal["message", "schedule"]
_PARALLEL = Number("runs", 1, 100)
_DOLLARS = Number("US dollars", 0, 1_000_000)
_RUNS = Number("runs", 1, 100_000)
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True)
class RunnerSection:
    """[agent-runner]: the limits of all agents together. This section and [agent.NAME] take effect when the file is
    saved.
    """

    max_parallel: Annotated[int, _PARALLEL] = 2
    """The maximum number of runs at the same time."""
    memory_max: Annotated[str, SIZE] = "4 GiB"
    """No further run starts while all runs together use more memory than this."""
    usd_per_day: Annotated[float, _DOLLARS] = 20.0
    """The limit of cost for all runs of the last 24 hours."""
    runs_per_hour: Annotated[int, _RUNS] = 60
    """The maximum number of starts in an hour."""
    stop_seconds: Annotated[float, Number("seconds", 0.1, 600)] = 10.0
    """Time between SIGTERM, which ends a run, and SIGKILL."""

    def __post_init__(self) -> None:
        parse_size("memory_max", self.memory_max)

    @property
    def memory_max_bytes(self) -> int:
        return parse_size("memory_max", self.memory_max)


@dataclass(frozen=True)
class AgentSection:
    """[agent.NAME]: an agent that a message or a schedule starts, without an open session."""

    start: Annotated[tuple[StartReason, ...], Example('["message", "schedule"]')] = ()
    """The events that start it: a message, the schedule or both. Empty: only a person, with 'teamsup agents start'."""
    schedule: Annotated[str, Example('"*/30 * * * *"')] = ""
    """A cron expression: minute hour day month weekday."""
    timezone: Annotated[str, Example('"Europe/Berlin"')] = ""
    """The time zone of the schedule; empty: this machine's."""
    schedule_prompt: Annotated[str, Example('"Check the backups."')] = ""
    """The text for a scheduled run; empty: a standard text."""
    directory: Annotated[str, Example('"~/ops"')] = ""
    """Its working folder; empty: its own folder in the team's folder."""
    program: Literal["claude"] = "claude"
    """The program of its runs: "claude" is Claude Code. For any other program, use command."""
    command: Annotated[tuple[str, ...], Example('["./agent.py"]')] = ()
    """Another program instead of Claude Code: it reads JSON from stdin and prints its answer."""
    model: Annotated[str, Example('"opus"')] = ""
    """The model for Claude Code; empty: the default of Claude Code."""
    instructions: Annotated[str, Example('"ops.md"')] = ""
    """A file with its instructions, relative to the team's folder. Empty: those of the agent with the same name in the
    plugin of teamsup.
    """
    allowed_tools: Annotated[tuple[str, ...], Example('["Read", "Grep"]')] = ()
    """Tools that it may use without asking people."""
    setting_sources: Annotated[tuple[Literal["user", "project", "local"], ...], Example('["project"]')] = ()
    """The settings of Claude Code that apply to it; empty: none of your settings."""
    max_minutes: Annotated[float, Number("minutes", 0.01, _DAY_MINUTES)] = 15.0
    """The maximum duration of one run."""
    max_turns: Annotated[int, Number("turns", 1, 10_000)] = 40
    """The maximum number of turns of one run."""
    max_usd: Annotated[float, _DOLLARS] = 1.0
    """The limit of cost for one run."""
    runs_per_hour: Annotated[int, _RUNS] = 12
    """The maximum number of its starts in an hour."""
    usd_per_day: Annotated[float, _DOLLARS] = 10.0
    """The limit of cost for its runs of the last 24 hours."""
    max_parallel: Annotated[int, _PARALLEL] = 1
    """The maximum number of conversations at the same time."""
    keep_session_minutes: Annotated[float | None, Number("minutes", 0, _DAY_MINUTES), Example("55")] = None
    """For this time after a run, its conversation continues in the same session; 0: never. By default 55 with a login,
    and 4 with an API key.
    """
    gate: Annotated[tuple[str, ...], Example('["./is_night.sh"]')] = ()
    """A command that decides whether a run starts. Exit code 0: yes; 1: no. Its stdout is the reason."""
    ask_people: Annotated[tuple[str, ...], Example('["Bash"]')] = ()
    """Tools whose calls people must permit."""
    deciders: Annotated[tuple[str, ...], Example('["discord:123456789012345678"]')] = ()
    """The people who may permit tool calls: names at a terminal, such as ann, or discord:ID. Empty: all who
    may write.
    """
    decision_seconds: Annotated[float, Number("seconds", 30, 7 * 86400)] = 3600.0
    """Without a decision in this time a call is denied."""
    ask_in_sessions: bool = False
    """Whether people are also asked to permit the tool calls of an open session of this agent."""
    on_unknown: Literal["ask", "again"] = "ask"
    """The next step after a crash in the middle of a call: ask people, or run the agent again."""
    environment: Annotated[Mapping[str, str], SecretValues(), Example('{ LEVEL = "info" }')] = field(
        default_factory=dict
    )
    """Variables for its processes."""
    env_file: Annotated[str, Example('"gcp.env"')] = ""
    """A file of variables such as API keys, with lines NAME=value. Only you may have access to it (chmod 600)."""

    def __post_init__(self) -> None:
        if ("schedule" in self.start) != bool(self.schedule):
            raise ValueError('start = ["schedule"] and a schedule belong together: give both, or neither')
        if self.timezone:
            check_timezone(self.timezone)
        if self.schedule:
            from teamsup.config.schedule import check_schedule  # only a schedule needs cronsim

            check_schedule(self.schedule)
        for name, texts in (("command", self.command), ("gate", self.gate), ("environment", self._environment_texts)):
            if any("\0" in text for text in texts):
                raise ValueError(f"{name} must not have a NUL in it")
        if any(not name or "=" in name for name in self.environment):
            raise ValueError("environment: a name must not be empty or have '=' in it")
        if self.max_usd > self.usd_per_day:
            raise ValueError("max_usd must not be above usd_per_day, or no run could start")
        self._check_tools()

    @property
    def kind(self) -> str:
        """The kind of its program: "command" or "claude"."""
        return "command" if self.command else "claude"

    @property
    def _environment_texts(self) -> tuple[str, ...]:
        return *self.environment, *self.environment.values()

    def _check_tools(self) -> None:
        """Raise ValueError if rules contradict each other. A tool in both ``ask_people`` and ``allowed_tools`` would
        run without permission.
        """
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
