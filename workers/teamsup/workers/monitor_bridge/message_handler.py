"""Handle messages to monitor-bridge from people, programs and agents: reports about incidents, commands, and
queries."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.hub import CallerError, Delivery, Message, MessageHub
from teamsup.hub.models import HUB_SENDER
from teamsup.terminal.console import person_name

from ..protocol import NAMED_PEOPLE_KEY
from .escalation.acknowledgements import Acknowledgements, parse_numbers
from .incident_service import IncidentService
from .incidents import incident, incident_table, listing, rendering
from .incidents.incident import Incident
from .incidents.pinging import render_shifts
from .mutes import mute_listing

_MAX_LISTED = 50


@dataclass(frozen=True, slots=True)
class IncidentReport:
    """An agent's report about the incidents of a group."""

    group_id: int


@dataclass(frozen=True, slots=True)
class IncidentCommand:
    """``ack``, ``mute``, ``unmute`` or ``close``, with its author. ``person`` is the author's id. ``agent`` is empty
    for people.
    """

    words: Sequence[str]
    author: str
    person: str
    agent: str | None


@dataclass(frozen=True, slots=True)
class IncidentQuery:
    """A question about incidents or about this host."""

    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class MessageOutcome:
    """The outcome of a message. If there is no answer, the message is only acknowledged."""

    answer: str | None = None
    is_error: bool = False
    acknowledged: tuple[Incident, ...] = ()
    people: tuple[str, ...] = ()
    """The ids of the people whom the answer may name."""


class MessageHandler:
    """Handles messages and ends their deliveries."""

    def __init__(self, hub: MessageHub, incidents: IncidentService, acknowledgements: Acknowledgements) -> None:
        self._hub = hub
        self._incidents = incidents
        self._acknowledgements = acknowledgements

    def handle(self, delivery: Delivery, note: str) -> tuple[Incident, ...]:
        """Act on a message, and return the acknowledged incidents. ``note`` answers any other question."""
        message = delivery.message
        request = self._classify(message)
        match request:
            case None:
                return self._end(delivery, MessageOutcome())
            case IncidentReport(group_id):
                with self._hub.transaction():
                    changed = self._acknowledgements.handle_report(group_id, message)
                    return self._end(delivery, MessageOutcome(acknowledged=changed))
        try:
            if isinstance(request, IncidentQuery):
                # Prepare the text before the transaction, so that other writers do not wait.
                return self._end(delivery, self._answer(request, note))
            with self._hub.transaction():
                return self._end(delivery, self._carry_out(request, message))
        except CallerError as error:
            return self._end(delivery, MessageOutcome(str(error), is_error=True))

    def _end(self, delivery: Delivery, outcome: MessageOutcome) -> tuple[Incident, ...]:
        if outcome.answer is None:
            self._hub.acknowledge(delivery)
        elif outcome.is_error:
            self._hub.reply(delivery, outcome.answer, message_type="error")
        else:
            people = list(outcome.people)
            self._hub.reply(delivery, outcome.answer, metadata={NAMED_PEOPLE_KEY: people} if people else None)
        return outcome.acknowledged

    def _classify(self, message: Message) -> IncidentReport | IncidentCommand | IncidentQuery | None:
        """Return the class of a message, or None if it does not need an action."""
        if message.sender == HUB_SENDER:
            return None
        sender = self._hub.find_agent(message.sender)
        is_agent = sender is None or sender.kind == "agent"
        group = self._acknowledgements.group_of(message)
        # A program among the notified agents reports like an agent; its errors are not answers.
        if group is not None and (
            is_agent or (message.message_type != "error" and self._acknowledgements.is_notified(group, message.sender))
        ):
            return IncidentReport(group)
        if message.recipient is None or message.reply_to is not None:
            return None
        first, *rest = message.content.split() or [""]
        words = (first.lower().removeprefix("/"), *rest)
        if words[0] == "ack" or (words[0] in ("close", "mute", "unmute") and not is_agent):
            if is_agent:
                return IncidentCommand(words, message.sender, message.sender, message.sender)
            author = str(message.metadata.get("author_name") or message.sender)
            person = str(message.metadata.get("person") or message.sender)
            # Do not change a name from Discord.
            author = person_name(author) if person.startswith("console-") else author
            return IncidentCommand(words, author, person, None)
        return IncidentQuery(words)

    def _carry_out(self, command: IncidentCommand, message: Message) -> MessageOutcome:
        verb, *words = command.words
        if verb == "ack":
            where = message.conversation_id if command.agent is None else None
            done = self._acknowledgements.acknowledge(words, command.author, command.agent, where, command.person)
            return MessageOutcome(done.answer, acknowledged=done.incidents, people=done.people)
        if verb in ("mute", "unmute"):
            change = self._incidents.mutes.begin if verb == "mute" else self._incidents.mutes.end
            wanted = _split_quoted(message.content) if verb == "mute" else words
            muted = change(wanted, command.author, command.person, message.conversation_id)
            return MessageOutcome(muted.answer, people=muted.people)
        closed = self._incidents.close(parse_numbers(words, "Name the incident, and nothing else: close ID."))
        return MessageOutcome(rendering.render_closed(closed, command.author))

    def _answer(self, query: IncidentQuery, note: str) -> MessageOutcome:
        now = datetime.now(UTC)
        match query.words:
            case ["alerts"]:
                return self._list(incident_table.open_incidents(self._hub)[:_MAX_LISTED], now)
            case ["alerts", "all"]:
                return self._list(incident_table.all_incidents(self._hub, _MAX_LISTED), now)
            case ["oncall"]:
                return MessageOutcome("\n".join(render_shifts(self._incidents.ping_plan.shifts(now.timestamp()))))
            case ["mutes"]:
                mutes, counts = self._incidents.mutes.list_active()
                closed = self._incidents.mutes.closed_windows()
                people = tuple(mute.created_by_id for mute in mutes if mute.created_by_id)
                return MessageOutcome("\n".join(mute_listing.render_table(mutes, counts, closed, now)), people=people)
            case ["alerts" | "incident", word] if (number := incident.parse_number(word)) is not None:
                found = incident_table.get_incident(self._hub, number)
                people = tuple(incident_table.people_named(self._hub, [found]))
                return MessageOutcome(listing.render_incident(found, now), people=people)
            case _:
                return MessageOutcome(note or "There are no figures yet. They come some seconds after the start.")

    def _list(self, found: Sequence[Incident], now: datetime) -> MessageOutcome:
        people = incident_table.people_named(self._hub, found)
        return MessageOutcome("\n".join(listing.render_table(found, now)), people=tuple(people))


def _split_quoted(content: str) -> list[str]:
    """Return the words after the first word. Words in quotes count as one word. Raise CallerError."""
    try:
        return shlex.split(content)[1:]
    except ValueError:
        raise CallerError("A quote is not closed.") from None
