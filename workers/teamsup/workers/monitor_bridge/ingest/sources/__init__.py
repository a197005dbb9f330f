"""The sources of alerts: one module for each vendor, which turns its payload into alerts. Pure."""

from collections.abc import Callable

from . import (
    alertmanager,
    aws_sns,
    google_cloud,
    healthchecks,
    mapped_json,
    opsgenie,
    oracle_cloud,
    pagerduty,
    plain,
    uptime_kuma,
)
from .payload import make_harmless
from .webhook import InvalidPayload, ParsedAlerts, UnreadablePart, WebhookRequest

PARSERS: dict[str, Callable[[WebhookRequest], ParsedAlerts]] = {
    "alertmanager": alertmanager.parse,
    "grafana": alertmanager.parse,  # its webhook contact point, version 1, has the same form
    "google_cloud": google_cloud.parse,
    "oracle_cloud": oracle_cloud.parse,
    "uptime_kuma": uptime_kuma.parse,
    "healthchecks": healthchecks.parse,
    "aws_sns": aws_sns.parse,
    "pagerduty": pagerduty.parse,
    "opsgenie": opsgenie.parse,
    "json": mapped_json.parse,
    "plain": plain.parse,
}
"""Parsers by the ``kind`` of [source.NAME]. The alerts that they return contain the vendor's raw texts."""


def parse(kind: str, request: WebhookRequest) -> ParsedAlerts:
    """Return the cleaned alerts of a request from a source of this kind. Raise InvalidPayload."""
    found = PARSERS[kind](request)
    return tuple(item if isinstance(item, UnreadablePart) else make_harmless(item) for item in found)


__all__ = ["PARSERS", "InvalidPayload", "ParsedAlerts", "UnreadablePart", "WebhookRequest", "parse"]
