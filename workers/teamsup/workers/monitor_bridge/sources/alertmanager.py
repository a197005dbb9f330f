"""Prometheus Alertmanager: its webhook, version 4."""

from collections.abc import Mapping
from datetime import datetime

from ..alert import Alert, SignOfLife
from .fields import MAX_KEY, Table, as_table, key, one_line, severity, thing
from .request import BadPayload, News, Request

_WATCHDOGS = ("watchdog", "deadmansswitch")
"""Alerts that always fire, so that their silence says that alerting itself has ended."""


def parse(request: Request) -> News:
    """What a group of alerts says. Raises BadPayload."""
    return of_group(request, "4", {"1": ' Is this Grafana? Then its kind is "grafana".'})


def of_group(request: Request, wanted: str, hints: Mapping[str, str]) -> News:
    """The alerts of a group in the form that both share; ``hints`` by versions that are another's."""
    source, group = request.source, as_table(request.body)
    if (version := group.exact("version")) != wanted:
        raise BadPayload(f'version must be "{wanted}", not "{one_line(version, 20)}".{hints.get(version, "")}')
    alerts = group.tables("alerts")
    if not alerts:
        raise BadPayload("alerts is missing or empty.")
    left_out = int(max(0, min(group.number("truncatedAlerts") or 0, 10**6))) + group.left_out("alerts")
    news = (_news(source, alert, key(group.exact("groupKey")), left_out) for alert in alerts)
    return tuple(one for one in news if one is not None)


def _news(source: str, alert: Table, group: str, left_out: int) -> Alert | SignOfLife | None:
    is_firing = _is_firing(alert)
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
        key(alert.needed("fingerprint"), _time(began)),
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
        left_out=left_out,
    )


def _is_firing(alert: Table) -> bool:
    status = alert.needed("status")
    if status not in ("firing", "resolved"):
        raise BadPayload(f'{alert.name}.status must be "firing" or "resolved", not "{one_line(status, 20)}".')
    return status == "firing"


def _title(name: str, summary: str, instance: str) -> str:
    about = summary or instance
    return one_line(f"{name}: {about}" if name and about else name or about or "An alert without a name")


def _text(notes: Table) -> str:
    runbook = notes.link("runbook_url")
    parts = (notes.text("description") or notes.text("message"), f"Runbook: {runbook}" if runbook else "")
    return "\n".join(part for part in parts if part)


def _time(began: datetime | None) -> str:
    return began.isoformat() if began else ""
