"""The figures of monitor-bridge for Prometheus."""

from collections.abc import Mapping

from teamsup.config.components import ComponentMetric
from teamsup.hub import MessageHub
from teamsup.hub.timestamps import parse_time

from ...protocol import MONITOR_BRIDGE
from ..incidents import incident_table


def read_figures(hub: MessageHub) -> list[ComponentMetric]:
    """Return the number of payloads of each source, of open incidents by severity, and of muted incidents."""
    bridge = hub.find_agent(MONITOR_BRIDGE)
    given = {} if bridge is None else bridge.metadata.get("sources")
    sources: dict[str, Mapping[str, object]] = given if isinstance(given, dict) else {}
    lasts = {name: parse_time(str(each.get("last"))) for name, each in sources.items()}
    counts = incident_table.count_open(hub)
    muted = len(incident_table.muted_incidents(hub))
    return [
        ComponentMetric(
            "payloads_total",
            "Payloads of the source since monitor-bridge began, also those that could not be read",
            tuple(({"source": name}, _number(each.get("total"))) for name, each in sources.items()),
            "counter",
        ),
        ComponentMetric(
            "payloads_per_minute",
            "Payloads of the source, the mean of five minutes, as of the last heartbeat of monitor-bridge",
            tuple(({"source": name}, _number(each.get("per_minute"))) for name, each in sources.items()),
        ),
        ComponentMetric(
            "last_payload_timestamp_seconds",
            "Unix time of the source's last payload; without a sample there was none",
            tuple(({"source": name}, last.timestamp()) for name, last in lasts.items() if last is not None),
        ),
        ComponentMetric(
            "incidents_open",
            "Open incidents by severity, also muted ones",
            tuple(({"severity": name}, counts.get(name, 0)) for name in ("critical", "warning", "info")),
        ),
        ComponentMetric("incidents_muted", "Firing incidents that are muted", (({}, muted),)),
    ]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
