"""The timeline of an incident: its events, each notification with its time, and the next step. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.config.entries import EntryState, TimelineEvent
from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import DeliveryState

from ..incidents.escalation import (
    EscalationPolicy,
    EscalationState,
    NotifyAgent,
    PagePeople,
    PingPeople,
    RemindAgent,
    RunCommand,
    WaitUntil,
    next_step,
)
from ..incidents.incident import Incident

_ABOUT = {
    "resolved": "that it is over",
    "acknowledged": "that somebody takes care of it",
    "silence": "that its source could not be silenced",
    "report": "what an agent reports",
    "stale": "that its source does not repeat it",
}
"""The subject of a notice, for each status that a message's id may contain."""


@dataclass(frozen=True, slots=True)
class NotifiedRecipient:
    """A message about a group. ``status`` is "firing", or another reason for the message."""

    recipient: str
    status: str
    delivery: DeliveryState


@dataclass(frozen=True, slots=True)
class NextEscalation:
    """The next step of an escalation. ``at`` is None if the step is already due."""

    at: datetime | None
    text: str


def plan_next_step(
    state: EscalationState, policy: EscalationPolicy, notify_at: float | None, now: float
) -> NextEscalation | None:
    """Return the next step and its time, if nothing changes before. Return None if there is no further step."""
    step = next_step(state, policy, now)
    due = now
    if isinstance(step, WaitUntil):
        due = step.until
        step = next_step(state, policy, due)
    if notify_at is not None and (step is None or notify_at <= due):
        return NextEscalation(_moment(max(now, notify_at)), "it is notified again")
    match step:
        case RemindAgent(name):
            text = f"{name} is reminded"
        case NotifyAgent(name):
            text = f"{name} is notified"
        case PagePeople():
            text = "people are paged"
        case PingPeople():
            text = "people are pinged"
        case RunCommand():
            text = "the command runs"
        case _:
            return None
    return NextEscalation(_moment(due), text)


def build_timeline(
    incident: Incident, notifications: Sequence[NotifiedRecipient], planned: NextEscalation | None
) -> tuple[TimelineEvent, ...]:
    """Return the events in the order of their times. Events without a known time come last."""
    events = [*_own_events(incident), *(event for each in notifications for event in _notification_events(each))]
    ordered = sorted(events, key=lambda event: event.at or datetime.max.replace(tzinfo=UTC))
    future = () if planned is None else (TimelineEvent(planned.at, (planned.text,), _CLOCK, is_future=True),)
    return (*ordered, *future)


_CLOCK = EntryState("clock", "to come")


def _own_events(incident: Incident) -> Iterator[TimelineEvent]:
    firing, count = EntryState("failed", "firing"), incident.count
    if incident.began_at is not None and incident.first_seen is not None and incident.began_at < incident.first_seen:
        yield TimelineEvent(incident.began_at, (f"It began, says {incident.source}.",), firing)
    yield TimelineEvent(incident.first_seen, (f"{incident.source} reported it.",), firing)
    if count > 1:
        text = f"{incident.source} reported it for the {count}th time." if count > 3 else "It was reported again."
        yield TimelineEvent(incident.last_seen, (text,), firing)
    if incident.stale_at is not None:
        text = f"{incident.source} has stopped repeating it; nobody knows whether it is over."
        yield TimelineEvent(incident.stale_at, (text,), EntryState("unknown", "stale"))
    if incident.acknowledged_by is not None:
        text = f"{incident.acknowledged_by} acknowledged it."
        yield TimelineEvent(incident.acknowledged_at, (text,), EntryState("acknowledged", "acknowledged"))
    elif incident.responded_by is not None:
        text = f"{incident.responded_by} answered."
        yield TimelineEvent(incident.responded_at, (text,), EntryState("read", "answered"))
    if not incident.is_open:
        yield TimelineEvent(incident.ended_at, ("It ended.",), EntryState("well", "resolved"))


def _notification_events(each: NotifiedRecipient) -> Iterator[TimelineEvent]:
    delivery, is_people = each.delivery, each.recipient == USER_COMM
    if each.status == "firing":
        text = "People were paged" if is_people else f"{each.recipient} was notified"
    else:
        about = _ABOUT.get(each.status, "of it")
        text = f"People were told {about}" if is_people else f"{each.recipient} was told {about}"
    state = EntryState("paged", "paged") if is_people and each.status == "firing" else EntryState("notified", "told")
    if delivery.state in ("dead", "expired"):
        end = "It could not be delivered" if delivery.state == "dead" else "It expired unread"
        yield TimelineEvent(
            delivery.stored_at,
            (f"{text}. {end}: {delivery.outcome}." if delivery.outcome else f"{text}. {end}.",),
            EntryState("failed", "failed"),
        )
        return
    if delivery.read_at is None:
        text += ". It was withdrawn unread" if delivery.state == "cancelled" else ", and has not read it"
        if is_people and delivery.state != "cancelled":
            text = text.replace(", and has not read it", "; user_comm has not passed it on yet")
    elif is_people and delivery.outcome:
        text += f": {delivery.outcome}"
    yield TimelineEvent(delivery.stored_at, (f"{text}.",), state)
    if delivery.read_at is not None and not is_people:
        yield TimelineEvent(delivery.read_at, (f"{each.recipient} read it.",), EntryState("read", "read"))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
