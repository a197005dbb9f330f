"""Begin and end mutes, and apply them to incidents. Everything here runs inside the caller's transaction."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import MessageHub

from ...protocol import NAMED_PEOPLE_KEY
from ..incidents import group_table, incident_table, listing
from ..incidents.group import IncidentGroups
from ..incidents.incident import FIRING, Incident, worst_severity
from ..incidents.rendering import build_alert_facts
from ..sections import MuteSection
from . import mute_listing, mute_table
from .mute import Mute, MuteRequest, decide_changes, parse_request
from .window import Windows, WindowState


@dataclass(frozen=True, slots=True)
class MuteResult:
    """The answer to a person who begins or ends a mute."""

    answer: str
    people: tuple[str, ...] = ()
    """The ids of the people whom the answer may name."""


class Mutes:
    """The mutes of people, and the mutes of maintenance windows."""

    def __init__(
        self,
        hub: MessageHub,
        groups: IncidentGroups,
        windows: Mapping[str, MuteSection] | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._groups = groups
        self._windows = Windows(windows or {})
        self._clock = clock

    def begin(self, words: Sequence[str], who: str, person: str, where: str | None = None) -> MuteResult:
        """Begin the mute that these words ask for, and notify people outside the conversation ``where``.

        Raise UnknownIncident, and CallerError for words that are not understood.
        """
        request, severity = parse_request(words), "critical"
        if request.incidents:
            wanted = [incident_table.get_incident(self._hub, number) for number in request.incidents]
            request, severity = self._with_groups(request, wanted)
            if not request.incidents:
                return MuteResult(listing.describe_states(wanted, datetime.fromtimestamp(self._clock(), UTC)))
        mute = mute_table.insert_mute(self._hub, request, severity, who, person, self._clock())
        self.apply_all()
        covered = [each for each in incident_table.muted_incidents(self._hub) if mute.covers(each)]
        return self._report(mute_listing.render_mute(mute, covered), covered, person, where)

    def end(self, words: Sequence[str], who: str, person: str, where: str | None = None) -> MuteResult:
        """End a mute before its time, and notify people. Raise UnknownMute."""
        mute = mute_listing.find_by_words(words, self._active())
        mute_table.end_mute(self._hub, int(mute.key), self._clock())
        unmuted = self._apply(incident_table.muted_incidents(self._hub))
        return self._report(mute_listing.render_ended_by(mute, unmuted, who), unmuted, person, where)

    def are_any(self) -> bool:
        """Return whether there is an active mute, or an incident that still has a mute."""
        return bool(self._active() or incident_table.muted_incidents(self._hub))

    def apply_all(self) -> None:
        """Apply the mutes to all incidents. If a mute has ended and its incidents still fire, notify people."""
        active = self._active()
        find = incident_table.open_incidents if active else incident_table.muted_incidents
        unmuted = self._apply(find(self._hub), active)
        keys = {mute.key for mute in active}
        for key in dict.fromkeys(each.mute for each in unmuted if each.mute not in keys):
            those = [each for each in unmuted if each.mute == key]
            self._report(mute_listing.render_over(those), those)

    def apply_to(self, groups: Collection[int]) -> None:
        """Apply the mutes to the incidents of these groups, before anybody is notified of them."""
        if active := self._active():
            for group_id in groups:
                self._apply(incident_table.open_in_group(self._hub, group_id), active)

    def list_active(self) -> tuple[list[Mute], Counter[str]]:
        """Return the mutes that are active now, each with the number of its incidents."""
        muted = incident_table.muted_incidents(self._hub)
        return self._active(), Counter(each.mute for each in muted if each.mute is not None)

    def next_changes(self) -> list[float]:
        """Return the times at which mutes end and windows open."""
        windows = [each.changes_at for each in self._windows.states(self._clock())]
        return [mute.ends_at for mute in self._active()] + windows

    def closed_windows(self) -> list[WindowState]:
        """Return the maintenance windows that are not open now."""
        return [each for each in self._windows.states(self._clock()) if each.mute is None]

    def _active(self) -> list[Mute]:
        now = self._clock()
        windows = [each.mute for each in self._windows.states(now) if each.mute is not None]
        return [mute for mute in (*mute_table.unended_mutes(self._hub, now), *windows) if mute.is_active(now)]

    def _apply(self, incidents: Sequence[Incident], active: Sequence[Mute] | None = None) -> list[Incident]:
        """Store the mute of each incident. Return the firing incidents that have lost their mute."""
        changes = decide_changes(incidents, self._active() if active is None else active)
        for change in changes:
            mute = change.mute
            values: dict[str, object] = dict.fromkeys(("mute", "mute_by", "mute_by_id", "mute_ends_at"))
            if mute is not None:
                values = {
                    "mute": mute.key,
                    "mute_by": mute.created_by,
                    "mute_by_id": mute.created_by_id,
                    "mute_ends_at": mute.ends_at,
                }
            incident_table.update_incident(self._hub, change.incident.id, **values)
        for group_id in dict.fromkeys(each.incident.group_id for each in changes if each.mute is not None):
            if not incident_table.needs_response(self._hub, group_id):
                self._groups.withdraw(group_id)
        unmuted = [each.incident for each in changes if each.mute is None and each.incident.state == FIRING]
        for group_id in dict.fromkeys(each.group_id for each in unmuted if each.inhibited_by is None):
            group_table.update_group(self._hub, group_id, notify_at=self._clock())
        return unmuted

    def _with_groups(self, request: MuteRequest, wanted: Sequence[Incident]) -> tuple[MuteRequest, str]:
        """Return a request that covers all firing incidents of these groups. Also return the worst severity
        among them.
        """
        firing = [
            each
            for group_id in dict.fromkeys(each.group_id for each in wanted if each.state == FIRING)
            for each in incident_table.open_in_group(self._hub, group_id)
            if each.state == FIRING
        ]
        return replace(request, incidents=tuple(each.id for each in firing)), worst_severity(
            each.severity for each in firing
        )

    def _report(
        self, text: str, about: Sequence[Incident], person: str | None = None, where: str | None = None
    ) -> MuteResult:
        """Notify people, and return the answer."""
        people = (person,) if person else tuple(incident_table.people_named(self._hub, about))
        facts: dict[str, object] = {"answered_in": where, NAMED_PEOPLE_KEY: list(people)}
        if about:
            facts |= {"alert": build_alert_facts(about, severity="info"), "incident": about[0].group_id}
        self._hub.send(USER_COMM, text, message_type="notification", metadata=facts)
        return MuteResult(text, people)
