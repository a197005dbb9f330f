"""The sections of monitor-bridge in teamsup.toml: [monitor-bridge], [alert_route.NAME], [mute.NAME],
[person.NAME], [rota.NAME] and [watchdog.NAME].
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from teamsup.config.keys import (
    DISCORD_IDS,
    UP_TO_A_DAY,
    UP_TO_A_WEEK,
    UP_TO_AN_HOUR,
    Example,
    Number,
)
from teamsup.config.sections import check_pattern, check_timezone
from teamsup.hub.team import normalize_agent_name

from ..listen_address import check_network, parse_address
from .incidents.quiet_hours import parse_hours
from .incidents.rota import parse_beginning
from .mutes.matcher import parse_duration, parse_matcher

_LEVEL = Number("percent", 0, 100, is_above=True)
_LEVEL_OR_OFF = Number("percent", 0, 100)
_Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True)
class MonitorSection:
    """[monitor-bridge]: the thresholds of the host's checks, the recipients of alerts, and the escalation."""

    listen: Annotated[str, Example('"127.0.0.1:9095"')] = ""
    """The address for the sources of alerts. Without a source no port is opened."""
    recipient: str = "user_comm"
    """The last agent to notify of an alert without a route; "user_comm": people. Before it
    come gcp-monitor (alerts of Google Cloud) or oci-monitor (Oracle Cloud), and then alert-manager, if they are known.
    """
    ack_timeout_seconds: Annotated[float, UP_TO_A_WEEK] = 180.0
    """An agent has this time to acknowledge, answer or report. Then the next agent is notified."""
    storm_per_minute: Annotated[int, Number("problems", 1, 10_000)] = 20
    """If one source has more new problems than this in a minute, they are combined in one message."""
    mention: Annotated[tuple[int, ...], DISCORD_IDS, Example("[123456789012345678]")] = ()
    """The users to ping on Discord when no agent acts, for each severity except info. [person.NAME] can also limit the
    severities and hours.
    """
    command: Annotated[tuple[str, ...], Example('["mail", "ann"]')] = ()
    """A command that runs when people do not acknowledge an alert. Its stdin is the text of the alert."""
    command_seconds: Annotated[float, UP_TO_AN_HOUR] = 30.0
    """The time limit of this command."""
    hosts: Annotated[tuple[str, ...], Example('["alerts.example.com"]')] = ()
    """Other host names by which sources may reach monitor-bridge, such as that of a proxy."""
    path_prefix: Annotated[str, Example('"/alerts"')] = ""
    """The prefix of each source's path, for a proxy that does not remove it."""
    trusted_proxies: Annotated[tuple[str, ...], Example('["10.0.0.2"]')] = ()
    """Addresses or networks of proxies. The limit of connections for each address does not apply to them."""
    watch_host: bool = False
    """Whether the host is checked against the thresholds below. Its figures are shown in any case."""
    interval_seconds: Annotated[float, UP_TO_A_DAY] = 10.0
    """Time between two checks of the host and the team."""
    confirmations: Annotated[int, Number("results", 1, 1000)] = 3
    """A problem begins or ends after this many equal results in a row."""
    cpu_percent: Annotated[float, _LEVEL] = 95.0
    """The threshold of the CPU usage."""
    cpu_seconds: Annotated[float, Number("seconds", 0, 86400)] = 300.0
    """The CPU is a problem only if it stays above its threshold for this time."""
    load_per_cpu: Annotated[float, Number("processes", 0, 100_000)] = 8.0
    """The threshold of the load average for each CPU; 0: not checked."""
    memory_percent: Annotated[float, _LEVEL] = 95.0
    """The threshold of the used memory."""
    swap_percent: Annotated[float, _LEVEL_OR_OFF] = 90.0
    """The threshold of the used swap space; 0: not checked."""
    disk_percent: Annotated[float, _LEVEL] = 95.0
    """The threshold of the used disk space."""
    inode_percent: Annotated[float, _LEVEL_OR_OFF] = 95.0
    """The threshold of the used inodes; 0: not checked."""
    disk_path: str = "/"
    """A folder on the disk to check."""
    network_errors_per_second: Annotated[float, Number("errors", 0, 1_000_000_000)] = 10.0
    """The threshold of the network errors; 0: not checked."""
    processes: Annotated[tuple[str, ...], Example('["nginx"]')] = ()
    """Names of processes that must run, even if watch_host is false."""
    heartbeat_timeout_seconds: Annotated[float, UP_TO_A_WEEK] = 120.0
    """An agent is a problem if it does not send a heartbeat for this time and has not gone offline."""
    unread_alert_seconds: Annotated[float, UP_TO_A_WEEK] = 900.0
    """An agent is a problem if it is present but does not read a message for this time."""

    def __post_init__(self) -> None:
        normalize_agent_name(self.recipient)
        if self.listen:
            parse_address(self.listen)
        if self.path_prefix and not re.fullmatch(r"(/[A-Za-z0-9._~-]{1,64}){1,8}/?", self.path_prefix):
            raise ValueError(f'path_prefix must be a path such as "/alerts", not {self.path_prefix!r}')
        for network in self.trusted_proxies:
            check_network(network)


