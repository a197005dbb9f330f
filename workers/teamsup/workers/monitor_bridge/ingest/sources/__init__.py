"""The sources of monitoring: a module each, which makes alerts of what one vendor sends. Pure."""

from collections.abc import Callable

from . import alertmanager, google_cloud, grafana, healthchecks, oracle_cloud, plain, uptime_kuma
from .webhook import Alerts, InvalidPayload, ParsedAlerts, UnreadablePart, WebhookRequest

PARSERS: dict[str, Callable[[WebhookRequest], ParsedAlerts]] = {
    "alertmanager": alertmanager.parse,
    "grafana": grafana.parse,
    "google_cloud": google_cloud.parse,
    "oracle_cloud": oracle_cloud.parse,
    "uptime_kuma": uptime_kuma.parse,
    "healthchecks": healthchecks.parse,
    "plain": plain.parse,
}
"""By the ``kind`` of [source.NAME]."""

__all__ = [
    "PARSERS",
    "Alerts",
    "InvalidPayload",
    "ParsedAlerts",
    "UnreadablePart",
    "WebhookRequest",
    "confirmation_link",
]

confirmation_link = oracle_cloud.confirmation_link
