"""The sections of teamsup.toml for user_comm: [user_comm] and [message_route.NAME]."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from teamsup.config.keys import DISCORD_IDS, UP_TO_A_MONTH, Example, Number
from teamsup.config.sections import check_pattern
from teamsup.hub.team import normalize_agent_name


@dataclass(frozen=True)
class UserCommSection:
    """[user_comm]: the agents that answer people's messages, except /commands and messages to @agent. This section and
    [message_route.NAME] take effect when the file is saved.
    """

    default_agent: Annotated[str, Example('"lead"')] = ""
    """The agent for messages that no route matches. Empty: user_comm itself answers greetings, "help", "status" and
    "agents".
    """
    aliases: Annotated[Mapping[str, str], Example('{ gcp = "gcp-monitor" }')] = field(default_factory=dict)
    """Other names of agents: with gcp = "gcp-monitor" a person may write @gcp."""
    fallback_agents: Annotated[Mapping[str, str], Example('{ gcp-monitor = "lead" }')] = field(default_factory=dict)
    """Substitutes for absent agents: with gcp-monitor = "lead", lead is asked when gcp-monitor is away."""
    progress_seconds: Annotated[float, UP_TO_A_MONTH] = 4.0
    """If an answer takes longer than this, the person sees its progress."""
    remind_seconds: Annotated[float, UP_TO_A_MONTH] = 300.0
    """An agent that has read a question but not answered it is reminded after this time."""
    answer_timeout_seconds: Annotated[float, UP_TO_A_MONTH] = 3600.0
    """If an agent has not answered after this time, the person gets a notice. A later answer still arrives."""
    open_per_person: Annotated[int, Number("questions", 1, 100_000)] = 50
    """The maximum number of open questions of one person."""
    open_per_conversation: Annotated[int, Number("questions", 1, 100_000)] = 20
    """The maximum number of open questions in one conversation."""
    history_messages: Annotated[int, Number("messages", 0, 100)] = 10
    """The number of earlier messages that an agent gets when it joins a conversation."""
    decision_reminder_seconds: Annotated[float, UP_TO_A_MONTH] = 1800.0
    """People are reminded of an open decision after this time, then after twice as long, and so on."""

    def __post_init__(self) -> None:
        for name in (self.default_agent, *self.fallback_agents, *self.fallback_agents.values(), *self.aliases.values()):
            if name:
                normalize_agent_name(name)
        for alias in self.aliases:
            normalize_agent_name(alias)


@dataclass(frozen=True)
class MessageRouteSection:
    """[message_route.NAME]: the agents that get certain messages. A route needs keywords, a pattern or channels.
    Keywords and patterns take precedence over channels; if several routes match, the first in the file applies.
    """

    agents: Annotated[tuple[str, ...], Example('["gcp-monitor"]')]
    """The agents that get these messages."""
    keywords: Annotated[tuple[str, ...], Example('["load", "gcp"]')] = ()
    """Whole words; case does not matter."""
    pattern: Annotated[str, Example("'vm-\\d+'")] = ""
    """A regular expression of Python; case does not matter."""
    channels: Annotated[tuple[int, ...], DISCORD_IDS, Example("[123456789012345678]")] = ()
    """Channels on Discord, with their threads."""

    def __post_init__(self) -> None:
        if not self.agents:
            raise ValueError("agents must name at least one agent")
        for agent in self.agents:
            normalize_agent_name(agent)
        if not (self.keywords or self.pattern or self.channels):
            raise ValueError("needs keywords, a pattern or channels")
        check_pattern("pattern", self.pattern)
