"""Prometheus Alertmanager: its webhook, version 4, of which Grafana's has the form too."""

from collections.abc import Mapping

from ...incidents.alert import Alert, SourceHeartbeat
from .payload import (
    MAX_KEY,
    JsonObject,
    as_object,
    make_fingerprint,
    parse_each,
    parse_severity,
    sanitize_line,
    subject_of,
)
from .webhook import InvalidPayload, ParsedAlerts, UnreadablePart, WebhookRequest

_WATCHDOG_ALERTS = ("watchdog", "deadmansswitch")
"""Alerts that always fire, so that their silence says that alerting itself has ended."""


def parse(request: WebhookRequest) -> ParsedAlerts:
    """What a group of alerts says. Raises BadPayload."""
    group = as_object(request.body)
    alerts = group.array("alerts")
    if not alerts:
        raise InvalidPayload("alerts is missing or empty.")
    name = make_fingerprint(group.raw_text("groupKey"))
    said = parse_each(alerts, lambda number: f"alerts[{number}]", lambda alert: _to_alert(request.source, alert, name))
    if left_out := group.number("truncatedAlerts"):
        return (
            *said,
            UnreadablePart(f"{left_out:.0f} more alerts of the group were left out: max_alerts is too small.", name),
        )
    return said


def _to_alert(source: str, alert: JsonObject, group: str) -> Alert | SourceHeartbeat | None:
    is_firing = alert.raw_text("status").strip().lower() != "resolved"
    labels = alert.labels("labels")
    name = labels.get("alertname", "")
    began = alert.time("startsAt")
    if name.lower() in _WATCHDOG_ALERTS:
        # A watchdog that is resolved has ended; that its signs stay away is the news.
        cluster = labels.get("cluster", "")
        sign = sanitize_line(f"{name}/{cluster}" if cluster else name)
        return SourceHeartbeat(source, make_fingerprint(sign), sign, began) if is_firing else None
    notes = alert.object_at("annotations")
    summary = notes.line("summary") or notes.line("title")
    return Alert(
        source,
        make_fingerprint(alert.raw_text("fingerprint").strip() or _fingerprint_of(labels, alert)),
        is_firing,
        _title_of(name, summary, labels.get("instance", "")),
        parse_severity(*(labels.get(label, "") for label in ("severity", "priority", "level"))),
        _text_of(notes),
        group[:MAX_KEY],
        subject_of(labels),
        labels,
        next((link for field in ("panelURL", "dashboardURL", "generatorURL") if (link := alert.link(field))), ""),
        began if is_firing else alert.time("endsAt"),
        is_test=(name, labels.get("instance")) == ("TestAlert", "Grafana"),
    )


def _title_of(name: str, summary: str, instance: str) -> str:
    about = summary or instance
    return sanitize_line(f"{name}: {about}" if name and about else name or about or "An alert without a name")


def _text_of(notes: JsonObject) -> str:
    runbook = notes.link("runbook_url")
    parts = (notes.text("description") or notes.text("message"), f"Runbook: {runbook}" if runbook else "")
    return "\n".join(part for part in parts if part)


def _fingerprint_of(labels: Mapping[str, str], alert: JsonObject) -> str:
    """A fingerprint is made of all labels, and so these are as good."""
    if not labels:
        raise InvalidPayload(f"{alert.name}.fingerprint is missing.")
    return " ".join(f"{name}={value}" for name, value in sorted(labels.items()))
