"""A group of incidents that an agent gets as one conversation, with the messages about it.

Everything here runs inside the caller's transaction.
"""

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from teamsup.config.people_protocol import USER_COMM
from teamsup.config.startable_agents import list_agents
from teamsup.hub import Agent, DeliveryState, Message, MessageHub, UnknownMessage

from ...protocol import CLOSE_BUTTONS, NAMED_PEOPLE_KEY
from . import group_table, incident, incident_table, rendering
from .group_table import IncidentGroup
from .incident import Incident, group_conversation_id
from .pinging import NOBODY, Pinging

_MAX_NOTIFIED = 1000  # the most incidents in one message
_MAX_CLOSED_BUTTONS = 100  # the newest; older ones keep their buttons


class IncidentGroups:
    """Send, withdraw and close the messages of groups."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def notify_agent(self, group: IncidentGroup, agent: str, why: str = "") -> Message:
        """Notify an agent of all open incidents, and withdraw its unread messages about them."""
        self.withdraw(group.group_id, agent)
        open_now, more = incident_table.select_to_notify(self._hub, group.group_id, _MAX_NOTIFIED)
        return self.send(
            group,
            agent,
            rendering.render_for_agent(open_now, why, is_storm=group.is_storm, more=more),
            "firing",
            priority=rendering.PRIORITY[incident.worst_severity(each.severity for each in open_now)],
            metadata={"alert": rendering.build_alert_facts(open_now, more=more), "incident": group.group_id},
        )

    def page_people(self, group: IncidentGroup, why: str, pinging: Pinging = NOBODY) -> Message:
        """Page people, who can acknowledge by a button."""
        open_now, more = incident_table.select_to_notify(self._hub, group.group_id, _MAX_NOTIFIED)
        buttons = {} if open_now[0].is_test else {"Acknowledge": f"/ack {group.group_id}"}
        text = rendering.render_for_people(open_now, why, is_storm=group.is_storm, more=more)
        return self.send(
            group,
            USER_COMM,
            f"{text}\n{pinging.note}" if pinging.note else text,
            "firing",
            priority=rendering.PRIORITY[incident.worst_severity(each.severity for each in open_now)],
            metadata={
                "alert": rendering.build_alert_facts(open_now, more=more),
                "incident": group.group_id,
                "commands": buttons,
                "ping": [str(number) for number in pinging.users],
            },
        )

    def send(
        self,
        group: IncidentGroup,
        recipient: str,
        text: str,
        status: str,
        *,
        priority: str = "normal",
        metadata: Mapping[str, Any] | None = None,
    ) -> Message:
        """Send one message of this group."""
        group_id = group.group_id
        count = group_table.count_message(self._hub, group_id)
        self._hub.enroll(recipient, "daemon" if recipient == USER_COMM else "agent")
        message = self._hub.send(
            recipient,
            text,
            message_type="notification",
            priority=priority,
            metadata=metadata,
            message_id=f"{group.source}:{group_id}:{status}:{count}",
            conversation_id=group_conversation_id(group_id),
        )
        group_table.insert_message(self._hub, message.id, group_id, recipient)
        if recipient == USER_COMM:
            group_table.update_group(self._hub, group_id, people_notified=1)
        return message

    def last_message_to(self, group_id: int, agent: str) -> Message | None:
        """Return the last message to an agent."""
        for number in group_table.messages_to(self._hub, group_id, agent, 1):
            with contextlib.suppress(UnknownMessage):
                return self._hub.queries.message(f"#{number}")
        return None

    def has_read_previous(self, group_id: int, agent: str) -> bool:
        """Return whether an agent has read the message before the last."""
        numbers = group_table.messages_to(self._hub, group_id, agent, 2)
        state = self._delivery_of(numbers[1], agent) if len(numbers) > 1 else None
        return state is not None and state.read_at is not None

    def withdraw(self, group_id: int, recipient: str | None = None) -> set[str]:
        """Withdraw unread messages. Return the agents that have read any message of the group."""
        knows = set()
        for number, name in group_table.messages_of(self._hub, group_id):
            if recipient in (None, name) and (state := self._delivery_of(number, name)) is not None:
                if state.read_at is not None:
                    knows.add(name)
                elif state.state in ("ready", "leased"):
                    self._hub.cancel(f"#{number}")
        return knows

    def _delivery_of(self, number: int, recipient: str) -> DeliveryState | None:
        states = self._hub.queries.trace(f"#{number}")
        return next((state for state in states if state.recipient == recipient), None)

    def resolve(self, group: IncidentGroup, over: list[Incident], now: float, moment: datetime) -> None:
        """Resolve the group: withdraw unread messages, and notify once each agent and person that knows of it."""
        knows = self.withdraw(group.group_id)
        facts: dict[str, Any] = {
            "alert": rendering.build_alert_facts(over, severity="resolved"),
            "incident": group.group_id,
            NAMED_PEOPLE_KEY: incident_table.people_named(self._hub, over),
        }
        closing = self.close_buttons(group.group_id, rendering.render_resolved_note(over, moment), is_over=True)
        # Do not enroll agents again that have left the team.
        for recipient in sorted(knows & {USER_COMM, *self.agents_by_name()}):
            metadata = facts | closing if recipient == USER_COMM else facts
            self.send(group, recipient, rendering.render_resolved(over, moment), "resolved", metadata=metadata)
        group_table.update_group(self._hub, group.group_id, ended_at=now, notify_at=None)

    def close_buttons(self, group_id: int, text: str, *, is_over: bool = False) -> dict[str, Any]:
        """Return the metadata with which user_comm disables the buttons, and shows the reason."""
        numbers = group_table.messages_to(self._hub, group_id, USER_COMM, _MAX_CLOSED_BUTTONS)
        return {CLOSE_BUTTONS: {"messages": numbers, "text": text, "is_over": is_over}}

    def merge_into(self, group_id: int, other: int, now: float) -> None:
        """Move the incidents and messages of a group to another group. Answers to these messages then belong to the
        other group.
        """
        group_table.move_messages(self._hub, group_id, other)
        group_table.update_group(self._hub, group_id, ended_at=now, notify_at=None)

    def agents_by_name(self) -> dict[str, Agent]:
        """Return all agents, by name."""
        return {agent.name: agent for agent in list_agents(self._hub)}
