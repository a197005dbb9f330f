"""Has sources be quiet about what somebody takes care of, and finds out by asking when that is over."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from teamsup.hub import MessageHub, TeamsupError
from teamsup.hub.source_section import SourceSection

from . import incident, silence
from .alert import Alert
from .incident import Incident
from .incidents import Incidents
from .routes import PEOPLE

_EVERY_LOOKS = 6


class Quiet:
    """For sources with a ``silence_url``."""

    def __init__(
        self, hub: MessageHub, sources: Mapping[str, SourceSection], incidents: Incidents, interval_seconds: float
    ) -> None:
        self._hub = hub
        self._sources = {name: source for name, source in sources.items() if source.silence_url}
        self._incidents = incidents
        self._seconds = _EVERY_LOOKS * interval_seconds
        self._log = logging.getLogger("monitor-bridge")

    async def silence(self, acknowledged: Sequence[Incident]) -> None:
        """Silence them, where that is wanted; people hear where it failed."""
        for each in acknowledged:
            if (source := self._sources.get(each.source)) is None or not each.labels:
                continue
            try:
                await asyncio.to_thread(self._silence, each, source)
            except silence.NotSilenced as error:
                self._log.error("incident %d is not silenced: %s", each.id, error)
                await self._tell(each, str(error))
            except TeamsupError as error:
                self._log.error("incident %d is not silenced: %s", each.id, error)

    async def follow(self) -> None:
        """Look now and then whether what is silenced is over: its source does not say so."""
        while self._sources:
            await asyncio.sleep(self._seconds)
            for name, source in self._sources.items():
                try:
                    await asyncio.to_thread(self._look, name, source)
                except (silence.NotSilenced, TeamsupError) as error:
                    self._log.warning("whether what is silenced at %s is over is not known: %s", name, error)

    def _silence(self, each: Incident, source: SourceSection) -> None:
        who = incident.by_id(self._hub, each.id).acknowledged_by or self._hub.agent
        comment = f"teamsup: incident {each.id}, acknowledged by {who}"
        wanted = silence.body(each.labels, who, comment, datetime.now(UTC), source.silence_seconds)
        silence.post(source.silence_url, wanted)
        with contextlib.suppress(silence.NotSilenced):
            # So that its end is known for one, however soon that comes.
            self._look(each.source, source)

    def _look(self, name: str, source: SourceSection) -> None:
        ours = [
            each
            for each in incident.open_incidents(self._hub)
            if each.source == name and each.state == incident.ACKNOWLEDGED
        ]
        if not ours:
            return
        rows = self._hub.rows("SELECT id FROM incidents WHERE seen_there = 1 AND state = 'acknowledged'")
        seen = {row["id"] for row in rows}
        here, over = silence.over(ours, silence.firing(source.silence_url), seen)
        with self._hub.transaction():
            for number in here - seen:
                self._hub.change("UPDATE incidents SET seen_there = 1 WHERE id = ?", (number,))
            if over:
                self._incidents.take(name, [Alert(name, each.key, is_firing=False, title=each.title) for each in over])

    async def _tell(self, each: Incident, why: str) -> None:
        def tell() -> None:
            with self._hub.transaction():
                if (conversation := self._incidents.conversations.get(each.first)) is not None:
                    text = f"Incident {each.id} is acknowledged, but {each.source} goes on about it: {why}."
                    self._incidents.conversations.say(conversation, PEOPLE, text, "silence")

        try:
            await asyncio.to_thread(tell)
        except TeamsupError as error:
            self._log.error("that it is not silenced could not be told: %s", error)
