"""The sections of teamsup.toml that are user_comm's: [user_comm] and [message_route.NAME]."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from teamsup.config.sections import check_pattern, check_range
from teamsup.hub.team import normalize_agent_name


@dataclass(frozen=True)
class UserCommSection:
    """[user_comm]: the agents for people's messages, progress, reminders, and limits of open questions. Like
    [message_route.NAME] it applies when the file is saved.
    """

    default_agent: str = ""
    """The agent for messages that match no rule; empty: user_comm answers itself."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    fallback_agents: Mapping[str, str] = field(default_factory=dict)
    """The agents that are asked instead of absent ones."""
    progress_seconds: float = 4.0
    remind_seconds: float = 300.0
    answer_timeout_seconds: float = 3600.0
    open_per_person: int = 50
    open_per_conversation: int = 20
    history_messages: int = 10
    """The number of messages that an agent gets when it joins a conversation."""
    decision_reminder_seconds: float = 1800.0

    def __post_init__(self) -> None:
        for name in (self.default_agent, *self.fallback_agents, *self.fallback_agents.values(), *self.aliases.values()):
            if name:
                normalize_agent_name(name)
        for alias in self.aliases:
            normalize_agent_name(alias)
        for key in ("progress_seconds", "remind_seconds", "answer_timeout_seconds", "decision_reminder_seconds"):
            if not 0 < getattr(self, key) <= 30 * 86400:
                raise ValueError(f"{key} must be above 0 and at most 2592000, which is 30 days")
        check_range(self, 1, 100_000, "open_per_person", "open_per_conversation")
        check_range(self, 0, 100, "history_messages")


@dataclass(frozen=True)
class MessageRouteSection:
    """[message_route.NAME]: the agents for messages with these keywords or this pattern, or from these channels.
    Keywords and patterns come before channels; then the first route in the file applies.
    """

    agents: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    pattern: str = ""
    """A regular expression of Python, searched in any case."""
    channels: tuple[int, ...] = ()
    """Discord's ids; a channel includes its threads."""

    def __post_init__(self) -> None:
        if not self.agents:
            raise ValueError("agents must name at least one agent")
        for agent in self.agents:
            normalize_agent_name(agent)
        if not (self.keywords or self.pattern or self.channels):
            raise ValueError("needs keywords, a pattern or channels")
        check_pattern("pattern", self.pattern)
