"""This host as one of several: renew the leases of its roles, report its state, and end workers that it may not run.

The renewals wait for a server in a thread. The deadlines are checked beside them, on the event loop.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine

from teamsup.config.components import run_owners
from teamsup.hub import StoreError, Team
from teamsup.hub.engines.hosts.team_hosts import RENEWAL_SECONDS, Hold, HostAnswer, HostRequest, TeamHosts
from teamsup.hub.models import SUPERVISOR
from teamsup.status.process_state import BLOCKED
from teamsup.status.state_file import format_state

from ..background import BackgroundTasks
from ..configuration.roles import LeasedRoles
from ..health.troubles import Troubles
from ..processes.managed_process import ManagedProcess
from ..processes.orphans import end_runs
from ..processes.process_manager import ProcessManager
from ..status_publisher import StatusPublisher

_DEADLINE_CHECK_SECONDS = 0.5
_LEAST_PAUSE_SECONDS = 0.2
_CAUSE = "leases"
_FIRST_SECONDS = 3.0
"""Seconds after which the team starts without an answer of the server. Then its workers wait for their leases."""


class HostMembership:
    """One host of a team. ``woken`` makes it look soon. ``perform`` carries out a request of another host, and
    ``on_answered`` is called after the answer.
    """

    def __init__(
        self,
        team: Team,
        hosts: TeamHosts,
        roles: LeasedRoles,
        name: str,
        *,
        manager: ProcessManager,
        publisher: StatusPublisher,
        woken: asyncio.Event,
        background: BackgroundTasks,
        perform: Callable[[HostRequest], Awaitable[HostAnswer]],
        on_answered: Callable[[], None],
        troubles: Troubles,
    ) -> None:
        self._team = team
        self._hosts = hosts
        self._roles = roles
        self._name = name
        self._manager = manager
        self._publisher = publisher
        self._background = background
        self._perform = perform
        self._on_answered = on_answered
        self._troubles = troubles
        self._log = troubles.log
        self._woken = woken
        self._is_leaving = False
        self._first: set[str] = set()
        self._shown: object = None
        """The holders in the published state."""

    async def join(self) -> None:
        """If the server answers soon, take the leases of the workers that are about to start.

        A host that has shut down cleanly leaves its roles to the next host that starts. End runs of agents that an
        earlier supervisor has left on this host, if another host may run these agents now.
        """
        workers = self._manager.processes.values()
        self._first = {each.name for each in workers if _is_role(each) and _starts_by_itself(each)}
        try:
            async with asyncio.timeout(_FIRST_SECONDS):
                await self._sync()
        except (TimeoutError, StoreError) as error:
            self._log(f"the workers wait for their leases: {error or 'the server does not answer'}")
        self._first = set()
        if any(map(self._roles.runs_elsewhere, run_owners())):
            await asyncio.to_thread(end_runs, self._team)

    def loops(self) -> list[Coroutine[object, object, None]]:
        """Return the loops that run until cancelled."""
        return [self._renew_loop(), self._deadline_loop()]

    def wake(self) -> None:
        """Look soon, because something has changed, or a doorbell has rung."""
        self._woken.set()

    def begin_leaving(self) -> None:
        """Keep all leases until leave(), including those of ended workers."""
        self._is_leaving = True

    async def leave(self) -> None:
        """Release all leases, and report the end of this host's supervisor. Ignore an unreachable server."""
        held = self._roles.tokens
        self._roles.drop(*held)
        state = format_state(self._publisher.state)

        def leave() -> None:
            self._hosts.release(held, is_free=False)
            self._hosts.report(self._name, state, has_ended=True)

        try:
            await asyncio.to_thread(leave)
        except StoreError as error:
            self._log(f"the leases of this host end by themselves: {error}")
        await asyncio.to_thread(self._hosts.close)

    async def _renew_loop(self) -> None:
        while True:
            await asyncio.sleep(_LEAST_PAUSE_SECONDS)
            # A wanted lease of another host may end between two renewals. Look at that moment, and not only at the next
            # renewal.
            takeover = self._roles.seconds_to_takeover(self._wanted(), (SUPERVISOR,))
            try:
                async with asyncio.timeout(min(RENEWAL_SECONDS - _LEAST_PAUSE_SECONDS, takeover)):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            try:
                await self._sync()
            except StoreError as error:
                self._troubles.begin(_CAUSE, f"This host's leases are not renewed: {error}")
            except Exception as error:
                # Continue after any error: the deadlines of the leases decide what may run.
                self._troubles.begin(_CAUSE, f"This host's leases are not renewed: {type(error).__name__}: {error}.")
            else:
                self._troubles.end(_CAUSE)

    async def _deadline_loop(self) -> None:
        """End workers in time whose leases could not be renewed."""
        asked: set[str] = set()
        while True:
            await asyncio.sleep(_DEADLINE_CHECK_SECONDS)
            ending = set(self._roles.roles_in(Hold.STOP))
            if new := ending - asked:
                self._log(f"ends {', '.join(sorted(new))}: the server has not renewed their leases")
                self._manager.reconsider_all()
            asked = ending
            if over := self._roles.roles_in(Hold.KILL):
                self._roles.drop(*over)
                await self._end_now(over)

    async def _sync(self) -> None:
        wanted, first, state = self._wanted(), self._first, format_state(self._publisher.state)
        asked_at = time.monotonic()
        held = self._roles.tokens
        unwanted = {} if self._is_leaving else {role: token for role, token in held.items() if role not in wanted}
        self._roles.drop(*unwanted)

        def exchange() -> tuple[list[str], list[HostRequest]]:
            hosts = self._hosts
            hosts.release(unwanted, is_free=True)
            hosts.renew({role: token for role, token in held.items() if role not in unwanted})
            hosts.report(self._name, state)
            view = hosts.read()
            taken = self._roles.takeable(view, wanted, always={SUPERVISOR, *first.intersection(view.left_roles())})
            if taken:
                hosts.take(self._name, taken)
                view = hosts.read()
            lost = self._roles.accept(view, asked_at, taken)
            return sorted(lost), hosts.take_requests()

        before = self._roles.tokens
        lost, requests = await asyncio.to_thread(exchange)
        view = self._roles.view
        if lost:
            self._log(f"has lost the leases of {', '.join(lost)}")
            await self._end_now(lost)
        if new := sorted(self._roles.tokens.keys() - before.keys()):
            self._log(f"has the leases of {', '.join(new)}")
        self._manager.reconsider_all()
        if (holders := {(each.role, each.holder, each.seconds_left > 0) for each in view.leases}) != self._shown:
            self._shown = holders
            self._publisher.schedule()
        for request in requests:
            self._background.run(self._serve(request))

    async def _serve(self, request: HostRequest) -> None:
        answer = await self._perform(request)
        await asyncio.to_thread(self._hosts.answer, request.number, answer)
        self._on_answered()

    def _wanted(self) -> set[str]:
        """Return the roles that this host would run if it were the only host."""
        workers = self._manager.processes.values()
        return {SUPERVISOR, *self._first, *(each.name for each in workers if _wants_role(each))}

    async def _end_now(self, roles: list[str]) -> None:
        """Kill the workers of these roles, and the runs of agents, because another host may take the roles soon."""
        self._manager.reconsider_all()
        for role in roles:
            worker = self._manager.processes.get(role)
            if worker is not None and worker.child is not None:
                self._log(f"kills {role}: its lease has ended")
                worker.child.kill()
        if run_owners().intersection(roles):
            await asyncio.to_thread(end_runs, self._team, 0.0)


def _is_role(worker: ManagedProcess) -> bool:
    return worker.program.heartbeat_seconds is not None


def _starts_by_itself(worker: ManagedProcess) -> bool:
    return worker.program.autostart and not worker.program.fault


def _wants_role(worker: ManagedProcess) -> bool:
    """Return whether a worker with a mailbox runs or should run on this host."""
    is_due = worker.wanted and worker.process.state not in BLOCKED
    return _is_role(worker) and (worker.child is not None or is_due)
