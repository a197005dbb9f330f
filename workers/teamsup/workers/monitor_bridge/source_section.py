"""[source.NAME], and the settings of monitor-bridge's HTTP listener."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from teamsup.hub.team import normalize_agent_name

from ..json_path import check_mapping
from ..listen_address import parse_address

DRY_RUN_HEADER = "Teamsup-Rehearsal"
"""The header of doctor's test alert, which is stored and removed again."""
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
    """[source.NAME]: a source that may send alerts to http://LISTEN/NAME, with the form of its payload and its
    secret.
    """

    kind: SourceKind = "plain"
    secret_file: str = ""
    """A file with the secret, readable by its owner alone. Its path may contain systemd's $CREDENTIALS_DIRECTORY."""
    secret_variable: str = ""
    """Or the environment variable with the secret. Never the secret itself: people and agents see this file."""
    mapping: Mapping[str, str] = field(default_factory=dict)
    """For the kind "json": where the parts of an alert are, such as { title = "$.alert.name" }."""
    silence_url: str = ""
    """Alertmanager's address, where acknowledged alerts are silenced; empty: they are not."""
    silence_seconds: float = 7200.0
    stale_seconds: float | None = None
    """Seconds without a repetition after which an open problem is stale; 0: never; the default depends on the kind."""
    close_stale: bool = False
    """Whether a stale problem ends by itself; otherwise people are asked."""

    def __post_init__(self) -> None:
        if self.secret_file and self.secret_variable:
            raise ValueError("secret_file and secret_variable exclude each other")
        if self.secret_variable and not self.secret_variable.isidentifier():
            raise ValueError(
                f"secret_variable must be the name of an environment variable, not {self.secret_variable!r}"
            )

        if (self.kind == "json") != bool(self.mapping):
            raise ValueError('kind = "json" and a mapping belong together: give both, or neither')
        if self.mapping:
            check_mapping(self.mapping)
        if self.silence_url and not self.silence_url.startswith(("http://", "https://")):
            raise ValueError('silence_url must be an address such as "http://127.0.0.1:9093"')
        if not 60 <= self.silence_seconds <= 30 * 86400:
            raise ValueError("silence_seconds must be from 60 to 2592000, which is 30 days")
        if self.stale_seconds and not 60 <= self.stale_seconds <= 365 * 86400:
            raise ValueError("stale_seconds must be 0, or from 60 to 31536000, which is a year")

    @property
    def has_secret(self) -> bool:
        return bool(self.secret_file or self.secret_variable)


def stale_after(source: SourceSection | None) -> float:
    """Return the seconds without a repetition after which an open problem is stale; 0: never. None: the source is
    gone.
    """
    if source is None:
        return 3600.0
    if source.stale_seconds is not None:
        return source.stale_seconds
    # These two repeat by default every four hours. The others need not repeat; after a week their problem is stale.
    return 5 * 3600.0 if source.kind in ("alertmanager", "grafana") else 7 * 86400.0


def check_sources(listen: str, sources: Mapping[str, SourceSection]) -> None:
    """Raise ValueError if sources cannot reach us, or if any other client could pass for a source."""
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
