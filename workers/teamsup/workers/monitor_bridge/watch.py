"""What monitor-bridge looks at by itself: the host, the team, and expected signs of life."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import psutil

from teamsup.hub import MessageHub
from teamsup.hub.clock import from_text
from teamsup.hub.sections import MonitorSection, WatchdogSection

from . import incident, members, steady, watchdogs
from .host import PROCESS, Host
from .incidents import Incidents
from .steady import Course, Reading

_GAP_LOOKS = 6
HOST, TEAM, WATCHDOG = "host", "team", "watchdog"


class Watch:
    """Looks, and makes incidents of what it finds. What the team knows already is not raised again after a restart."""

    def __init__(
        self,
        hub: MessageHub,
        section: MonitorSection,
        expected: Mapping[str, WatchdogSection],
        incidents: Incidents,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._section = section
        self._expected = expected
        self._incidents = incidents
        self._clock = clock
        self._since = self._looked = clock()
        self._starts: dict[str, members.Starts] = {}
        self._courses: dict[str, dict[str, Course]] = {HOST: {}, TEAM: {}, WATCHDOG: {}}
        self._log = logging.getLogger("monitor-bridge")
        self.host = Host(section)
        for each in incident.open_incidents(hub):
            if each.source in self._courses:
                self._courses[each.source][each.key] = Course(is_bad=True)

    @property
    def alerted(self) -> list[str]:
        """What is wrong with the host."""
        return sorted(key for key, course in self._courses[HOST].items() if course.is_bad)

    def look(self) -> None:
        """Look once at the team and for signs of life. Raises StoreError."""
        agents = self._hub.agents()
        now = self._clock()
        if not 0 <= now - self._looked <= _GAP_LOOKS * self._section.interval_seconds:
            # We slept, or could not look: what came meanwhile was not heard. Or the clock was set back.
            self._since = now
        self._looked = now
        self._starts = members.starts(self._starts, agents, now)
        team = members.readings(
            agents,
            self._starts,
            self._hub.agent,
            datetime.fromtimestamp(now, UTC),
            stale_seconds=self._section.stale_seconds,
            deaf_seconds=self._section.deaf_seconds,
        )
        signs = watchdogs.readings(self._expected, self._signs(), self._since, now) if self._expected else []
        # After a sleep, or when the hub could not be written, everybody has been silent for a moment.
        for source, readings in ((TEAM, team), (WATCHDOG, signs)):
            self._follow(source, readings)

    def look_at_host(self) -> str:
        """Look once; why it cannot be measured. Raises StoreError."""
        found = self.measure()
        if found is None:
            return self.host.note if self._section.watch_host else ""
        watched = found if self._section.watch_host else [each for each in found if each.key.startswith(PROCESS)]
        self._follow(HOST, watched)
        return ""

    def measure(self) -> list[Reading] | None:
        """How the host is; None: that cannot be known now."""
        try:
            return self.host.look()
        except (psutil.Error, OSError, ValueError, RuntimeError) as error:
            self._log.error("the host could not be looked at: %s", error)
            self.host.note = f"The host cannot be measured: {error}."
            return None

    def _follow(self, source: str, readings: list[Reading]) -> None:
        after, news = steady.follow(self._courses[source], readings, self._section.samples)
        if news:
            gone = {key for key in self._courses[source] if key not in after}
            alerts = [
                steady.alert(source, each, is_bad=each.key not in gone and after[each.key].is_bad) for each in news
            ]
            # Raises StoreError: then it is news again at the next look.
            self._incidents.take(source, alerts)
        self._courses[source] = after

    def _signs(self) -> list[watchdogs.Sign]:
        rows = self._hub.rows("SELECT * FROM signs_of_life")
        return [
            watchdogs.Sign(row["source"], row["key"], row["title"], moment.timestamp())
            for row in rows
            if (moment := from_text(row["seen_at"])) is not None
        ]
