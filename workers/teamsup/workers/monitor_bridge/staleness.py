"""Incidents that their sources do not repeat as they should: shown so, and put to a person or ended."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from teamsup.hub import MessageHub
from teamsup.hub.clock import to_text
from teamsup.hub.source_section import SourceSection, stale_seconds

from . import incident, texts
from .alert import Alert
from .incident import Incident
from .incidents import Incidents
from .routes import PEOPLE

OURS = ("host", "team", "watchdog")
"""Sources that we are ourselves: what they do not find any more is over."""
_GAP_SECONDS = 900.0
"""After so long in which nobody could be heard, time counts from then."""


def overdue(
    incidents: Sequence[Incident], sources: Mapping[str, SourceSection], since: float, now: float
) -> list[Incident]:
    """Those that should have been repeated by now, by somebody who has listened since then. Pure."""
    found = []
    for each in incidents:
        seconds = stale_seconds(sources.get(each.source))
        heard = max(since, 0.0 if each.last_seen is None else each.last_seen.timestamp())
        if each.source not in OURS and seconds and now - heard > seconds:
            found.append(each)
    return found


class Staleness:
    """Looks for them now and then."""

    def __init__(
        self,
        hub: MessageHub,
        sources: Mapping[str, SourceSection],
        incidents: Incidents,
        *,
        is_heard: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``is_heard``: whether sources can be heard at this moment."""
        self._hub = hub
        self._sources = sources
        self._incidents = incidents
        self._is_heard = is_heard
        self._clock = clock
        self._log = logging.getLogger("monitor-bridge")
        self._looked = self._last_sign()
        self._since = 0.0

    def overdue(self, incidents: Sequence[Incident]) -> list[Incident]:
        """Which of these should have been repeated by now."""
        now = self._clock()
        if not 0 <= now - self._looked <= _GAP_SECONDS:
            self._since = now
        if self._is_heard():
            self._looked = now
        return overdue(incidents, self._sources, self._since, now)

    @property
    def now(self) -> float:
        return self._clock()

    def look(self) -> None:
        """Say it of each once, or end it where that is wanted. Raises StoreError."""
        by_source: dict[str, list[Incident]] = {}
        for each in self.overdue(incident.open_incidents(self._hub)):
            if each.stale_at is None:
                by_source.setdefault(each.source, []).append(each)
        for name, found in by_source.items():
            self._log.warning("%d incidents of %s have not been heard of for too long", len(found), name)
            source = self._sources.get(name)
            if source is not None and source.close_stale:
                ends = [Alert(name, each.key, False, each.title, is_given_up=True) for each in found]
                self._incidents.take(name, ends)
            else:
                self._put_to_people(found)

    def _put_to_people(self, found: Sequence[Incident]) -> None:
        now, words = to_text(self._clock()), texts.stale(found)
        with self._hub.transaction():
            for each in found:
                self._hub.change("UPDATE incidents SET stale_at = ? WHERE id = ?", (now, each.id))
            conversation = self._incidents.conversations.get(found[0].first)
            if conversation is not None:
                self._incidents.conversations.say(conversation, PEOPLE, words, "stale")

    def _last_sign(self) -> float:
        """When monitor-bridge was here last, which may have been another process."""
        me = self._hub.agent_named(self._hub.agent or "")
        return 0.0 if me is None or me.last_heartbeat is None else me.last_heartbeat.timestamp()
