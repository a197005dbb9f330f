"""Silence acknowledged problems at their sources, and ask the sources whether the problems have ended."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import MessageHub, TeamsupError

from ...worker import ReportState
from ..checks.staleness import StalenessCheck
from ..incident_service import IncidentService
from ..incidents import group_table, incident, incident_table, rendering
from ..incidents.alert import Alert
from ..incidents.incident import Incident
from ..source_section import SourceSection
from . import alertmanager_api

_CHECK_INTERVALS = 6
_MAX_FAILURES = 3  # failures of a source, after which its other incidents are not tried
_STARTUP_SECONDS = 300.0  # a restarted Alertmanager gets all firing alerts from Prometheus within this time


async def _ignore_report(_cause: str, _reason: str) -> None:
    pass


class Silencer:
    """Silences for sources with a ``silence_url``."""

    def __init__(
        self,
        hub: MessageHub,
        sources: Mapping[str, SourceSection],
        incidents: IncidentService,
        interval_seconds: float,
        report: ReportState = _ignore_report,
        staleness: StalenessCheck | None = None,
    ) -> None:
        self._hub = hub
        self._sources = {name: source for name, source in sources.items() if source.silence_url}
        self._with_silences = set(self._sources)
        """Sources that may have silences of monitor-bridge, also from an earlier process."""
        self._incidents = incidents
        self._interval_seconds = _CHECK_INTERVALS * interval_seconds
        self._report = report
        self._staleness = staleness or StalenessCheck(hub, sources, incidents)
        self._log = logging.getLogger("monitor-bridge")

    async def silence_acknowledged(self, acknowledged: Sequence[Incident]) -> None:
        """Silence the incidents if this is configured. After a failure, notify people once of the source and the
        reason.
        """
        for name, source in self._sources.items():
            wanted = [each.id for each in acknowledged if each.source == name and each.labels]
            failed: list[Incident] = []
            why = ""
            try:
                if wanted:
                    with contextlib.suppress(alertmanager_api.SilenceFailed):
                        # First note that Alertmanager knows the alert. Then its end is recognised, even if it comes
                        # soon.
                        await self._check_source(name, source)
                for number in wanted:
                    each = await asyncio.to_thread(incident_table.get_incident, self._hub, number)
                    if each.state != incident.ACKNOWLEDGED:
                        continue
                    try:
                        if len(failed) < _MAX_FAILURES:
                            await self._create_silence(each, source)
                            continue
                    except alertmanager_api.SilenceFailed as error:
                        why = str(error)
                    failed.append(each)
                if failed:
                    self._log.error("%s of %s are not silenced: %s", len(failed), name, why)
                    await asyncio.to_thread(self._report_failure, failed, why)
            except TeamsupError as error:
                self._log.error("acknowledged alerts of %s are not silenced: %s", name, error)

    async def run(self) -> None:
        """Check at intervals whether silenced or stale problems have ended, because their source may not report it."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            for name, source in self._sources.items():
                try:
                    await self._check_source(name, source)
                    if name in self._with_silences:
                        await self._expire_silences(name, source)
                except (alertmanager_api.SilenceFailed, TeamsupError) as error:
                    await self._report(f"silences of {name}", f"{name} does not return its firing alerts: {error}.")
                else:
                    await self._report(f"silences of {name}", "")
            try:
                await asyncio.to_thread(self._staleness.report_stale)
            except TeamsupError as error:
                await self._report("staleness", f"Stale incidents could not be stored: {error}")
            else:
                await self._report("staleness", "")

    async def _create_silence(self, each: Incident, source: SourceSection) -> None:
        who = each.acknowledged_by or self._hub.agent or ""
        comment = alertmanager_api.build_comment(self._hub.team.name, each, who)
        self._with_silences.add(each.source)
        wanted = alertmanager_api.build_silence(each.labels, who, comment, datetime.now(UTC), source.silence_seconds)
        await alertmanager_api.create_silence(source.silence_url, wanted)

    async def _check_source(self, name: str, source: SourceSection) -> None:
        if not any(await asyncio.to_thread(self._candidates, name)):
            return
        fires = await alertmanager_api.fetch_firing(source.silence_url)
        if over := await asyncio.to_thread(self._update_seen, name, fires):
            started = await alertmanager_api.fetch_start_time(source.silence_url)
            await asyncio.to_thread(self._resolve, name, over, started)

    def _open_incidents(self, name: str) -> list[Incident]:
        return [each for each in incident_table.open_incidents(self._hub) if each.source == name]

    def _acknowledged(self, name: str) -> list[Incident]:
        return [each for each in self._open_incidents(name) if each.state == incident.ACKNOWLEDGED]

    def _candidates(self, name: str) -> tuple[list[Incident], list[Incident], list[Incident]]:
        """Return incidents that may have ended without a report, stale incidents, and incidents that Alertmanager has
        not shown yet.
        """
        found = self._open_incidents(name)
        seen = incident_table.ids_seen_at_source(self._hub)
        acknowledged = [each for each in found if each.state == incident.ACKNOWLEDGED]
        return acknowledged, self._staleness.find_overdue(found), [each for each in found if each.id not in seen]

    def _update_seen(self, name: str, fires: Sequence[tuple[str, Mapping[str, str]]]) -> list[Incident]:
        """Return the incidents that no longer fire in Alertmanager."""
        acknowledged, overdue, unseen = self._candidates(name)
        may_end = {each.id: each for each in (*acknowledged, *overdue)}
        new = {each.id for each in unseen}
        here, over = alertmanager_api.compare_firing([*may_end.values(), *unseen], fires, may_end.keys() - new)
        with self._hub.transaction():
            for number in here & new:
                incident_table.update_incident(self._hub, number, seen_at_source=1)
            for number in here & {each.id for each in overdue}:
                incident_table.update_incident(self._hub, number, last_seen=self._staleness.now, stale_at=None)
        return over

    def _resolve(self, name: str, over: Sequence[Incident], started: datetime | None) -> None:
        """Resolve incidents that have stopped firing. A restarted Alertmanager may not know all firing alerts yet."""
        is_new = started is not None and (datetime.now(UTC) - started).total_seconds() < _STARTUP_SECONDS
        known = [each for each in over if not (is_new and started and started > _last_known_firing(each))]
        if known:
            self._incidents.ingest(
                name, [Alert(name, each.fingerprint, is_firing=False, title=each.title) for each in known]
            )

    async def _expire_silences(self, name: str, source: SourceSection) -> None:
        """Expire the silences of ended problems, so that the next alert arrives."""
        self._with_silences.discard(name)
        is_done = False
        try:
            silences = await alertmanager_api.list_own_silences(source.silence_url, self._hub.team.name)
            acknowledged = {each.id for each in await asyncio.to_thread(self._acknowledged, name)}
            for number, (about, labels) in silences.items():
                if about not in acknowledged and await asyncio.to_thread(self._is_silence_for, name, about, labels):
                    await alertmanager_api.expire_silence(source.silence_url, number)
            is_done = not acknowledged
        finally:
            if not is_done:
                self._with_silences.add(name)

    def _is_silence_for(self, name: str, number: int, labels: Mapping[str, str]) -> bool:
        """Return whether a silence belongs to this incident. Another team may have the same name."""
        try:
            found = incident_table.get_incident(self._hub, number)
        except incident.UnknownIncident:
            return False
        return found.source == name and dict(found.labels) == dict(labels)

    def _report_failure(self, failed: Sequence[Incident], why: str) -> None:
        with self._hub.transaction():
            if (group := group_table.get_group(self._hub, failed[0].group_id)) is not None:
                text = rendering.render_silence_failure(failed, why)
                self._incidents.groups.send(group, USER_COMM, text, "silence")


def _last_known_firing(each: Incident) -> datetime:
    """Return the time when the incident last fired in Alertmanager, or was silenced on request."""
    return each.acknowledged_at or each.last_seen or datetime.min.replace(tzinfo=UTC)
