"""Grafana's own alerting: its webhook contact point, version 1."""

from .alertmanager import of_group
from .request import News, Request


def parse(request: Request) -> News:
    """What a group of alerts says. Raises BadPayload."""
    return of_group(request, "1", {"4": ' Is this Alertmanager? Then its kind is "alertmanager".'})
