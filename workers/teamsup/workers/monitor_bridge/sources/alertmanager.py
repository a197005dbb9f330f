"""Prometheus Alertmanager: its webhook, version 4, of which Grafana's has the form too."""

from collections.abc import Mapping

from ..alert import Alert, SignOfLife
from .fields import MAX_KEY, Table, as_table, key, one_line, read_each, severity, thing
from .request import BadPayload, Parsed, Request, Unreadable

_WATCHDOGS = ("watchdog", "deadmansswitch")
"""Alerts that always fire, so that their silence says that alerting itself has ended."""


def parse(request: Request) -> Parsed:
    """What a group of alerts says. Raises BadPayload."""
    group = as_table(request.body)
    alerts = group.array("alerts")
    if not alerts:
        raise BadPayload("alerts is missing or empty.")
    name = key(group.exact("groupKey"))
    said = read_each(alerts, lambda number: f"alerts[{number}]", lambda alert: _news(request.source, alert, name))
    if left_out := group.number("truncatedAlerts"):
        return (
            *said,
            Unreadable(f"{left_out:.0f} more alerts of the group were left out: max_alerts is too small.", name),
        )
    return said


def _news(source: str, alert: Table, group: str) -> Alert | SignOfLife | None:
    is_firing = alert.exact("status").strip().lower() != "resolved"
    labels = alert.labels("labels")
    name = labels.get("alertname", "")
    began = alert.moment("startsAt")
    if name.lower() in _WATCHDOGS:
        # A watchdog that is resolved has ended; that its signs stay away is the news.
        cluster = labels.get("cluster", "")
        sign = one_line(f"{name}/{cluster}" if cluster else name)
        return SignOfLife(source, key(sign), sign, began) if is_firing else None
    notes = alert.table("annotations")
    summary = notes.line("summary") or notes.line("title")
    return Alert(
        source,
        key(alert.exact("fingerprint").strip() or _known_by(labels, alert)),
        is_firing,
        _title(name, summary, labels.get("instance", "")),
        severity(*(labels.get(label, "") for label in ("severity", "priority", "level"))),
        _text(notes),
        group[:MAX_KEY],
        thing(labels),
        labels,
        next((link for field in ("panelURL", "dashboardURL", "generatorURL") if (link := alert.link(field))), ""),
        began if is_firing else alert.moment("endsAt"),
        is_test=(name, labels.get("instance")) == ("TestAlert", "Grafana"),
    )


def _title(name: str, summary: str, instance: str) -> str:
    about = summary or instance
    return one_line(f"{name}: {about}" if name and about else name or about or "An alert without a name")


def _text(notes: Table) -> str:
    runbook = notes.link("runbook_url")
    parts = (notes.text("description") or notes.text("message"), f"Runbook: {runbook}" if runbook else "")
    return "\n".join(part for part in parts if part)


def _known_by(labels: Mapping[str, str], alert: Table) -> str:
    """A fingerprint is made of all labels, and so these are as good."""
    if not labels:
        raise BadPayload(f"{alert.name}.fingerprint is missing.")
    return " ".join(f"{name}={value}" for name, value in sorted(labels.items()))
