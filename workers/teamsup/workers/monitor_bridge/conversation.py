"""A conversation of incidents: what is told and seen through as one, and the messages that told of it.

Everything here runs inside of a transaction of the caller's.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from teamsup.hub import Agent, Message, MessageHub, UnknownMessage
from teamsup.hub.clock import from_text, to_text

from . import incident, texts
from .escalation import Step
from .incident import Incident, conversation_id
from .routes import PEOPLE, Way

_MOST_TOLD = 1000  # at once; of more the number is told
_MOST_SETTLED = 100  # the newest; older ones keep their buttons


@dataclass(frozen=True, slots=True)
class Conversation:
    """How one stands."""

    first: int
    source: str
    name: str
    is_flood: bool
    agents: tuple[str, ...]
    act_seconds: float
    agent: str | None
    step: Step
    since: float
    told: tuple[str, ...]
    told_at: float | None
    news_due: float | None
    people_told: bool
    acted_by: str | None
    is_over: bool


class Conversations:
    """Keeps them, and says what is to be said in them."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def begin(self, first: int, source: str, name: str, way: Way, now: float, *, is_flood: bool = False) -> None:
        self._hub.change(
            "INSERT INTO incident_conversations (first, source, name, is_flood, agents, act_seconds, since)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (first, source, name, is_flood, json.dumps(way.agents), way.act_seconds, to_text(now)),
        )

    def get(self, first: int) -> Conversation | None:
        rows = self._hub.rows("SELECT * FROM incident_conversations WHERE first = ?", (first,))
        return _from(rows[0]) if rows else None

    def named(self, source: str, name: str, *, is_flood: bool = False) -> Conversation | None:
        """The open one of that group."""
        rows = self._hub.rows(
            "SELECT * FROM incident_conversations WHERE source = ? AND name = ? AND is_flood = ? AND ended_at IS NULL"
            " ORDER BY first DESC LIMIT 1",
            (source, name, is_flood),
        )
        return _from(rows[0]) if rows else None

    def last_named(self, source: str, name: str) -> Conversation | None:
        """The newest of that group, open or over."""
        rows = self._hub.rows(
            "SELECT * FROM incident_conversations WHERE source = ? AND name = ? AND name <> '' AND is_flood = 0"
            " ORDER BY first DESC LIMIT 1",
            (source, name),
        )
        return _from(rows[0]) if rows else None

    def begun_since(self, source: str, name: str, moment: str, most: int) -> int:
        """How often that group has begun since then, as far as this."""
        (row,) = self._hub.rows(
            "SELECT count(*) FROM (SELECT since FROM incident_conversations"
            " WHERE source = ? AND name = ? AND name <> '' ORDER BY first DESC LIMIT ?) WHERE since > ?",
            (source, name, most, moment),
        )
        return int(row[0])

    def change(self, first: int, **values: object) -> None:
        """Change columns; moments are Unix seconds."""
        moments = ("since", "told_at", "news_due", "acted_at", "ended_at")
        stored = {
            name: to_text(value) if name in moments and isinstance(value, int | float) else value
            for name, value in values.items()
        }
        changes = ", ".join(f"{name} = :{name}" for name in stored)
        sql = f"UPDATE incident_conversations SET {changes} WHERE first = :first"  # noqa: S608 - columns of ours
        self._hub.change(sql, {**stored, "first": first})

    def tell_agent(self, conversation: Conversation, agent: str, why: str = "") -> Message:
        """Tell an agent what is open; what it has not read of this yet is withdrawn, as this says it all."""
        self.withdraw(conversation.first, agent)
        open_now, more = incident.to_be_told(self._hub, conversation.first, _MOST_TOLD)
        return self.say(
            conversation,
            agent,
            texts.for_agent(open_now, why, is_flood=conversation.is_flood, more=more),
            "firing",
            priority=texts.PRIORITY[incident.worst(each.severity for each in open_now)],
            metadata={"alert": texts.facts(open_now, more=more), "incident": conversation.first},
        )

    def tell_people(self, conversation: Conversation, why: str, ping: tuple[int, ...]) -> Message:
        """Tell people, who can acknowledge at the press of a button."""
        open_now, more = incident.to_be_told(self._hub, conversation.first, _MOST_TOLD)
        worst = incident.worst(each.severity for each in open_now)
        pinged = ping if worst != "info" else ()
        buttons = {} if open_now[0].is_test else {"Acknowledge": f"/ack {conversation.first}"}
        return self.say(
            conversation,
            PEOPLE,
            texts.for_people(open_now, why, is_flood=conversation.is_flood, more=more),
            "firing",
            priority=texts.PRIORITY[worst],
            metadata={
                "alert": texts.facts(open_now, more=more),
                "incident": conversation.first,
                "commands": buttons,
                "ping": [str(number) for number in pinged],
            },
        )

    def say(
        self,
        conversation: Conversation,
        recipient: str,
        text: str,
        status: str,
        *,
        priority: str = "normal",
        metadata: Mapping[str, Any] | None = None,
    ) -> Message:
        """Send one message of this conversation."""
        first = conversation.first
        self._hub.change("UPDATE incident_conversations SET news = news + 1 WHERE first = ?", (first,))
        (row,) = self._hub.rows("SELECT news FROM incident_conversations WHERE first = ?", (first,))
        self._hub.enroll(recipient, "daemon" if recipient == PEOPLE else "agent")
        message = self._hub.send(
            recipient,
            text,
            message_type="notification",
            priority=priority,
            metadata=metadata,
            message_id=f"{conversation.source}:{first}:{status}:{row['news']}",
            conversation_id=conversation_id(first),
        )
        self._hub.change("INSERT INTO incident_messages VALUES (?, ?, ?)", (message.id, first, recipient))
        if recipient == PEOPLE:
            self.change(first, people_told=1)
        return message

    def last_to(self, first: int, agent: str) -> Message | None:
        """The message that told an agent last."""
        rows = self._hub.rows(
            "SELECT max(message) AS message FROM incident_messages WHERE first = ? AND recipient = ?", (first, agent)
        )
        try:
            return self._hub.message(f"#{rows[0]['message']}") if rows[0]["message"] is not None else None
        except UnknownMessage:
            return None

    def has_read_before(self, first: int, agent: str) -> bool:
        """Whether an agent has read the message before the last one."""
        rows = self._hub.rows(
            "SELECT d.read_at FROM incident_messages AS i"
            " JOIN deliveries AS d ON d.message = i.message AND d.recipient = i.recipient"
            " WHERE i.first = ? AND i.recipient = ? ORDER BY i.message DESC LIMIT 1 OFFSET 1",
            (first, agent),
        )
        return bool(rows) and rows[0]["read_at"] is not None

    def withdraw(self, first: int, recipient: str | None = None) -> set[str]:
        """Take back what nobody has read yet; who has read something of it, and so knows."""
        rows = self._hub.rows(
            "SELECT i.message, i.recipient, d.state, d.read_at FROM incident_messages AS i"
            " JOIN deliveries AS d ON d.message = i.message AND d.recipient = i.recipient"
            " WHERE i.first = ? AND (? IS NULL OR i.recipient = ?)",
            (first, recipient, recipient),
        )
        knows = set()
        for row in rows:
            if row["read_at"] is not None:
                knows.add(row["recipient"])
            elif row["state"] in ("ready", "leased"):
                self._hub.cancel(f"#{row['message']}")
        return knows

    def end(self, conversation: Conversation, over: list[Incident], now: float, moment: datetime) -> None:
        """All of it is resolved: what was not read is withdrawn, and who knows of it is told once."""
        knows = self.withdraw(conversation.first)
        facts = {"alert": texts.facts(over, severity="resolved"), "incident": conversation.first}
        settled = self.settled(conversation.first, texts.over(over, moment), is_over=True)
        # Who has left the team for good is not brought back by that.
        for recipient in sorted(knows & {PEOPLE, *self.everybody()}):
            metadata = facts | settled if recipient == PEOPLE else facts
            self.say(conversation, recipient, texts.resolved(over, moment), "resolved", metadata=metadata)
        self.change(conversation.first, ended_at=now, news_due=None)

    def settled(self, first: int, words: str, *, is_over: bool = False) -> dict[str, Any]:
        """What user_comm needs to end the buttons of what people were told, and to say there why."""
        rows = self._hub.rows(
            "SELECT message FROM incident_messages WHERE first = ? AND recipient = ? ORDER BY message DESC LIMIT ?",
            (first, PEOPLE, _MOST_SETTLED),
        )
        return {"settled": {"messages": [row["message"] for row in rows], "words": words, "is_over": is_over}}

    def goes_on_in(self, first: int, other: int, now: float) -> None:
        """What is left of it belongs to another from now on, also answers to what it has said."""
        self._hub.change("UPDATE incident_messages SET first = ? WHERE first = ?", (other, first))
        self.change(first, ended_at=now, news_due=None)

    def everybody(self) -> dict[str, Agent]:
        """Everybody, by name."""
        return {agent.name: agent for agent in self._hub.agents()}


def _from(row: sqlite3.Row) -> Conversation:
    return Conversation(
        first=row["first"],
        source=row["source"],
        name=row["name"],
        is_flood=bool(row["is_flood"]),
        agents=tuple(json.loads(row["agents"])),
        act_seconds=row["act_seconds"],
        agent=row["agent"],
        step=row["step"],
        since=_seconds(row["since"]) or 0.0,
        told=tuple(json.loads(row["told"])),
        told_at=_seconds(row["told_at"]),
        news_due=_seconds(row["news_due"]),
        people_told=bool(row["people_told"]),
        acted_by=row["acted_by"],
        is_over=row["ended_at"] is not None,
    )


def _seconds(text: str | None) -> float | None:
    moment = from_text(text)
    return None if moment is None else moment.timestamp()
