"""Opsgenie: its webhooks, and the requests with which programs create an alert in its Alert API."""

from ...incidents.alert import Alert, Alerts
from .payload import as_object, parse_severity
from .webhook import InvalidPayload, WebhookRequest

_IGNORED_ACTIONS = (
    *("acknowledge", "snooze", "snoozeended", "addnote", "addtags", "removetags", "adddetails", "removedetails"),
    *("addrecipient", "addresponder", "addteam", "assignownership", "takeownership", "removefromallowedlist"),
    *("updatedescription", "updatemessage", "unacknowledge", "escalate", "escalatenext", "custom", "customaction"),
)
"""Actions that do not change the problem. Any other action means that the problem is open."""
_CLOSED_ACTIONS = ("close", "delete")


def parse(request: WebhookRequest) -> Alerts:
    """Return the alert of a webhook, or of a request to create one. Raise InvalidPayload."""
    payload = as_object(request.body)
    action = payload.word("action")
    alert = payload.object_at("alert") if "alert" in payload.entries else payload
    if "alert" not in payload.entries and "message" not in payload.entries:
        raise InvalidPayload("alert and message are missing: this is neither Opsgenie's webhook nor its API.")
    if action in _IGNORED_ACTIONS:
        return ()
    title = alert.line("message")
    identity = alert.raw_text("alias").strip() or alert.raw_text("alertId").strip() or title
    if not identity:
        raise alert.missing("alias")
    details = alert.labels("details")
    tags = alert.raw_text("tags")
    entity = alert.raw_text("entity").strip()
    return (
        Alert(
            request.source,
            identity,
            action not in _CLOSED_ACTIONS,
            title or identity,
            parse_severity(alert.raw_text("priority")),
            alert.text("description"),
            subject=entity or identity,
            labels=details | ({"entity": entity} if entity else {}) | ({"tags": tags} if tags else {}),
            occurred_at=alert.time("updatedAt") or alert.time("createdAt"),
            reuses_fingerprint=True,
        ),
    )
