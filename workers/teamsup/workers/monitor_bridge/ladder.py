"""The escalation carried out: what escalation.py decides is told, noted, and looked at again when it is due."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from teamsup.hub import Agent, MessageHub, StoreError

from . import incident, texts
from .conversation import Conversation, Conversations
from .escalation import (
    Candidate,
    Fate,
    Policy,
    Ring,
    RunCommand,
    Standing,
    TellAgent,
    TellPeople,
    Wait,
    fate,
    next_step,
)

LONGEST_SECONDS = 300.0
"""Until news are told, at the most."""
_FAILED_SECONDS = 60.0

# What an open conversation may still need: news to be told, or a step to be taken.
_AT_WORK = """
    SELECT first FROM incident_conversations AS c WHERE ended_at IS NULL AND (news_due IS NOT NULL OR
      (acted_at IS NULL AND step IN ('new', 'told', 'rung', :people) AND EXISTS
        (SELECT 1 FROM incidents AS i WHERE i.first = c.first AND i.state = 'firing' AND i.muted_by IS NULL)))
"""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at all conversations has found."""

    next_due: float | None
    """When something is to be done next; None: nothing is open that needs anybody."""
    commands: tuple[int, ...] = ()
    """The conversations for which the command is to be run."""


class Ladder:
    """Takes each conversation from step to step until somebody acts."""

    def __init__(
        self,
        hub: MessageHub,
        conversations: Conversations,
        policy: Policy,
        ping: tuple[int, ...],
        clock: Callable[[], float],
    ) -> None:
        self._hub = hub
        self._conversations = conversations
        self._policy = policy
        self._ping = ping
        self._clock = clock
        self._log = logging.getLogger("monitor-bridge")

    def look(self) -> Looked:
        """Take every step that is due."""
        people = "people" if self._policy.has_command else ""
        due: list[float] = []
        commands: list[int] = []
        for row in self._hub.rows(_AT_WORK, {"people": people}):
            try:
                with self._hub.transaction():
                    step = self.advance(row["first"])
            except StoreError:
                raise
            except Exception:
                # One that cannot be told must not be the end of the others.
                self._log.exception("the escalation of incident %d failed", row["first"])
                step = Wait(self._clock() + _FAILED_SECONDS)
            match step:
                case Wait(until):
                    due.append(until)
                case RunCommand():
                    commands.append(row["first"])
        return Looked(min(due, default=None), tuple(commands))

    def advance(self, first: int) -> Wait | RunCommand | None:
        """Take what steps are due in one conversation, in the caller's transaction; what is left to do."""
        now = self._clock()
        conversation = self._conversations.get(first)
        if conversation is None or conversation.is_over:
            return None
        conversation = self._in_time(conversation, now)
        if conversation.news_due is not None and conversation.news_due <= now:
            self._begin_anew(conversation)
        while True:
            conversation = self._conversations.get(first)
            if conversation is None:
                return None
            agents = self._conversations.everybody()
            step = next_step(self._standing(conversation, agents), self._policy_of(conversation), now)
            match step:
                case Ring(name) | TellAgent(name):
                    self._tell_agent(conversation, name, agents, now, is_again=isinstance(step, Ring))
                case TellPeople(name):
                    self._tell_people(conversation, name, agents, now)
                case Wait(until):
                    return Wait(min(until, conversation.news_due or until))
                case None:
                    return None if conversation.news_due is None else Wait(conversation.news_due)
                case RunCommand():
                    return step

    def command_due(self, first: int) -> float | None:
        """Since when the step is taken after which the command is to be run; None: it is not."""
        is_due = isinstance(self.advance(first), RunCommand)
        conversation = self._conversations.get(first)
        return conversation.since if is_due and conversation is not None else None

    def has_run(self, first: int, since: float | None = None) -> None:
        """The command has been run. What has become news while it ran goes its own way."""
        conversation = self._conversations.get(first)
        if conversation is not None and conversation.step == "people" and since in (None, conversation.since):
            self._conversations.change(first, step="command", since=self._clock())

    def _in_time(self, conversation: Conversation, now: float) -> Conversation:
        """When the clock was set back, nothing waits until it is there again."""
        due = conversation.news_due
        if conversation.since <= now + 1 and (due is None or due <= now + LONGEST_SECONDS):
            return conversation
        changes = {"since": min(conversation.since, now), "news_due": None if due is None else min(due, now)}
        self._conversations.change(conversation.first, **changes)
        return self._conversations.get(conversation.first) or conversation

    def _begin_anew(self, conversation: Conversation) -> None:
        """There is news: whoever has it is told first, and the steps begin again."""
        agents = conversation.agents
        if conversation.agent in agents:
            agents = tuple(dict.fromkeys((conversation.agent, *agents)))
        self._conversations.change(
            conversation.first,
            agents=json.dumps(agents),
            step="new",
            told="[]",
            news_due=None,
            acted_at=None,
            acted_by=None,
        )

    def _standing(self, conversation: Conversation, agents: Mapping[str, Agent]) -> Standing:
        moment = datetime.fromtimestamp(self._clock(), UTC)
        known = {name: agent.is_present(moment) for name, agent in agents.items()}
        # What waits to be told with more, such as a flood, is no news yet.
        gathers = conversation.step == "new" and conversation.news_due is not None
        return Standing(
            conversation.step,
            conversation.since,
            tuple(Candidate(name, known.get(name, False), name in conversation.told) for name in conversation.agents),
            conversation.agent,
            self._fate(conversation),
            is_acted=conversation.acted_by is not None
            or gathers
            or not incident.needs_somebody(self._hub, conversation.first),
        )

    def _policy_of(self, conversation: Conversation) -> Policy:
        wakes = self._policy.has_command and incident.needs_somebody(self._hub, conversation.first, but="info")
        return replace(self._policy, act_seconds=conversation.act_seconds, has_command=wakes)

    def _fate(self, conversation: Conversation) -> Fate:
        if conversation.agent is None:
            return "gone"
        message = self._conversations.last_to(conversation.first, conversation.agent)
        return "gone" if message is None else fate(self._hub.trace(message.message_id), conversation.agent)

    def _tell_agent(
        self, conversation: Conversation, name: str, agents: Mapping[str, Agent], now: float, *, is_again: bool
    ) -> None:
        why = "" if conversation.step == "new" else self._why(conversation, agents, now)
        if conversation.agent not in (None, name) and conversation.told:
            self._conversations.withdraw(conversation.first, conversation.agent)
        self._conversations.tell_agent(conversation, name, why)
        self._conversations.change(
            conversation.first,
            agent=name,
            step="rung" if is_again else "told",
            since=now,
            told=json.dumps([*conversation.told, name]),
            told_at=now,
        )

    def _tell_people(
        self, conversation: Conversation, name: str | None, agents: Mapping[str, Agent], now: float
    ) -> None:
        why = self._why(conversation, agents, now)
        if name is not None:
            # It finds this when it comes.
            self._conversations.tell_agent(conversation, name)
        self._conversations.tell_people(conversation, why, self._ping)
        self._conversations.change(
            conversation.first, agent=name or conversation.agent, step="people", since=now, told_at=now
        )

    def _why(self, conversation: Conversation, agents: Mapping[str, Agent], now: float) -> str:
        """Why it comes to the next: what became of it with whoever had it."""
        moment = datetime.fromtimestamp(now, UTC)
        had_it = agents.get(conversation.agent or "")
        if had_it is None and conversation.step != "new" and conversation.agent is not None:
            return texts.left(conversation.agent)
        if conversation.step == "new" or had_it is None:
            return texts.nobody([agents[name] for name in conversation.agents if name in agents], moment)
        message = self._conversations.last_to(conversation.first, had_it.name)
        number = 0 if message is None else message.id
        if self._fate(conversation) == "read" and not had_it.is_present(moment):
            return texts.gone(had_it, number, moment)
        if self._fate(conversation) == "read":
            return texts.not_acted(had_it.name, number, now - conversation.since)
        but_before = conversation.step == "rung" and self._conversations.has_read_before(
            conversation.first, had_it.name
        )
        return texts.unread(had_it, number, moment, but_before=but_before)
