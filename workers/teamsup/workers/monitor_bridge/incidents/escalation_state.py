"""Read the state of a group's escalation from the hub. It decides the next step, and people see it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from teamsup.hub import Agent, MessageHub

from . import incident_table
from .escalation import AgentCandidate, EscalationPolicy, EscalationState, NotificationOutcome, outcome_for
from .group import IncidentGroups
from .group_table import IncidentGroup


def read_escalation(
    hub: MessageHub,
    groups: IncidentGroups,
    group: IncidentGroup,
    policy: EscalationPolicy,
    agents: Mapping[str, Agent],
    now: float,
) -> tuple[EscalationState, EscalationPolicy]:
    """Return the state of the escalation, and the policy for this group. ``policy`` is the policy of the team."""
    moment = datetime.fromtimestamp(now, UTC)
    known = {name: agent.is_present(moment) for name, agent in agents.items()}
    # A storm, for instance, still gathers incidents before its first notification.
    gathers = group.step == "new" and group.notify_at is not None
    is_answered = not incident_table.needs_response(hub, group.group_id)
    state = EscalationState(
        group.step,
        group.since,
        tuple(AgentCandidate(name, known.get(name, False), name in group.notified) for name in group.agents),
        group.agent,
        read_outcome(hub, groups, group),
        group.ping_at,
        has_response=group.responded_by is not None or gathers or is_answered,
    )
    runs_command = policy.has_command and incident_table.needs_response(hub, group.group_id, but="info")
    return state, replace(policy, ack_timeout_seconds=group.ack_timeout_seconds, has_command=runs_command)


def read_outcome(hub: MessageHub, groups: IncidentGroups, group: IncidentGroup) -> NotificationOutcome:
    """Return the state of the last notification of the agent that has the group."""
    if group.agent is None:
        return "gone"
    message = groups.last_message_to(group.group_id, group.agent)
    return "gone" if message is None else outcome_for(hub.queries.trace(message.message_id), group.agent)
