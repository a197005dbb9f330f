"""The supervisor as a member of the hub. On one host of the team it also answers for the team, and prunes the hub."""

import os
from collections.abc import Callable, Mapping

from teamsup.config.components import installed_tables
from teamsup.hub import Agent, Delivery, MessageHub
from teamsup.hub.errors import UnusableComponent
from teamsup.hub.models import DEGRADED, NOT_CONFIGURED, OFFLINE, ONLINE, SUPERVISOR
from teamsup.hub.wakeup.doorbell import Doorbells
from teamsup.status.degradation import blocked_reason
from teamsup.status.state_file import WorkerState

from ..configuration.roles import Roles
from ..configuration.team_configuration import TeamConfiguration
from ..enrollment import WorkerEnrollment
from ..health.troubles import Troubles

_REQUEST_SECONDS = 24 * 3600.0


class HubMember:
    """The calls of the hub that a supervisor makes at each tick. They block, and raise StoreError."""

    def __init__(
        self,
        hub: MessageHub,
        roles: Roles,
        enrollment: WorkerEnrollment,
        troubles: Troubles,
        log: Callable[[str], None],
    ) -> None:
        self._hub = hub
        self._roles = roles
        self._enrollment = enrollment
        self._troubles = troubles
        self._log = log
        self._answers_for_team = False

    def join(self, configuration: TeamConfiguration) -> bool:
        """Take part in the hub: create the tables of the components, and enroll the workers. Return True."""
        self._check_role()
        self._migrate_components()
        self._enrollment.enroll(configuration)
        return True

    def sync(
        self, configuration: TeamConfiguration, own: Mapping[str, WorkerState], note: str
    ) -> tuple[list[Agent], list[Delivery]]:
        """Send a heartbeat about the workers of this host (``own``) and of other hosts. Return the agents and the new
        requests.
        """
        is_speaker = self._check_role()
        if is_speaker:
            # The worker that reports crash loops learns of crashes here, because many workers do not use the hub.
            workers = {each.name: each for each in self._roles.workers_elsewhere()}
            workers |= {name: each for name, each in own.items() if not self._roles.runs_elsewhere(name)}
            self._hub.heartbeat(
                DEGRADED if self._troubles else ONLINE,
                pid=os.getpid(),
                restarts={each.name: each.restarts for each in workers.values()},
                fatal={
                    each.name: reason
                    for each in workers.values()
                    if (reason := blocked_reason(each, self._agent_of(each)))
                },
                reason=str(self._troubles),
                note=note,
            )
        self._enrollment.flush(configuration)
        self._hub.start_watcher()
        if not is_speaker:
            return self._hub.agents(), []
        self._hub.maintenance.apply_all_deadlines(installed_tables())
        # Handle requests first, because their senders are known by then.
        requests = self._hub.claim(10, lease=_REQUEST_SECONDS)
        return self._hub.agents(), requests

    def prune(self, keep_seconds: float) -> None:
        """Remove the doorbells of this host whose process was killed, and old messages if it answers for the team."""
        # A doorbell is otherwise removed when it is rung, but nobody sends to a session that is gone.
        Doorbells(self._hub.team.run).ring_all()
        if self._roles.holds(SUPERVISOR):
            self._hub.maintenance.prune(older_than=keep_seconds, components=installed_tables())

    def leave(self) -> None:
        """Mark the supervisor offline, unless another host answers for the team."""
        if self._roles.holds(SUPERVISOR):
            self._hub.heartbeat(OFFLINE)

    def _check_role(self) -> bool:
        """Return whether this host answers for the team. When this begins, take over the mailbox."""
        holds = self._roles.holds(SUPERVISOR)
        if holds and not self._answers_for_team:
            self._hub.register("supervisor", pid=os.getpid())
            self._hub.maintenance.release_abandoned()
        self._answers_for_team = holds
        return holds

    def _migrate_components(self) -> None:
        """Create and migrate the tables of all components. If one component cannot use its tables, continue with the
        others.
        """
        for tables in installed_tables():
            try:
                self._hub.maintenance.migrate_component(tables)
            except UnusableComponent as error:
                self._log(str(error))

    def _agent_of(self, worker: WorkerState) -> Agent | None:
        """Return the note of an unconfigured worker; empty for other workers."""
        return self._hub.find_agent(worker.name) if worker.reason == NOT_CONFIGURED else None
