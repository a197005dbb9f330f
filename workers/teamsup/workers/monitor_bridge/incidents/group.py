"""A group of incidents that an agent gets as one conversation, with the messages about it.

Everything here runs inside the caller's transaction.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import Agent, Message, MessageHub, UnknownMessage
from teamsup.hub.timestamps import format_time, parse_time

from ...protocol import CLOSE_BUTTONS
from . import incident, rendering
from .escalation import EscalationStep
from .incident import Incident, group_conversation_id
from .routes import EscalationChain

_MAX_NOTIFIED = 1000  # at once; of more the number is told
_MAX_CLOSED_BUTTONS = 100  # the newest; older ones keep their buttons


@dataclass(frozen=True, slots=True)
class IncidentGroup:
    """The state of one group."""

    group_id: int
    source: str
    name: str
    is_storm: bool
    agents: tuple[str, ...]
    ack_timeout_seconds: float
    agent: str | None
    step: EscalationStep
    since: float
    notified: tuple[str, ...]
    notified_at: float | None
    notify_at: float | None
    people_notified: bool
    responded_by: str | None
    is_resolved: bool


class IncidentGroups:
    """Store the groups, and decide which messages they need."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def create(
        self, group_id: int, source: str, name: str, way: EscalationChain, now: float, *, is_storm: bool = False
    ) -> None:
        self._hub.execute(
            "INSERT INTO incident_groups (group_id, source, name, is_storm, agents, ack_timeout_seconds, since)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (group_id, source, name, is_storm, json.dumps(way.agents), way.ack_timeout_seconds, format_time(now)),
        )

    def get(self, group_id: int) -> IncidentGroup | None:
        rows = self._hub.query("SELECT * FROM incident_groups WHERE group_id = ?", (group_id,))
        return _to_group(rows[0]) if rows else None

    def find_open(self, source: str, name: str, *, is_storm: bool = False) -> IncidentGroup | None:
        """The open one of that group."""
        rows = self._hub.query(
            "SELECT * FROM incident_groups WHERE source = ? AND name = ? AND is_storm = ? AND ended_at IS NULL"
            " ORDER BY group_id DESC LIMIT 1",
            (source, name, is_storm),
        )
        return _to_group(rows[0]) if rows else None

    def find_latest(self, source: str, name: str) -> IncidentGroup | None:
        """The newest of that group, open or over."""
        rows = self._hub.query(
            "SELECT * FROM incident_groups WHERE source = ? AND name = ? AND name <> '' AND is_storm = 0"
            " ORDER BY group_id DESC LIMIT 1",
            (source, name),
        )
        return _to_group(rows[0]) if rows else None

    def count_since(self, source: str, name: str, moment: str, most: int) -> int:
        """How often that group has begun since then, as far as this."""
        (row,) = self._hub.query(
            "SELECT count(*) FROM (SELECT since FROM incident_groups"
            " WHERE source = ? AND name = ? AND name <> '' ORDER BY group_id DESC LIMIT ?) WHERE since > ?",
            (source, name, most, moment),
        )
        return int(row[0])

    def update(self, group_id: int, **values: object) -> None:
        """Change columns; moments are Unix seconds."""
        moments = ("since", "notified_at", "notify_at", "responded_at", "ended_at")
        stored = {
            name: format_time(value) if name in moments and isinstance(value, int | float) else value
            for name, value in values.items()
        }
        changes = ", ".join(f"{name} = :{name}" for name in stored)
        sql = f"UPDATE incident_groups SET {changes} WHERE group_id = :group_id"  # noqa: S608 - columns of ours
        self._hub.execute(sql, {**stored, "group_id": group_id})

    def notify_agent(self, conversation: IncidentGroup, agent: str, why: str = "") -> Message:
        """Tell an agent what is open; what it has not read of this yet is withdrawn, as this says it all."""
        self.withdraw(conversation.group_id, agent)
        open_now, more = incident.select_to_notify(self._hub, conversation.group_id, _MAX_NOTIFIED)
        return self.send(
            conversation,
            agent,
            rendering.render_for_agent(open_now, why, is_storm=conversation.is_storm, more=more),
            "firing",
            priority=rendering.PRIORITY[incident.worst_severity(each.severity for each in open_now)],
            metadata={"alert": rendering.build_alert_facts(open_now, more=more), "incident": conversation.group_id},
        )

    def page_people(self, conversation: IncidentGroup, why: str, ping: tuple[int, ...]) -> Message:
        """Tell people, who can acknowledge at the press of a button."""
        open_now, more = incident.select_to_notify(self._hub, conversation.group_id, _MAX_NOTIFIED)
        worst = incident.worst_severity(each.severity for each in open_now)
        pinged = ping if worst != "info" else ()
        buttons = {} if open_now[0].is_test else {"Acknowledge": f"/ack {conversation.group_id}"}
        return self.send(
            conversation,
            USER_COMM,
            rendering.render_for_people(open_now, why, is_storm=conversation.is_storm, more=more),
            "firing",
            priority=rendering.PRIORITY[worst],
            metadata={
                "alert": rendering.build_alert_facts(open_now, more=more),
                "incident": conversation.group_id,
                "commands": buttons,
                "ping": [str(number) for number in pinged],
            },
        )

    def send(
        self,
        conversation: IncidentGroup,
        recipient: str,
        text: str,
        status: str,
        *,
        priority: str = "normal",
        metadata: Mapping[str, Any] | None = None,
    ) -> Message:
        """Send one message of this conversation."""
        group_id = conversation.group_id
        self._hub.execute(
            "UPDATE incident_groups SET message_count = message_count + 1 WHERE group_id = ?", (group_id,)
        )
        (row,) = self._hub.query("SELECT message_count FROM incident_groups WHERE group_id = ?", (group_id,))
        self._hub.enroll(recipient, "daemon" if recipient == USER_COMM else "agent")
        message = self._hub.send(
            recipient,
            text,
            message_type="notification",
            priority=priority,
            metadata=metadata,
            message_id=f"{conversation.source}:{group_id}:{status}:{row['message_count']}",
            conversation_id=group_conversation_id(group_id),
        )
        self._hub.execute("INSERT INTO incident_messages VALUES (?, ?, ?)", (message.id, group_id, recipient))
        if recipient == USER_COMM:
            self.update(group_id, people_notified=1)
        return message

    def last_message_to(self, group_id: int, agent: str) -> Message | None:
        """The message that told an agent last."""
        rows = self._hub.query(
            "SELECT max(message) AS message FROM incident_messages WHERE group_id = ? AND recipient = ?",
            (group_id, agent),
        )
        try:
            return self._hub.queries.message(f"#{rows[0]['message']}") if rows[0]["message"] is not None else None
        except UnknownMessage:
            return None

    def has_read_previous(self, group_id: int, agent: str) -> bool:
        """Whether an agent has read the message before the last one."""
        rows = self._hub.query(
            "SELECT d.read_at FROM incident_messages AS i"
            " JOIN deliveries AS d ON d.message = i.message AND d.recipient = i.recipient"
            " WHERE i.group_id = ? AND i.recipient = ? ORDER BY i.message DESC LIMIT 1 OFFSET 1",
            (group_id, agent),
        )
        return bool(rows) and rows[0]["read_at"] is not None

    def withdraw(self, group_id: int, recipient: str | None = None) -> set[str]:
        """Take back what nobody has read yet; who has read something of it, and so knows."""
        rows = self._hub.query(
            "SELECT i.message, i.recipient, d.state, d.read_at FROM incident_messages AS i"
            " JOIN deliveries AS d ON d.message = i.message AND d.recipient = i.recipient"
            " WHERE i.group_id = ? AND (? IS NULL OR i.recipient = ?)",
            (group_id, recipient, recipient),
        )
        knows = set()
        for row in rows:
            if row["read_at"] is not None:
                knows.add(row["recipient"])
            elif row["state"] in ("ready", "leased"):
                self._hub.cancel(f"#{row['message']}")
        return knows

    def resolve(self, conversation: IncidentGroup, over: list[Incident], now: float, moment: datetime) -> None:
        """All of it is resolved: what was not read is withdrawn, and who knows of it is told once."""
        knows = self.withdraw(conversation.group_id)
        facts = {"alert": rendering.build_alert_facts(over, severity="resolved"), "incident": conversation.group_id}
        closing = self.close_buttons(conversation.group_id, rendering.render_resolved_note(over, moment), is_over=True)
        # Who has left the team for good is not brought back by that.
        for recipient in sorted(knows & {USER_COMM, *self.agents_by_name()}):
            metadata = facts | closing if recipient == USER_COMM else facts
            self.send(conversation, recipient, rendering.render_resolved(over, moment), "resolved", metadata=metadata)
        self.update(conversation.group_id, ended_at=now, notify_at=None)

    def close_buttons(self, group_id: int, text: str, *, is_over: bool = False) -> dict[str, Any]:
        """What user_comm needs to end the buttons of what people were told, and to say there why."""
        rows = self._hub.query(
            "SELECT message FROM incident_messages WHERE group_id = ? AND recipient = ? ORDER BY message DESC LIMIT ?",
            (group_id, USER_COMM, _MAX_CLOSED_BUTTONS),
        )
        return {CLOSE_BUTTONS: {"messages": [row["message"] for row in rows], "text": text, "is_over": is_over}}

    def merge_into(self, group_id: int, other: int, now: float) -> None:
        """What is left of it belongs to another from now on, also answers to what it has said."""
        self._hub.execute("UPDATE incident_messages SET group_id = ? WHERE group_id = ?", (other, group_id))
        self.update(group_id, ended_at=now, notify_at=None)

    def agents_by_name(self) -> dict[str, Agent]:
        """Everybody, by name."""
        return {agent.name: agent for agent in self._hub.agents()}


def _to_group(row: sqlite3.Row) -> IncidentGroup:
    return IncidentGroup(
        group_id=row["group_id"],
        source=row["source"],
        name=row["name"],
        is_storm=bool(row["is_storm"]),
        agents=tuple(json.loads(row["agents"])),
        ack_timeout_seconds=row["ack_timeout_seconds"],
        agent=row["agent"],
        step=row["step"],
        since=_to_seconds(row["since"]) or 0.0,
        notified=tuple(json.loads(row["notified"])),
        notified_at=_to_seconds(row["notified_at"]),
        notify_at=_to_seconds(row["notify_at"]),
        people_notified=bool(row["people_notified"]),
        responded_by=row["responded_by"],
        is_resolved=row["ended_at"] is not None,
    )


def _to_seconds(text: str | None) -> float | None:
    moment = parse_time(text)
    return None if moment is None else moment.timestamp()
