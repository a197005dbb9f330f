"""Decide whether a run may start now: live sessions, pauses, parallel runs, limits, memory. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..run_table import AgentPause, Usage
from ..sections import AgentSection, RunnerSection

_HOUR, _DAY = 3600.0, 86400.0
_MEMORY_SECONDS = 60.0
"""Seconds until the memory is measured again."""


@dataclass(frozen=True, slots=True)
class Spending:
    """The starts and costs of one agent or of all agents, with the limits of running runs."""

    usage: Usage = field(default_factory=Usage)
    running: int = 0
    reserved_usd: float = 0.0
    """The sum of the cost limits of runs that are running, or have not reported their cost."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The facts for one agent at one moment. Times are Unix seconds."""

    now: float
    login: str = ""
    pauses: Sequence[AgentPause] = ()
    live_until: float | None = None
    """The time until which a live session counts as the reader of this mailbox. Each report of the session extends it.
    """
    is_busy: bool = False
    """Whether this conversation already has a run."""
    own: Spending = field(default_factory=Spending)
    team: Spending = field(default_factory=Spending)


@dataclass(frozen=True, slots=True)
class StartNow:
    """The run may start now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The run must wait, with the reason. ``until`` is the time when this may change, or None if only an event can
    change it.
    """

    reason: str
    until: float | None = None
    is_notified: bool = True
    """Whether the waiting sender should get a notice."""
    setting: str = ""
    """The key of the limit in [agent.NAME]. A limit of [agent-runner] is written with its section:
    "agent-runner.KEY".
    """

    def name_setting(self, agent: str) -> str:
        """Name the setting of the limit, such as "usd_per_day in [agent.lead]"; an empty text if it has none."""
        section, _, key = self.setting.rpartition(".")
        return f"{key} in [{section or f'agent.{agent}'}]" if key else ""


def admit(agent: AgentSection, runner: RunnerSection, at: Circumstances) -> StartNow | Wait:
    """Return whether a run of this agent may start now, apart from the memory. The first reason against it counts."""
    if at.live_until is not None:
        return Wait("a live session reads its messages", at.live_until, is_notified=False)
    for pause in at.pauses:
        if (pause.kind, pause.name) in (("login", at.login),) or pause.kind == "agent":
            return Wait(pause.reason, pause.until)
    if at.is_busy:
        return Wait("another run of this conversation is not over", is_notified=False)
    if at.own.running >= agent.max_parallel:
        return Wait(f"{_count(at.own.running)} of this agent, its max_parallel", is_notified=False)
    if at.team.running >= runner.max_parallel:
        return Wait(f"{_count(at.team.running)}, the max_parallel of [agent-runner]", is_notified=False)
    return _check_limits(agent, runner, at)


def _check_limits(agent: AgentSection, runner: RunnerSection, at: Circumstances) -> StartNow | Wait:
    for who, section, spending, starts, usd in (
        ("it", "", at.own, agent.runs_per_hour, agent.usd_per_day),
        ("the team", "agent-runner.", at.team, runner.runs_per_hour, runner.usd_per_day),
    ):
        usage = spending.usage
        if usage.starts >= starts:
            reason = f"{who} is at its limit of {starts} runs an hour"
            return Wait(reason, (usage.oldest_start or at.now) + _HOUR, setting=f"{section}runs_per_hour")
        # The cost limit of a run is reserved before its start, so that no run exceeds the daily limit.
        if usage.usd + spending.reserved_usd + agent.max_usd > usd:
            oldest = usage.oldest_cost
            until = None if oldest is None else oldest + _DAY
            return Wait(f"{who} is at its limit of ${usd:.2f} a day", until, setting=f"{section}usd_per_day")
    return StartNow()


def admit_with_memory(runner: RunnerSection, used: int, now: float) -> StartNow | Wait:
    """Return whether a run may start while the processes of all runs use this many bytes."""
    if used > runner.memory_max_bytes:
        reason = f"the runs use more than {runner.memory_max} of memory"
        return Wait(reason, now + _MEMORY_SECONDS, setting="agent-runner.memory_max")
    return StartNow()


def _count(running: int) -> str:
    return "one run" if running == 1 else f"{running} runs"
