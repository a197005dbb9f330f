"""Grafana's own alerting: its webhook contact point, version 1."""

from .alertmanager import of_group
from .fields import as_table, one_line
from .request import BadPayload, News, Request


def parse(request: Request) -> News:
    """What a group of alerts says. Raises BadPayload."""
    group = as_table(request.body)
    if (version := group.exact("version")) != "1":
        hint = ' Is this Alertmanager? Then its kind is "alertmanager".' if version == "4" else ""
        raise BadPayload(f'version must be "1", not "{one_line(version, 20)}".{hint}')
    return of_group(request.source, group)