@dataclass(frozen=True)
class AlertRouteSection:
    """[alert_route.NAME]: the agents that are notified of certain alerts, one after another. The first route that
    matches applies.
    """

    agents: Annotated[tuple[str, ...], Example('["lead"]')] = ()
    """The agents; empty: people are notified at once."""
    match: Annotated[Mapping[str, str], Example('{ job = "shop|cart" }')] = field(default_factory=dict)
    """Labels, each with a regular expression that matches its whole value; empty: all alerts."""
    source: Annotated[str, Example('"prometheus"')] = ""
    """The name of a source, or one of "host", "team" and "watchdog"; empty: all."""
    severity: Annotated[tuple[Literal["critical", "warning", "info"], ...], Example('["critical"]')] = ()
    """The severities; empty: all."""
    ack_timeout_seconds: Annotated[float | None, UP_TO_A_WEEK, Example("60")] = None
    """An agent has this time before the next agent is notified. By default that of [monitor-bridge]."""

    def __post_init__(self) -> None:
        for agent in self.agents:
            normalize_agent_name(agent)
        for label, pattern in self.match.items():
            check_pattern(f"match: {label}", pattern)


@dataclass(frozen=True)
class WatchdogSection:
    """[watchdog.NAME]: a heartbeat that a source must send, such as Alertmanager's Watchdog."""

    source: Annotated[str, Example('"prometheus"')]
    """The name of the source."""
    name: Annotated[str, Example('"Watchdog"')] = ""
    """Its name at the source; empty: the name of the section."""
    every_seconds: Annotated[float, Number("seconds", 1, 30 * 86400)] = 300.0
    """A missing heartbeat is a problem after this time."""
    severity: Literal["critical", "warning", "info"] = "critical"
    """The severity of that problem."""

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("source must name the source of the heartbeat")


@dataclass(frozen=True)
class MuteSection:
    """[mute.NAME]: a maintenance window, which is a mute that recurs. For a single mute, use 'teamsup alerts mute'."""

    matchers: Annotated[tuple[str, ...], Example('["job=backup*", "severity!=critical"]')]
    """Labels of the alerts to mute. All of them must match, and * is any text."""
    schedule: Annotated[str, Example('"0 2 * * sat"')]
    """The beginning, as a cron expression: minute, hour, day, month, weekday."""
    timezone: Annotated[str, Example('"Europe/Berlin"')] = ""
    """The time zone of the schedule; empty: this machine's."""
    duration: str = "1h"
    """The length of the window, such as "90m" or "1h30m"."""

    def __post_init__(self) -> None:
        from teamsup.config.schedule import check_schedule  # only a schedule needs cronsim

        if not self.matchers:
            raise ValueError('matchers must say what is muted, such as ["job=backup"]; ["source=*"] is everything')
        for text in self.matchers:
            parse_matcher(text)
        parse_duration(self.duration)
        if self.timezone:
            check_timezone(self.timezone)
        check_schedule(self.schedule)


@dataclass(frozen=True)
class PersonSection:
    """[person.NAME]: a person who is pinged on Discord when no agent acts."""

    discord: Annotated[int, DISCORD_IDS, Example("123456789012345678")]
    """The user's ID."""
    ping: tuple[_Severity, ...] = ("critical", "warning")
    """The severities for which the person is pinged."""
    quiet_hours: Annotated[str, Example('"22:00-07:00"')] = ""
    """The time of the day without pings; empty: none."""
    quiet_ping: tuple[_Severity, ...] = ("critical",)
    """The severities for which the person is pinged in quiet hours too."""
    timezone: Annotated[str, Example('"Europe/Berlin"')] = ""
    """The time zone of the quiet hours; empty: this machine's."""

    def __post_init__(self) -> None:
        if self.quiet_hours:
            parse_hours(self.quiet_hours)
        if self.timezone:
            check_timezone(self.timezone)


@dataclass(frozen=True)
class RotaSection:
    """[rota.NAME]: people who take turns. Only the person who is on call is pinged."""

    people: Annotated[tuple[str, ...], Example('["example"]')]
    """Names of [person.NAME], in their order."""
    begins: Annotated[str, Example('"2026-11-30 09:00"')]
    """The beginning of the first turn, in the time zone below. Each handover is at this time of day."""
    days: Annotated[int, Number("days", 1, 365)] = 7
    """The length of a turn."""
    timezone: Annotated[str, Example('"Europe/Berlin"')] = ""
    """The time zone of the handovers; empty: this machine's."""

    def __post_init__(self) -> None:
        parse_beginning(self.begins)
        if self.timezone:
            check_timezone(self.timezone)
