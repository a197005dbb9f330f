"""Has sources be quiet about what somebody takes care of, and finds out by asking when that is over."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from teamsup.hub import MessageHub, TeamsupError
from teamsup.hub.clock import to_text
from teamsup.hub.source_section import SourceSection

from . import incident, silence, texts
from .alert import Alert
from .incident import Incident
from .incidents import Incidents
from .routes import PEOPLE
from .staleness import Staleness

_EVERY_LOOKS = 6
_TRIES = 3  # of a source that does not do it, before the others of it are not tried
_NEW_SECONDS = 300.0  # in which an Alertmanager that was started anew is told again of all that fires

Report = Callable[[str, str], Awaitable[None]]
"""Says what cannot be done, by its cause; an empty reason: it can."""


async def _nothing(_cause: str, _reason: str) -> None:
    pass


class Quiet:
    """For sources with a ``silence_url``."""

    def __init__(
        self,
        hub: MessageHub,
        sources: Mapping[str, SourceSection],
        incidents: Incidents,
        interval_seconds: float,
        report: Report = _nothing,
        staleness: Staleness | None = None,
    ) -> None:
        self._hub = hub
        self._sources = {name: source for name, source in sources.items() if source.silence_url}
        self._may_be_silent = set(self._sources)
        """Where silences of ours may be, also from before we were started."""
        self._incidents = incidents
        self._seconds = _EVERY_LOOKS * interval_seconds
        self._report = report
        self._staleness = staleness or Staleness(hub, sources, incidents)
        self._log = logging.getLogger("monitor-bridge")

    async def silence(self, acknowledged: Sequence[Incident]) -> None:
        """Silence them, where that is wanted; people hear once where and why it failed."""
        for name, source in self._sources.items():
            wanted = [each.id for each in acknowledged if each.source == name and each.labels]
            failed: list[Incident] = []
            why = ""
            try:
                for number in wanted:
                    each = await asyncio.to_thread(incident.by_id, self._hub, number)
                    if each.state != incident.ACKNOWLEDGED:
                        continue
                    try:
                        if len(failed) < _TRIES:
                            await self._silence(each, source)
                            continue
                    except silence.NotSilenced as error:
                        why = str(error)
                    failed.append(each)
                if failed:
                    self._log.error("%s of %s are not silenced: %s", len(failed), name, why)
                    await asyncio.to_thread(self._tell, failed, why)
                if wanted:
                    with contextlib.suppress(silence.NotSilenced):
                        # So that its end is known for one, however soon that comes.
                        await self._look(name, source)
            except TeamsupError as error:
                self._log.error("what is acknowledged of %s is not silenced: %s", name, error)

    async def follow(self) -> None:
        """Look now and then whether what is silenced or not repeated is over: its source may not say so."""
        while True:
            await asyncio.sleep(self._seconds)
            for name, source in self._sources.items():
                try:
                    await self._look(name, source)
                    if name in self._may_be_silent:
                        await self._end_silences(name, source)
                except (silence.NotSilenced, TeamsupError) as error:
                    await self._report(f"silences of {name}", f"{name} cannot be asked what fires there: {error}.")
                else:
                    await self._report(f"silences of {name}", "")
            try:
                await asyncio.to_thread(self._staleness.look)
            except TeamsupError as error:
                await self._report("staleness", f"Who is not heard of any more could not be stored: {error}")
            else:
                await self._report("staleness", "")

    async def _silence(self, each: Incident, source: SourceSection) -> None:
        who = each.acknowledged_by or self._hub.agent or ""
        comment = silence.comment(self._hub.team.name, each, who)
        self._may_be_silent.add(each.source)
        wanted = silence.body(each.labels, who, comment, datetime.now(UTC), source.silence_seconds)
        await silence.post(source.silence_url, wanted)

    async def _look(self, name: str, source: SourceSection) -> None:
        if not any(await asyncio.to_thread(self._asked_for, name)):
            return
        fires = await silence.firing(source.silence_url)
        if over := await asyncio.to_thread(self._compare, name, fires):
            started = await silence.started(source.silence_url)
            await asyncio.to_thread(self._end, name, over, started)

    def _open(self, name: str) -> list[Incident]:
        return [each for each in incident.open_incidents(self._hub) if each.source == name]

    def _acknowledged(self, name: str) -> list[Incident]:
        return [each for each in self._open(name) if each.state == incident.ACKNOWLEDGED]

    def _asked_for(self, name: str) -> tuple[list[Incident], list[Incident], list[Incident]]:
        """What may be over without a word; what should have been repeated by now; what was not seen there yet."""
        found = self._open(name)
        rows = self._hub.rows("SELECT id FROM incidents WHERE seen_there = 1 AND state <> 'resolved'")
        seen = {row["id"] for row in rows}
        acknowledged = [each for each in found if each.state == incident.ACKNOWLEDGED]
        return acknowledged, self._staleness.overdue(found), [each for each in found if each.id not in seen]

    def _compare(self, name: str, fires: Sequence[tuple[str, Mapping[str, str]]]) -> list[Incident]:
        """What fires there no more."""
        acknowledged, overdue, unseen = self._asked_for(name)
        may_end = {each.id: each for each in (*acknowledged, *overdue)}
        new = {each.id for each in unseen}
        here, over = silence.over([*may_end.values(), *unseen], fires, may_end.keys() - new)
        now = to_text(self._staleness.now)
        with self._hub.transaction():
            for number in here & new:
                self._hub.change("UPDATE incidents SET seen_there = 1 WHERE id = ?", (number,))
            for number in here & {each.id for each in overdue}:
                self._hub.change("UPDATE incidents SET last_seen = ?, stale_at = NULL WHERE id = ?", (now, number))
        return over

    def _end(self, name: str, over: Sequence[Incident], started: datetime | None) -> None:
        """One that was started anew may not have been told yet what fires."""
        is_new = started is not None and (datetime.now(UTC) - started).total_seconds() < _NEW_SECONDS
        known = [each for each in over if not (is_new and started and started > _heard_at(each))]
        if known:
            self._incidents.take(name, [Alert(name, each.key, is_firing=False, title=each.title) for each in known])

    async def _end_silences(self, name: str, source: SourceSection) -> None:
        """What is over is not to be silent when it comes back."""
        self._may_be_silent.discard(name)
        is_done = False
        try:
            silences = await silence.ours(source.silence_url, self._hub.team.name)
            acknowledged = {each.id for each in await asyncio.to_thread(self._acknowledged, name)}
            for number, (about, labels) in silences.items():
                if about not in acknowledged and await asyncio.to_thread(self._is_of, name, about, labels):
                    await silence.end(source.silence_url, number)
            is_done = not acknowledged
        finally:
            if not is_done:
                self._may_be_silent.add(name)

    def _is_of(self, name: str, number: int, labels: Mapping[str, str]) -> bool:
        """Whether that silence was made for this incident, and not by a team of the same name elsewhere."""
        try:
            found = incident.by_id(self._hub, number)
        except incident.UnknownIncident:
            return False
        return found.source == name and dict(found.labels) == dict(labels)

    def _tell(self, failed: Sequence[Incident], why: str) -> None:
        with self._hub.transaction():
            if (conversation := self._incidents.conversations.get(failed[0].first)) is not None:
                text = texts.not_silenced(failed, why)
                self._incidents.conversations.say(conversation, PEOPLE, text, "silence")


def _heard_at(each: Incident) -> datetime:
    """When it was known last that it fires there, or that somebody wants it to be silent."""
    return each.acknowledged_at or each.last_seen or datetime.min.replace(tzinfo=UTC)
