"""[source.NAME], and the settings of monitor-bridge's HTTP listener."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from teamsup.config.keys import Example, Number, TextPattern
from teamsup.hub.team import normalize_agent_name

from ..json_path import check_mapping
from ..listen_address import parse_address

DRY_RUN_HEADER = "Teamsup-Rehearsal"
"""The header of doctor's test alert. Such an alert is stored and removed again."""
_VARIABLE = TextPattern("|[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")
SourceKind = Literal[
    "alertmanager",
    "grafana",
    "google_cloud",
    "oracle_cloud",
    "aws_sns",
    "uptime_kuma",
    "healthchecks",
    "pagerduty",
    "opsgenie",
    "json",
    "plain",
]


@dataclass(frozen=True)
class SourceSection:
    """[source.NAME]: a source that may send alerts to http://LISTEN/NAME."""

    kind: SourceKind = "plain"
    """The format of its payload."""
    secret_file: Annotated[str, Example('"~/.config/teamsup/prometheus_secret"')] = ""
    """A file with the secret. Only you may have access to it (chmod 600). Its path may contain $CREDENTIALS_DIRECTORY
    of systemd.
    """
    secret_variable: Annotated[str, _VARIABLE, Example('"PROMETHEUS_SECRET"')] = ""
    """Instead of secret_file: the environment variable with the secret. Never write the secret itself here: people and
    agents see this file.
    """
    mapping: Annotated[Mapping[str, str], Example('{ title = "$.alert.name" }')] = field(default_factory=dict)
    """The path of each part of an alert in the payload. Only for the kind "json", which accepts any JSON."""
    silence_url: Annotated[str, Example('"http://127.0.0.1:9093"')] = ""
    """Alertmanager's address, where acknowledged alerts are silenced; empty: nowhere."""
    silence_seconds: Annotated[float, Number("seconds", 60, 30 * 86400)] = 7200.0
    """Time for which such an alert is silenced."""
    stale_seconds: Annotated[float | None, Number("seconds", 60, 365 * 86400, or_zero=True), Example("18000")] = None
    """A problem that is not repeated for this time is stale; 0: never. By default 604800; for alertmanager and
    grafana 18000."""
    close_stale: bool = False
    """Whether a stale problem ends by itself. Otherwise people are asked to look."""

    def __post_init__(self) -> None:
        if self.secret_file and self.secret_variable:
            raise ValueError("secret_file and secret_variable exclude each other")
        if (self.kind == "json") != bool(self.mapping):
            raise ValueError('kind = "json" and a mapping belong together: give both, or neither')
        if self.mapping:
            check_mapping(self.mapping)
        if self.silence_url and not self.silence_url.startswith(("http://", "https://")):
            raise ValueError('silence_url must be an address such as "http://127.0.0.1:9093"')

    @property
    def has_secret(self) -> bool:
        return bool(self.secret_file or self.secret_variable)


def stale_after(source: SourceSection | None) -> float:
    """Return the seconds without a repetition after which an open problem is stale; 0: never. Return None if the source
    is no longer configured.
    """
    if source is None:
        return 3600.0
    if source.stale_seconds is not None:
        return source.stale_seconds
    # These two kinds repeat every four hours by default. Other kinds need not repeat; their problems are stale after a
    # week.
    return 5 * 3600.0 if source.kind in ("alertmanager", "grafana") else 7 * 86400.0


def check_sources(listen: str, sources: Mapping[str, SourceSection]) -> None:
    """Raise ValueError if sources cannot reach monitor-bridge, or if other clients could pretend to be a source."""
    for name in sources:
        if normalize_agent_name(name) != name:
            raise ValueError(f"[source.{name}]: write the name in small letters")
    if sources and not listen:
        raise ValueError(f'[source.{next(iter(sources))}] needs [monitor-bridge] listen = "127.0.0.1:9095"')
    if not sources or parse_address(listen).is_loopback:
        return
    for name, source in sources.items():
        if not source.has_secret:
            raise ValueError(
                f"[source.{name}] needs a secret_file or secret_variable, because other machines can reach {listen}"
            )
