"""Render incidents for a person who asks: one incident in full, all in a table, or only counts. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from teamsup.terminal.formatting import format_duration, format_moment, format_table, sanitize

from .incident import ACKNOWLEDGED, Incident
from .rendering import MAX_DISTINCTION, distinguishing_label, format_count, render_labels, render_title

_MAX_DESCRIBED = 20
_NOTIFIED = {
    "notified": "{agent}",
    "reminded": "{agent} again",
    "paged": "people",
    "command": "people, and by the command",
}
"""A phrase about the last notification, for each step of the escalation."""


def render_table(incidents: Sequence[Incident], now: datetime, columns: int | None = None) -> list[str]:
    """Return a table with a line for each incident, for a terminal with this many columns."""
    if not incidents:
        return ["No incident is open."]
    alike: dict[str, list[Incident]] = {}
    for each in incidents:
        alike.setdefault(render_title(each), []).append(each)
    apart = {title: distinguishing_label(those)[0] for title, those in alike.items()}
    rows = [("ID", "SEVERITY", "AGE", "COUNT", "STATE", "TITLE")]
    rows += [
        (
            str(each.id),
            each.severity,
            "-" if each.first_seen is None else format_duration((now - each.first_seen).total_seconds()),
            str(each.count),
            describe_state(each, now),
            render_title(each)[:100] + _in_brackets(each.labels.get(apart[render_title(each)], "")),
        )
        for each in incidents
    ]
    return format_table(rows, columns)


def render_incident(incident: Incident, now: datetime) -> str:
    """Return all facts about one incident."""
    pairs = {
        "state": describe_state(incident, now),
        "acknowledged": _render_actor(incident.acknowledged_by, incident.acknowledged_at),
        "severity": incident.severity,
        "source": incident.source,
        "group": incident.group,
        "subject": incident.subject,
        "first seen": format_moment(incident.first_seen),
        "last seen": f"{format_moment(incident.last_seen)}, {format_count(incident.count)}",
        "began": format_moment(incident.began_at),
        "ended": "" if incident.is_open else format_moment(incident.ended_at),
        "inhibited by": "" if incident.inhibited_by is None else str(incident.inhibited_by),
        "mute": incident.mute or "",
        "notified": _render_actor(_NOTIFIED.get(incident.step, "").format(agent=incident.agent), incident.since),
        "link": incident.link,
        "labels": render_labels(incident.labels),
    }
    lines = [f"{incident.id}  {render_title(incident)}"]
    lines += [f"{name + ':':14} {sanitize(value)}" for name, value in pairs.items() if value]
    return "\n".join([*lines, *(["", sanitize(incident.text)] if incident.text else [])])


def describe_state(incident: Incident, now: datetime) -> str:
    """Return who has responded or when the incident was resolved, and whether it is stale."""
    stale = (
        f", not repeated since {format_moment(incident.last_seen)}" if incident.is_open and incident.stale_at else ""
    )
    return _describe_response(incident, now) + stale


def describe_states(incidents: Sequence[Incident], now: datetime) -> str:
    """Return the states of incidents. Each of the first incidents gets a sentence."""
    return " ".join(f"Incident {each.id} is {describe_state(each, now)}." for each in incidents[:_MAX_DESCRIBED])


def describe_counts(still_open: Mapping[str, int]) -> str:
    """Return the number of open incidents as a phrase, or an empty text."""
    count, critical = sum(still_open.values()), still_open.get("critical", 0)
    what = "incident" if count == 1 else "incidents"
    if count == critical:
        return f"{count} critical {what} open" if count else ""
    return f"{count} {what} open" + (f", {critical} critical" if critical else "")


def describe_muted(muted: Sequence[Incident]) -> str:
    """Return a phrase with the number of muted incidents, the end of their mutes and the authors, or an empty text."""
    if not muted:
        return ""
    who = ", ".join(dict.fromkeys(sanitize(each.mute_by or "") for each in muted))
    until = format_moment(max((each.mute_ends_at for each in muted if each.mute_ends_at), default=None))
    return f"{len(muted)} muted until {until} by {who}"


def _describe_response(incident: Incident, now: datetime) -> str:
    if incident.state == ACKNOWLEDGED and incident.acknowledged_at is not None:
        since = format_duration((now - incident.acknowledged_at).total_seconds())
        return f"acknowledged by {sanitize(incident.acknowledged_by or '')} {since} ago"
    if not incident.is_open and incident.ended_at is not None:
        return f"resolved {format_duration((now - incident.ended_at).total_seconds())} ago"
    if incident.inhibited_by is not None and incident.is_open:
        return "inhibited"
    if incident.is_muted:
        return f"muted by {sanitize(incident.mute_by or '')} until {format_moment(incident.mute_ends_at)}"
    responded_at, began = incident.responded_at, incident.first_seen
    # An answer from before this incident joined is not for it.
    if responded_at is not None and (began is None or began <= responded_at):
        age = format_duration((now - responded_at).total_seconds())
        return f"answered by {sanitize(incident.responded_by or '')} {age} ago"
    return incident.state


def _render_actor(who: str | None, moment: datetime | None) -> str:
    return f"{who}, {format_moment(moment)}" if who else ""


def _in_brackets(text: str) -> str:
    return f" ({sanitize(text)[:MAX_DISTINCTION]})" if text else ""
