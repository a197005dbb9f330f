"""Messages as a page shows them: their authors, and the progress of each delivery. Pure.

user_comm forwards messages between people and agents. Such a copy is folded into its source: the page shows one message
with the deliveries of both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from teamsup.config.entries import Age, EntryState, Text
from teamsup.config.people_protocol import USER_COMM, is_decision_request
from teamsup.hub import Agent, Message
from teamsup.hub.models import DeliveryState
from teamsup.terminal.console import person_name
from teamsup.terminal.formatting import to_single_line

from ....protocol import GATEWAY, MONITOR_BRIDGE, QUESTION_KEY, SOURCE_KEY
from ..rendering import Missing, format_span

Author = Literal["person", "agent", "alert", "worker"]
_PROGRESS = "status_report"
_NAME_CHARACTERS = 60
_URGENT = ("high", "urgent")


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery. Each event is given by the seconds between the storing of the message and the event. ``None``: it
    has not happened. ``Missing.UNKNOWN``: it may have happened.
    """

    recipient: str
    state: EntryState
    evidence: Text
    stored_at: datetime | None
    offered: float | Missing | None
    read: float | Missing | None
    done: float | Missing | None
    attempts: int
    next_try_at: datetime | None
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message. ``summary`` describes the state of its deliveries. ``is_quiet`` is true if all of them have ended
    well.
    """

    id: int
    message_id: str
    author: str
    kind: Author
    role: str
    at: datetime | None
    content: str
    is_progress: bool
    is_urgent: bool
    conversation_id: str | None
    deliveries: tuple[DeliveryView, ...]
    state: EntryState
    summary: Text
    is_quiet: bool


def view_messages(
    messages: Sequence[Message],
    states: Mapping[int, Sequence[DeliveryState]],
    agents: Mapping[str, Agent],
    now: datetime,
    *,
    folds: bool = True,
) -> list[MessageView]:
    """Return these messages as a page shows them, the oldest first. With ``folds``, leave out copies and progress."""
    sources = _find_sources(messages) if folds else {}
    copies: dict[str, list[Message]] = {}
    for message in messages:
        if message.message_id in sources:
            copies.setdefault(sources[message.message_id], []).append(message)
    return [
        _view(message, [message, *copies.get(message.message_id, ())], states, agents, now)
        for message in messages
        if message.message_id not in sources and not (folds and is_progress(message))
    ]


def _find_sources(messages: Iterable[Message]) -> dict[str, str]:
    """Return the message_id of each copy's source, if the source is among the messages too."""
    found: dict[str, str] = {}
    for message in messages:
        found[message.message_id] = _source_of(message)
    return {copy: source for copy, source in found.items() if source in found and source != copy}


def newest_progress(messages: Sequence[Message]) -> dict[str, Message]:
    """Return the newest report on each question that has no answer yet, by the question's message_id."""
    sources = _find_sources(messages)
    found: dict[str, Message] = {}
    for message in messages:
        if message.reply_to is None or message.message_id in sources:
            continue
        question = sources.get(message.reply_to, message.reply_to)
        if is_progress(message):
            found[question] = message
        else:
            found.pop(question, None)
    return found


def author_of(message: Message, agents: Mapping[str, Agent]) -> tuple[str, Author, str]:
    """Return the name, the kind and the role of the author of a message."""
    agent = agents.get(message.sender)
    if message.sender == GATEWAY and message.metadata.get("author_name"):
        return to_single_line(str(message.metadata["author_name"]), _NAME_CHARACTERS), "person", "person on Discord"
    if message.sender.startswith("console-") or (agent is not None and agent.kind == "console"):
        return person_name(message.sender), "person", "person"
    if message.sender == MONITOR_BRIDGE and message.message_type in ("alert", "notification"):
        return message.sender, "alert", "alerts"
    if agent is not None and agent.kind in ("daemon", "supervisor"):
        return message.sender, "worker", "worker"
    return message.sender, "agent", "asks people" if is_decision_request(message) else "agent"


def is_progress(message: Message) -> bool:
    return message.message_type == _PROGRESS


def find_first_new(views: Iterable[MessageView], reader: str) -> int | None:
    """Return the number of the first message that this reader has not seen, or None."""
    unseen = (
        view.id for view in views if any(each.recipient == reader and not each.has_ended for each in view.deliveries)
    )
    return next(unseen, None)


def open_deliveries(views: Iterable[MessageView]) -> list[tuple[MessageView, DeliveryView]]:
    """Return the last delivery of each agent with its message, unless this delivery has ended."""
    last: dict[str, tuple[MessageView, DeliveryView]] = {}
    for view in views:
        for delivery in view.deliveries:
            if delivery.recipient not in (USER_COMM, GATEWAY) and not delivery.recipient.startswith("console-"):
                last[delivery.recipient] = (view, delivery)
    return [(view, delivery) for view, delivery in last.values() if not delivery.has_ended]


