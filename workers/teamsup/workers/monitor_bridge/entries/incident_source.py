"""Incidents for pages: the list, each timeline, the incidents that need a person, and a person's actions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

from teamsup.config.entries import (
    ActionRejected,
    Age,
    Entry,
    EntryAction,
    EntryRow,
    EntrySource,
    EntryState,
    Need,
    Text,
    has_words,
    take_matching,
)
from teamsup.config.loader import Config
from teamsup.config.sections import TeamSection
from teamsup.hub import MessageHub, NotConfigured
from teamsup.terminal.formatting import format_moment

from ...protocol import MONITOR_BRIDGE
from ..incidents import group_table, incident, incident_table
from ..incidents.escalation import EscalationPolicy
from ..incidents.escalation_state import read_escalation
from ..incidents.group import IncidentGroups
from ..incidents.incident import ACKNOWLEDGED, FIRING, Incident
from ..incidents.rendering import format_count, render_labels, render_title
from ..sections import MonitorSection
from .command_request import send_command
from .timeline import NextEscalation, NotifiedRecipient, build_timeline, plan_next_step

_ACKNOWLEDGE = EntryAction("ack", "Acknowledge", is_main=True)
_MUTE = EntryAction("mute", "Mute 1 h")
_CLOSE = EntryAction(
    "close",
    "Close…",
    "It ends here and for everybody who was notified. If its source reports it again, that is a new incident.",
)


_NO_GROUP = ("{}", "{}:{}")
"""The name of a group that Alertmanager makes without labels. It has no meaning for people."""


def sources() -> tuple[EntrySource, ...]:
    """Return the source of incidents."""
    return (IncidentSource(),)


class IncidentSource:
    """The incidents. A group is acknowledged, muted and escalated as a whole."""

    kind = "incident"
    title = "Incidents"
    address = "/incidents"
    columns = ("Severity", "Source", "Reported")
    filters: Mapping[str, tuple[str, ...]] = {"show": ("open", "all"), "words": ()}

    def needs(self, hub: MessageHub, now: datetime) -> Sequence[Need]:
        """Return the firing incidents that were neither acknowledged nor muted: the worst of each group."""
        worst: dict[int, Incident] = {}
        counts: dict[int, int] = {}
        for each in incident_table.open_incidents(hub):
            if each.state == FIRING and each.inhibited_by is None and not each.is_muted:
                worst.setdefault(each.group_id, each)
                counts[each.group_id] = counts.get(each.group_id, 0) + 1
        policy = _read_policy(hub) if worst else None
        return [_to_need(hub, each, counts[each.group_id], policy, now) for each in worst.values()]

    def count_open(self, hub: MessageHub) -> int:
        return sum(incident_table.count_open(hub).values())

    def rows(
        self, hub: MessageHub, filters: Mapping[str, str], before: str | None, limit: int, now: datetime
    ) -> Sequence[EntryRow]:
        last = None if before is None else incident.parse_number(before)

        def read(older_than: int | None) -> Sequence[Incident]:
            if filters.get("show") == "all":
                return incident_table.all_incidents(hub, limit, older_than)
            newest = sorted(incident_table.open_incidents(hub), key=lambda each: -each.id)
            return [each for each in newest if older_than is None or each.id < older_than]

        def fits(each: Incident) -> bool:
            texts = (f"#{each.id}", render_title(each), each.text, render_labels(each.labels), each.source)
            people = (each.acknowledged_by or "", each.responded_by or "")
            return has_words(filters.get("words", ""), *texts, *people)

        found = take_matching(read, lambda each: each.id, fits, last)
        return [_to_row(each, now) for each in islice(found, limit)]

    def entry(self, hub: MessageHub, entry_id: str, now: datetime) -> Entry | None:
        found = _find(hub, entry_id)
        if found is None:
            return None
        planned = _read_next_step(hub, found, _read_policy(hub), now)
        return Entry(
            self.kind,
            entry_id,
            f"Incident {found.id}",
            render_title(found),
            _state_of(found),
            _evidence_of(found, 1, verb="for"),
            found.first_seen or now,
            facts=_facts_of(found),
            texts=tuple(each for each in (("Text", found.text), ("Labels", render_labels(found.labels))) if each[1]),
            timeline=build_timeline(found, _read_notifications(hub, found.group_id), planned),
            actions=_actions_of(found),
            version=_version_of(found),
            conversation=found.conversation,
        )

    def act(self, hub: MessageHub, entry_id: str, action: str, version: str, person: str, text: str) -> str:  # noqa: ARG002
        found = _find(hub, entry_id)
        if found is None:
            raise ActionRejected(f"There is no incident {entry_id}.")
        if _version_of(found) != version:
            raise ActionRejected(_describe_change(found))
        if action not in (each.name for each in _actions_of(found)):
            raise ActionRejected(f"Incident {found.id} is {found.state}: {action} is not possible.")
        return send_command(hub.team, (action, str(found.id)), person).text


def _find(hub: MessageHub, entry_id: str) -> Incident | None:
    number = incident.parse_number(entry_id)
    try:
        return None if number is None else incident_table.get_incident(hub, number)
    except incident.UnknownIncident:
        return None


def _state_of(each: Incident) -> EntryState:
    if not each.is_open:
        return EntryState("well", "resolved")
    if each.state == ACKNOWLEDGED:
        return EntryState("acknowledged", "acknowledged")
    if each.is_muted:
        return EntryState("paused", "muted")
    if each.stale_at is not None:
        return EntryState("unknown", "stale")
    return EntryState("paused", "inhibited") if each.inhibited_by is not None else EntryState("failed", FIRING)


def _version_of(each: Incident) -> str:
    """Return the version of the facts that a person must have seen before an action. An agent's answer does not change
    it.
    """
    return "|".join((each.state, each.acknowledged_by or "", each.mute or "" if each.is_muted else ""))


def _describe_change(each: Incident) -> str:
    if not each.is_open:
        return f"Incident {each.id} is over by now."
    if each.state == ACKNOWLEDGED:
        return f"{each.acknowledged_by} has acknowledged incident {each.id} by now."
    if each.is_muted:
        return f"{each.mute_by} has muted incident {each.id} by now."
    return f"Incident {each.id} fires, and nobody takes care of it by now."


def _actions_of(each: Incident) -> tuple[EntryAction, ...]:
    if not each.is_open:
        return ()
    if each.state == ACKNOWLEDGED:
        return (_CLOSE,)
    return (_ACKNOWLEDGE, _CLOSE) if each.is_muted else (_ACKNOWLEDGE, _MUTE, _CLOSE)


def _evidence_of(each: Incident, firing: int, verb: str = "firing") -> Text:
    """Return the present facts, with ``verb`` before the time. If the state is "firing", leave the verb out."""
    severity = each.severity.capitalize()
    began = each.first_seen
    if not each.is_open:
        return (severity, *(() if each.ended_at is None else (", ended ", Age(each.ended_at))))
    since = () if began is None else (", firing " if verb == "firing" else " ", Age(began, "for"))
    others = "" if firing < 2 else f", with {firing - 1} more of its group"
    return (f"{severity}", *since, f", reported {format_count(each.count)}{others}.", *_response_of(each))


def _response_of(each: Incident) -> Text:
    """Return a sentence about the agent or person that has responded, or that was notified last."""
    if each.state == ACKNOWLEDGED and each.acknowledged_at is not None:
        return (f" {each.acknowledged_by} takes care of it, since ", Age(each.acknowledged_at), ".")
    if each.is_muted:
        return (f" {each.mute_by} has muted it until {format_moment(each.mute_ends_at)}.",)
    if each.responded_by is not None and each.responded_at is not None:
        return (f" {each.responded_by} answered ", Age(each.responded_at), ".")
    if each.since is None or each.step == "new":
        return (" Nobody was notified yet.",)
    who = {"paged": "People were paged", "command": "The command ran"}.get(each.step, f"{each.agent} was notified")
    return (f" {who} ", Age(each.since), ", and nobody has answered.")


def _to_need(hub: MessageHub, each: Incident, count: int, policy: EscalationPolicy | None, now: datetime) -> Need:
    planned = _read_next_step(hub, each, policy, now)
    return Need(
        IncidentSource.kind,
        str(each.id),
        f"Incident {each.id}",
        render_title(each),
        _evidence_of(each, count),
        _state_of(each),
        each.first_seen or now,
        deadline=None if planned is None else planned.at,
        deadline_note="" if planned is None else planned.text if planned.at is None else f"then {planned.text}",
        actions=_actions_of(each),
        version=_version_of(each),
        is_critical=each.severity == "critical",
    )


def _to_row(each: Incident, now: datetime) -> EntryRow:
    cells = (each.severity, each.source, format_count(each.count))
    evidence = _response_of(each) if each.is_open else _evidence_of(each, 1)
    return EntryRow(str(each.id), render_title(each), _state_of(each), evidence, each.first_seen or now, cells)


def _facts_of(each: Incident) -> tuple[tuple[str, str], ...]:
    facts = {
        "Severity": each.severity,
        "Source": each.source,
        "Group": "" if each.group in _NO_GROUP else each.group,
        "Subject": each.subject,
        "Reported": format_count(each.count),
        "Last seen": format_moment(each.last_seen),
        "Inhibited by": "" if each.inhibited_by is None else f"incident {each.inhibited_by}",
        "Link": each.link,
    }
    return tuple((label, value) for label, value in facts.items() if value)


def _read_notifications(hub: MessageHub, group_id: int) -> list[NotifiedRecipient]:
    recipients = dict(group_table.messages_of(hub, group_id))
    labels, states = hub.queries.labels(recipients), hub.queries.trace_each(recipients)
    return [
        NotifiedRecipient(recipient, labels[number].message_id.rsplit(":", 2)[-2], state)
        for number, recipient in recipients.items()
        if number in labels
        for state in states.get(number, ())
        if state.recipient == recipient
    ]


def _read_policy(hub: MessageHub) -> EscalationPolicy | None:
    """Return the escalation policy of monitor-bridge, or None if its configuration cannot be read."""
    try:
        config = Config(hub.team)
        section = config.section(MONITOR_BRIDGE, MonitorSection)
        unread_seconds = config.section("team", TeamSection).unread_seconds
    except NotConfigured:
        return None
    return EscalationPolicy(section.ack_timeout_seconds, unread_seconds, bool(section.command))


def _read_next_step(
    hub: MessageHub, each: Incident, policy: EscalationPolicy | None, now: datetime
) -> NextEscalation | None:
    """Return the next step, which is taken if there is no response. If monitor-bridge does not run, return
    "unknown".
    """
    if each.is_muted:
        return NextEscalation(each.mute_ends_at, "the mute ends, and it is notified again")
    group = group_table.get_group(hub, each.group_id)
    if group is None or group.is_resolved or each.state == ACKNOWLEDGED:
        return None
    bridge = hub.find_agent(MONITOR_BRIDGE)
    if bridge is None or not bridge.is_present(now):
        return NextEscalation(None, f"unknown: {MONITOR_BRIDGE} is not heard")
    if policy is None:
        return NextEscalation(None, "unknown: the configuration cannot be read")
    groups = IncidentGroups(hub)
    state, own = read_escalation(hub, groups, group, policy, groups.agents_by_name(), now.timestamp())
    return plan_next_step(state, own, group.notify_at, now.timestamp())
