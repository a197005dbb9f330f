"""Carry out the escalation: notify as escalation.py decides, store it, and check again when the next step is due."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.hub import Agent, MessageHub, StoreError

from ..incidents import group_table, incident_table, rendering
from ..incidents.escalation import (
    MAX_NOTIFY_DELAY_SECONDS,
    EscalationPolicy,
    NotifyAgent,
    PagePeople,
    PingPeople,
    RemindAgent,
    RunCommand,
    WaitUntil,
    next_step,
)
from ..incidents.escalation_state import read_escalation, read_outcome
from ..incidents.group import IncidentGroups
from ..incidents.group_table import IncidentGroup
from ..incidents.incident import worst_severity
from ..incidents.pinging import Pinging, PingPlan
from ..mutes.mutes import Mutes

_RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class EscalationResult:
    """The result of a check of all groups."""

    next_due: float | None
    """The time of the next step, or None."""
    commands: tuple[int, ...] = ()
    """The groups for which the command must run."""


class Escalator:
    """Take each group from step to step until an agent or a person acts."""

    def __init__(
        self,
        hub: MessageHub,
        groups: IncidentGroups,
        mutes: Mutes,
        policy: EscalationPolicy,
        ping_plan: PingPlan,
        clock: Callable[[], float],
    ) -> None:
        self._hub = hub
        self._groups = groups
        self._mutes = mutes
        self._policy = policy
        self._ping_plan = ping_plan
        self._clock = clock
        self._log = logging.getLogger("monitor-bridge")

    def run_due_steps(self) -> EscalationResult:
        """Apply the changes of mutes, then take every step that is due."""
        if self._mutes.are_any():  # other writers do not have to wait needlessly
            with self._hub.transaction():
                self._mutes.apply_all()
        steps = (
            ("new", "notified", "reminded", "paged") if self._policy.has_command else ("new", "notified", "reminded")
        )
        due = self._mutes.next_changes()
        commands: list[int] = []
        for group_id in incident_table.active_groups(self._hub, steps):
            try:
                with self._hub.transaction():
                    step = self.advance_group(group_id)
            except StoreError:
                raise
            except Exception:
                # A group that fails must not stop the others.
                self._log.exception("the escalation of incident %d failed", group_id)
                step = WaitUntil(self._clock() + _RETRY_SECONDS)
            match step:
                case WaitUntil(until):
                    due.append(until)
                case RunCommand():
                    commands.append(group_id)
        return EscalationResult(min(due, default=None), tuple(commands))

    def advance_group(self, group_id: int) -> WaitUntil | RunCommand | None:
        """Take the due steps of one group, in the caller's transaction. Return the steps that are left."""
        now = self._clock()
        group = group_table.get_group(self._hub, group_id)
        if group is None or group.is_resolved:
            return None
        group = self._correct_clock(group, now)
        if group.notify_at is not None and group.notify_at <= now:
            self._restart(group)
        while True:
            group = group_table.get_group(self._hub, group_id)
            if group is None:
                return None
            agents = self._groups.agents_by_name()
            state, policy = read_escalation(self._hub, self._groups, group, self._policy, agents, now)
            step = next_step(state, policy, now)
            match step:
                case RemindAgent(name) | NotifyAgent(name):
                    self._notify_agent(group, name, agents, now, is_again=isinstance(step, RemindAgent))
                case PagePeople(name):
                    self._page_people(group, name, agents, now)
                case PingPeople():
                    self._ping_people(group, now)
                case WaitUntil(until):
                    return WaitUntil(min(until, group.notify_at or until))
                case None:
                    return None if group.notify_at is None else WaitUntil(group.notify_at)
                case RunCommand():
                    return step

    def command_due_since(self, group_id: int) -> float | None:
        """Return the time since which the command is due, or None."""
        is_due = isinstance(self.advance_group(group_id), RunCommand)
        group = group_table.get_group(self._hub, group_id)
        return group.since if is_due and group is not None else None

    def mark_command_run(self, group_id: int, since: float | None = None) -> None:
        """Note that the command has run. Handle incidents that have joined since then separately."""
        group = group_table.get_group(self._hub, group_id)
        if group is not None and group.step == "paged" and since in (None, group.since):
            group_table.update_group(self._hub, group_id, step="command", since=self._clock())

    def _correct_clock(self, group: IncidentGroup, now: float) -> IncidentGroup:
        """Correct the times after the clock was set back, so that no step waits longer than before."""
        due = group.notify_at
        if group.since <= now + 1 and (due is None or due <= now + MAX_NOTIFY_DELAY_SECONDS):
            return group
        changes = {"since": min(group.since, now), "notify_at": None if due is None else min(due, now)}
        changes["ping_at"] = None if group.ping_at is None else min(group.ping_at, now)
        group_table.update_group(self._hub, group.group_id, **changes)
        return group_table.get_group(self._hub, group.group_id) or group

    def _restart(self, group: IncidentGroup) -> None:
        """Restart the steps after a new incident: first notify the agent that has the group."""
        agents = group.agents
        if group.agent in agents:
            agents = tuple(dict.fromkeys((group.agent, *agents)))
        group_table.update_group(
            self._hub,
            group.group_id,
            agents=json.dumps(agents),
            step="new",
            notified="[]",
            notify_at=None,
            ping_at=None,
            responded_at=None,
            responded_by=None,
            responded_by_id=None,
        )

    def _notify_agent(
        self, group: IncidentGroup, name: str, agents: Mapping[str, Agent], now: float, *, is_again: bool
    ) -> None:
        why = "" if group.step == "new" else self._explain_handover(group, agents, now)
        if group.agent not in (None, name) and group.notified:
            self._groups.withdraw(group.group_id, group.agent)
        self._groups.notify_agent(group, name, why)
        group_table.update_group(
            self._hub,
            group.group_id,
            agent=name,
            step="reminded" if is_again else "notified",
            since=now,
            notified=json.dumps([*group.notified, name]),
            notified_at=now,
        )

    def _page_people(self, group: IncidentGroup, name: str | None, agents: Mapping[str, Agent], now: float) -> None:
        why = self._explain_handover(group, agents, now)
        if name is not None:
            # The agent finds this message when it returns.
            self._groups.notify_agent(group, name)
        pinging = self._choose_pinging(group, now)
        self._groups.page_people(group, why, pinging)
        group_table.update_group(
            self._hub,
            group.group_id,
            agent=name or group.agent,
            step="paged",
            since=now,
            notified_at=now,
            ping_at=pinging.retry_at,
        )

    def _ping_people(self, group: IncidentGroup, now: float) -> None:
        """Page people again, if one of them can be pinged now."""
        pinging = self._choose_pinging(group, now)
        if pinging.users:
            self._groups.page_people(group, "Nobody was pinged about this before", pinging)
        group_table.update_group(self._hub, group.group_id, ping_at=pinging.retry_at)

    def _choose_pinging(self, group: IncidentGroup, now: float) -> Pinging:
        open_now, _ = incident_table.select_to_notify(self._hub, group.group_id, 1)
        return self._ping_plan.choose(worst_severity(each.severity for each in open_now), now)

    def _explain_handover(self, group: IncidentGroup, agents: Mapping[str, Agent], now: float) -> str:
        """Return why the next agent gets the group."""
        moment = datetime.fromtimestamp(now, UTC)
        had_it = agents.get(group.agent or "")
        if had_it is None and group.step != "new" and group.agent is not None:
            return rendering.explain_left(group.agent)
        if group.step == "new" or had_it is None:
            return rendering.explain_nobody_present([agents[name] for name in group.agents if name in agents], moment)
        message = self._groups.last_message_to(group.group_id, had_it.name)
        number = 0 if message is None else message.id
        outcome = read_outcome(self._hub, self._groups, group)
        if outcome == "read" and not had_it.is_present(moment):
            return rendering.explain_gone(had_it, number, moment)
        if outcome == "read":
            return rendering.explain_no_response(had_it.name, number, now - group.since)
        but_before = group.step == "reminded" and self._groups.has_read_previous(group.group_id, had_it.name)
        return rendering.explain_unread(had_it, number, moment, but_before=but_before)