def _source_of(message: Message) -> str:
    """Return the message_id of the message that this message forwards, or an empty text."""
    # user_comm's progress names the question too, but is not a copy of the question.
    given = message.metadata.get(SOURCE_KEY) or (None if is_progress(message) else message.metadata.get(QUESTION_KEY))
    return given if message.sender == USER_COMM and isinstance(given, str) else ""


def _view(
    message: Message,
    versions: Sequence[Message],
    states: Mapping[int, Sequence[DeliveryState]],
    agents: Mapping[str, Agent],
    now: datetime,
) -> MessageView:
    author, kind, role = author_of(message, agents)
    deliveries = tuple(
        view_delivery(state, agents.get(state.recipient), now)
        for version in versions
        for state in states.get(version.id, ())
    )
    state, summary, is_quiet = _summarize(deliveries)
    return MessageView(
        id=message.id,
        message_id=message.message_id,
        author=author,
        kind=kind,
        role=role,
        at=message.created_at,
        content=message.content,
        is_progress=is_progress(message),
        is_urgent=message.priority in _URGENT,
        conversation_id=message.conversation_id,
        deliveries=deliveries,
        state=state,
        summary=summary,
        is_quiet=is_quiet,
    )


def view_delivery(state: DeliveryState, agent: Agent | None, now: datetime) -> DeliveryView:
    """Return one delivery. If the agent is silent, it is unknown whether the agent works on the message."""
    is_silent = agent is not None and agent.is_watched and agent.kind != "console" and not agent.is_present(now)
    shown, evidence = _delivery_state(state, is_silent=is_silent)
    is_unknown = shown.shape == "unknown" and state.offered_at is not None
    after = {
        name: _seconds(at, state.stored_at, is_unknown=is_unknown)
        for name, at in (("offered", state.offered_at), ("read", state.read_at), ("done", state.done_at))
    }
    return DeliveryView(
        recipient=state.recipient,
        state=shown,
        evidence=evidence,
        stored_at=state.stored_at,
        offered=after["offered"],
        read=after["read"],
        done=after["done"],
        attempts=state.attempts,
        next_try_at=state.next_try_at if state.state == "ready" else None,
        has_ended=state.state not in ("ready", "leased"),
    )


def _seconds(at: datetime | None, stored: datetime | None, *, is_unknown: bool) -> float | Missing | None:
    if at is not None and stored is not None:
        return max(0.0, (at - stored).total_seconds())
    return Missing.UNKNOWN if is_unknown or at is not None else None


def _delivery_state(state: DeliveryState, *, is_silent: bool) -> tuple[EntryState, Text]:
    why: Text = (state.outcome,) if state.outcome else ()
    match state.state:
        case "done":
            return EntryState("acknowledged", "done"), why
        case "dead":
            return EntryState("failed", "given up"), why
        case "expired" | "cancelled":
            return EntryState("paused", {"expired": "expired", "cancelled": "withdrawn"}[state.state]), why
        case "leased" if is_silent:
            since: Text = () if state.read_at is None else (" it read it ", Age(state.read_at))
            return EntryState("unknown", "unknown"), ("it is not heard;", *since) if since else ("it is not heard",)
        case "leased":
            if state.read_at is None:
                return EntryState("working", "offered"), ()
            return EntryState("working", "read"), (Age(state.read_at), ", not done yet")
    if state.undeliverable:
        return EntryState("unknown", "waits"), ("nobody of that name has taken part yet",)
    if state.next_try_at is not None:
        return EntryState("degraded", "waits"), (*why, " next try ", Age(state.next_try_at, "in"))
    if is_silent:
        return EntryState("silent", "waits"), ("it is not heard",)
    return EntryState("paused", "waits"), why


def _summarize(deliveries: Sequence[DeliveryView]) -> tuple[EntryState, Text, bool]:
    """Return the worst state, a short sentence, and whether everything has ended well."""
    if not deliveries:
        return EntryState("paused", "kept"), ("no recipient",), True
    order = ("failed", "unknown", "degraded", "silent", "paused", "working", "acknowledged")
    worst = min((each.state for each in deliveries), key=lambda state: order.index(state.shape))
    done = [each for each in deliveries if each.state.shape == "acknowledged"]
    last = deliveries[-1]
    if len(done) == len(deliveries):
        took = "" if not isinstance(last.done, float) else f", {format_span(last.done)}"
        return worst, (f"{_name(last)}{took}" if len(deliveries) == 1 else f"{len(done)} done{took}",), True
    if len(deliveries) == 1:
        return worst, (f"{_name(last)}: {last.state.word}",), False
    others = [f"{_name(each)} {each.state.word}" for each in deliveries if each not in done]
    return worst, (f"{len(done)} of {len(deliveries)} done; " + ", ".join(others[:3]),), False


def _name(delivery: DeliveryView) -> str:
    return person_name(delivery.recipient)
