"""Prometheus Alertmanager: its webhook, version 4. Grafana's webhook has the same form."""

from ...incidents.alert import Alert, SourceHeartbeat
from .payload import (
    SEVERITY_LABELS,
    JsonObject,
    as_object,
    join_labels,
    join_lines,
    parse_each,
    parse_severity,
    subject_of,
)
from .webhook import InvalidPayload, ParsedAlerts, UnreadablePart, WebhookRequest

_WATCHDOG_ALERTS = ("watchdog", "deadmansswitch")
"""Alerts that always fire. If they stop, the alerting itself has failed."""


def parse(request: WebhookRequest) -> ParsedAlerts:
    """Return the alerts of a group. Raise InvalidPayload."""
    group = as_object(request.body)
    alerts = group.array("alerts")
    if not alerts:
        raise InvalidPayload("alerts is missing or empty.")
    name = group.raw_text("groupKey")
    found = parse_each(alerts, lambda number: f"alerts[{number}]", lambda alert: _to_alert(request.source, alert, name))
    if left_out := group.number("truncatedAlerts"):
        reason = f"{left_out:.0f} more alerts of the group are missing: max_alerts is too small."
        return (*found, UnreadablePart(reason, name))
    return found


def _to_alert(source: str, alert: JsonObject, group: str) -> Alert | SourceHeartbeat | None:
    is_firing = alert.word("status") != "resolved"
    labels, notes = alert.labels("labels"), alert.object_at("annotations")
    name, began = labels.get("alertname", ""), alert.time("startsAt")
    if name.lower() in _WATCHDOG_ALERTS:
        # A watchdog that is resolved has ended; its missing heartbeats are the problem.
        sign = "/".join(filter(None, (name, labels.get("cluster"))))
        return SourceHeartbeat(source, sign, sign, began) if is_firing else None
    # A fingerprint is computed from all labels, so they identify an alert as well.
    identity = alert.raw_text("fingerprint").strip() or join_labels(labels) or alert.required_text("fingerprint")
    about = notes.line("summary") or notes.line("title") or labels.get("instance", "")
    runbook = notes.link("runbook_url")
    return Alert(
        source,
        identity,
        is_firing,
        ": ".join(filter(None, (name, about))) or "An alert without a name",
        parse_severity(*(labels.get(label, "") for label in SEVERITY_LABELS)),
        join_lines(notes.text("description") or notes.text("message"), f"Runbook: {runbook}" if runbook else ""),
        group,
        subject_of(labels),
        labels,
        alert.link("panelURL") or alert.link("dashboardURL") or alert.link("generatorURL"),
        began if is_firing else alert.time("endsAt"),
        is_test=(name, labels.get("instance")) == ("TestAlert", "Grafana"),
    )
