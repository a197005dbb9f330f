"""Acknowledgements of incidents by people and agents, and agents' reports."""

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import CallerError, Message, MessageHub, UnknownMessage

from ...protocol import NAMED_PEOPLE_KEY
from ..incidents import group_table, incident, incident_table, listing, rendering
from ..incidents.group import IncidentGroups
from ..incidents.incident import Incident

_ACK = re.compile(r"/?ack(?:nowledged?)?\b[\s:.,!-]*(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_GROUP_CONVERSATION = re.compile(r"incident:(\d{1,17})")


@dataclass(frozen=True, slots=True)
class AcknowledgeResult:
    """The effect of an acknowledgement, and the answer to its author."""

    answer: str
    incidents: tuple[Incident, ...] = ()
    people: tuple[str, ...] = ()
    """The ids of the people whom the answer may name."""


class Acknowledgements:
    """Stores acknowledgements, and notifies the others."""

    def __init__(self, hub: MessageHub, groups: IncidentGroups, *, clock: Callable[[], float] = time.time) -> None:
        self._hub = hub
        self._groups = groups
        self._clock = clock

    def acknowledge(
        self,
        words: Sequence[str],
        who: str,
        agent: str | None = None,
        where: str | None = None,
        person: str | None = None,
    ) -> AcknowledgeResult:
        """Acknowledge these incidents with their groups, or ``all``. Do not notify ``agent``, or people in the
        conversation ``where``, who read the answer. ``person`` is the id of ``who``, if the name is not the id. Raise
        UnknownIncident, and CallerError for words that are not numbers.
        """
        with self._hub.transaction():
            wanted = _select_incidents(self._hub, words)
            firsts = dict.fromkeys(each.group_id for each in wanted if each.state == incident.FIRING)
            changed: list[Incident] = []
            for group_id in firsts:
                changed += self._acknowledge_group(group_id, who, person or who)
            if changed:
                self._notify(changed, who, person or who, agent, where)
            people = incident_table.people_named(self._hub, wanted)
            return AcknowledgeResult(self._describe_result(wanted, changed, who), tuple(changed), tuple(people))

    def group_of(self, message: Message) -> int | None:
        """Return the group that a message is about. The message answers one of the group's messages, or is in its
        conversation.
        """
        if message.reply_to is not None:
            with contextlib.suppress(UnknownMessage):
                replied = self._hub.queries.message(message.reply_to)
                if (known := group_table.group_of_message(self._hub, replied.id)) is not None:
                    return known
        match = _GROUP_CONVERSATION.fullmatch(message.conversation_id or "")
        group_id = None if match is None else int(match[1])
        return group_id if group_id is not None and group_table.get_group(self._hub, group_id) is not None else None

    def is_notified(self, group_id: int, name: str) -> bool:
        """Return whether an agent of this name was notified. It may be a program."""
        group = group_table.get_group(self._hub, group_id)
        return group is not None and name in group.agents

    def handle_report(self, group_id: int, message: Message) -> tuple[Incident, ...]:
        """Send an agent's report to people. If its first word is ``ack``, acknowledge too. Return the acknowledged
        incidents.
        """
        ack = _ACK.fullmatch(message.content.strip())
        with self._hub.transaction():
            changed = self._acknowledge_group(group_id, message.sender, message.sender) if ack is not None else []
            if changed:
                self._notify(changed, message.sender, message.sender, message.sender)
            text = message.content if ack is None else ack["rest"]
            if text.strip():
                self._forward_report(group_id, message.sender, text)
            return tuple(changed)

    def _acknowledge_group(self, group_id: int, who: str, person: str) -> list[Incident]:
        now = self._clock()
        firing = [each for each in incident_table.open_in_group(self._hub, group_id) if each.state == incident.FIRING]
        incident_table.acknowledge_group(self._hub, group_id, who, person, now)
        group_table.update_group(
            self._hub, group_id, responded_by=who, responded_by_id=person, responded_at=now, notify_at=None
        )
        return firing

    def _forward_report(self, group_id: int, who: str, text: str) -> None:
        group_table.update_group(self._hub, group_id, responded_by=who, responded_by_id=who, responded_at=self._clock())
        about = incident_table.open_in_group(self._hub, group_id) or incident_table.resolved_in_group(
            self._hub, group_id
        )
        group = group_table.get_group(self._hub, group_id)
        if group is None or not about:
            return
        self._groups.send(
            group,
            USER_COMM,
            rendering.render_report(about[0], who, text),
            "report",
            metadata={"alert": rendering.build_alert_facts(about, severity="info"), "incident": group_id},
        )

    def _notify(
        self, changed: Sequence[Incident], who: str, person: str, agent: str | None, where: str | None = None
    ) -> None:
        """Notify people, and all agents that know of the incident."""
        for group_id in dict.fromkeys(each.group_id for each in changed):
            group = group_table.get_group(self._hub, group_id)
            if group is None:
                continue
            of_this = [each for each in changed if each.group_id == group_id]
            text = rendering.render_acknowledged(of_this, who)
            knows = {group.agent} if group.agent is not None else set()
            for name in group.agents:
                # Withdraw unread messages that ask for an acknowledgement.
                knows |= self._groups.withdraw(group_id, name)
            # Do not enroll agents again that have left the team.
            for name in sorted((knows - {agent}) & set(self._groups.agents_by_name())):
                self._groups.send(group, name, text, "acknowledged", metadata={NAMED_PEOPLE_KEY: [person]})
            facts = {
                "alert": rendering.build_alert_facts(of_this, severity="info"),
                "incident": group_id,
                "answered_in": where,
                NAMED_PEOPLE_KEY: [person],
            }
            closing = self._groups.close_buttons(group_id, rendering.render_acknowledged_note(who))
            self._groups.send(group, USER_COMM, text, "acknowledged", metadata=facts | closing)

    def _describe_result(self, wanted: Sequence[Incident], changed: Sequence[Incident], who: str) -> str:
        if changed:
            return rendering.render_acknowledged(changed, who)
        if not wanted:
            return "Every open incident is acknowledged."
        return listing.describe_states(wanted, datetime.fromtimestamp(self._clock(), UTC))


def parse_numbers(words: Sequence[str], otherwise: str) -> list[int]:
    """Return the numbers in these words. For other words raise CallerError with the text ``otherwise``."""
    numbers = [number for word in words if (number := incident.parse_number(word.strip(","))) is not None]
    if not numbers or len(numbers) < len(words):
        raise CallerError(otherwise)
    return numbers


def _select_incidents(hub: MessageHub, words: Sequence[str]) -> list[Incident]:
    if [word.lower() for word in words] == ["all"]:
        return [each for each in incident_table.open_incidents(hub) if each.state == incident.FIRING]
    numbers = parse_numbers(words, "Name the incident, and nothing else: ack ID, or ack all.")
    return [incident_table.get_incident(hub, number) for number in numbers]
