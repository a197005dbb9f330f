"""PagerDuty: events that programs send to its Events API, version 2, and its own webhooks, version 3."""

from ...incidents.alert import Alert, Alerts
from .payload import JsonObject, as_object, join_lines, parse_severity
from .webhook import InvalidPayload, WebhookRequest

_OPEN_EVENTS = ("incident.triggered", "incident.reopened", "incident.escalated", "incident.unacknowledged")
_RESOLVED_EVENT = "incident.resolved"


def parse(request: WebhookRequest) -> Alerts:
    """Return the alert of an event, or of a webhook about an incident. Raise InvalidPayload."""
    payload = as_object(request.body)
    if "event_action" in payload.entries:
        return _event_to_alerts(request.source, payload)
    if "event" in payload.entries:
        return _webhook_to_alerts(request.source, payload.object_at("event"))
    raise InvalidPayload("event_action and event are missing: these are neither PagerDuty's events nor its webhooks.")


def _event_to_alerts(source: str, event: JsonObject) -> Alerts:
    action, details = event.word("event_action"), event.object_at("payload")
    if action == "acknowledge":
        return ()
    title = details.line("summary")
    is_firing = action != "resolve"
    # Without a key PagerDuty makes one of its own, so only a repetition of the same text is the same problem.
    identity = event.raw_text("dedup_key").strip() or (title if is_firing else event.required_text("dedup_key"))
    if not identity:
        raise event.missing("dedup_key")
    links = [link for each in event.objects_at("links") if (link := each.link("href"))]
    custom = details.labels("custom_details")
    labels = custom | {
        name: text for name in ("source", "component", "group", "class") if (text := details.raw_text(name))
    }
    return (
        Alert(
            source,
            identity,
            is_firing,
            title or identity,
            parse_severity(details.raw_text("severity")),
            join_lines(*(f"{name}: {text}" for name, text in list(custom.items())[:20])),
            subject=identity,
            labels=labels,
            link=event.raw_text("client_url") or next(iter(links), ""),
            occurred_at=details.time("timestamp"),
            reuses_fingerprint=True,
        ),
    )


def _webhook_to_alerts(source: str, event: JsonObject) -> Alerts:
    kind, incident = event.word("event_type"), event.object_at("data")
    if kind not in (*_OPEN_EVENTS, _RESOLVED_EVENT):
        # Acknowledgements, notes and the test of a subscription are not problems.
        return ()
    number, service = incident.required_text("id"), incident.object_at("service").line("summary")
    return (
        Alert(
            source,
            f"incident {number}",
            kind != _RESOLVED_EVENT,
            incident.line("title") or f"PagerDuty incident {number}",
            parse_severity(incident.object_at("priority").raw_text("summary"), incident.raw_text("urgency")),
            subject=number,
            labels={"service": service} if service else {},
            link=incident.raw_text("html_url"),
            occurred_at=event.time("occurred_at"),
            reuses_fingerprint=True,
        ),
    )
