"""Oracle Cloud: alarms of its Monitoring, sent by its Notifications."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from ...incidents.alert import Alert, Alerts
from .payload import MAX_LABELS, MAX_LINK, JsonObject, as_object, join_lines, parse_severity, subject_of
from .webhook import InvalidPayload, WebhookRequest

_RESOLVED_TYPES = ("FIRING_TO_OK", "RESET")
_MAX_LISTED = 10
_MAX_STREAMS = 200
_ORACLE_HOST = re.compile(r"([a-z0-9-]{1,63}\.)+oraclecloud\.com")


def parse(request: WebhookRequest) -> Alerts:
    """Return the alert of an alarm. Raise InvalidPayload."""
    alarm = as_object(request.body)
    kind = alarm.word("type").upper()
    details = alarm.objects_at("alarmMetaData")[:_MAX_LISTED]
    streams = [stream for detail in details for stream in detail.objects_at("dimensions")[:_MAX_STREAMS]]
    labels = _labels_of(details, streams)
    # A reset means that a metric is no longer seen. The status of a metric shows whether it still fires.
    still_fires = kind == "RESET" and any(detail.raw_text("status") == "FIRING" for detail in details)
    return (
        Alert(
            request.source,
            alarm.raw_text("dedupeKey").strip() or alarm.required_text("dedupekey"),
            kind not in _RESOLVED_TYPES or still_fires,
            alarm.line("title") or "An Oracle Cloud alarm",
            parse_severity(alarm.raw_text("severity"), *(detail.raw_text("severity") for detail in details)),
            join_lines(
                alarm.text("body"),
                *(detail.text("alarmSummary", 1000) for detail in details),
                _list_resources(streams),
            ),
            subject=subject_of(labels | {"alarm": "", "query": labels.get("query", "").partition("[")[0]}),
            labels=labels,
            link=next((link for detail in details if (link := detail.link("alarmUrl"))), ""),
            occurred_at=alarm.time("timestamp"),
            reuses_fingerprint=True,
        ),
    )


def confirmation_link(request: WebhookRequest) -> str | None:
    """Return the address that confirms a subscription, or None.

    Raise InvalidPayload unless the address is Oracle's. Otherwise any client could make monitor-bridge call any
    address.
    """
    if request.headers.get("x-oci-ns-messagetype", "").lower() != "subscriptionconfirmation":
        return None
    address = request.headers.get("x-oci-ns-confirmationurl", "")
    try:
        parts = urlsplit(address)
        fits = parts.scheme == "https" and parts.port in (None, 443) and parts.username is None
        host = parts.hostname or ""
    except ValueError:
        fits, host = False, ""
    plain = address.isascii() and address.isprintable() and " " not in address and "\\" not in address
    if not (fits and plain and len(address) <= MAX_LINK and _ORACLE_HOST.fullmatch(host)):
        raise InvalidPayload("The address for confirming the subscription is not one of https://….oraclecloud.com.")
    return address


def _labels_of(details: Sequence[JsonObject], streams: Sequence[JsonObject]) -> dict[str, str]:
    """Return the alarm's own labels, and the labels that all metric streams share."""
    candidates = list(streams[0].entries)[:MAX_LABELS] if streams else []
    shared = [name for name in candidates if len({stream.raw_text(name) for stream in streams}) == 1]
    first = details[0] if details else JsonObject("alarmMetaData", {})
    own = {"alarm": first.raw_text("id"), "namespace": first.raw_text("namespace"), "query": first.raw_text("query")}
    labels = own | {name: streams[0].raw_text(name) for name in shared}
    return {name: text for name, text in labels.items() if text}


def _list_resources(streams: Sequence[JsonObject]) -> str:
    names = [stream.line("resourceDisplayName", 100) or stream.line("resourceId", 100) for stream in streams]
    names = [name for name in names if name]
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"Resources: {', '.join(names[:_MAX_LISTED])}{more}" if names else ""
