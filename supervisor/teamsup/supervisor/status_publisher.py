"""Publish the status of a running team: for ``ps``, for the service manager, and in the log once it is ready."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from teamsup.hub import Agent, Team
from teamsup.status.degradation import degradation_reason
from teamsup.status.process_state import State
from teamsup.status.state_file import TeamState, WorkerState, write_state
from teamsup.status.team_lock import leave_word
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import absolute_command_hint, command_hint

from .health.troubles import Troubles
from .processes.managed_process import ManagedProcess
from .processes.process_manager import ProcessManager
from .sd_notify import ServiceNotifier

_PUBLISH_RATIO, _MAX_PUBLISH_SECONDS = 5.0, 0.5
"""The delay until a change is published, as a multiple of the time of one publication, and its maximum in seconds."""
_STATE = "state"


class StatusPublisher:
    """Publish the team's status. ``on_publish`` is called with each scheduled publication."""

    def __init__(
        self,
        team: Team,
        manager: ProcessManager,
        troubles: Troubles,
        notifier: ServiceNotifier,
        *,
        log: Callable[[str], None],
        on_publish: Callable[[], None],
    ) -> None:
        self._team = team
        self._manager = manager
        self._troubles = troubles
        self._service_notifier = notifier
        self._log = log
        self._on_publish = on_publish
        self.agents: Mapping[str, Agent] = {}
        """The agents that were in the hub at the last tick."""
        self._started_at = time.time()
        self._started_monotonic = time.monotonic()
        self._has_started = False
        self._has_ended = False
        self._timer: asyncio.TimerHandle | None = None
        self._publish_seconds = 0.0
        self.ready = asyncio.Event()
        """Set once no worker is starting any more."""
        self.state = TeamState(os.getpid(), self._started_at, ())
        """The state that was published last."""

    def schedule(self) -> None:
        """Publish soon, including all changes until then. The delay grows with the number of workers."""
        if self._timer is None:
            pause = min(_MAX_PUBLISH_SECONDS, _PUBLISH_RATIO * self._publish_seconds)
            self._timer = asyncio.get_running_loop().call_later(pause, self._publish_scheduled)

    def _publish_scheduled(self) -> None:
        self._timer = None
        if self._has_ended:
            # The publisher was closed, and has published every change.
            return
        began = time.monotonic()
        self._check_ready()
        self.update_status()
        self.publish()
        self._on_publish()
        self._publish_seconds = time.monotonic() - began
        if not self._manager.is_idle:
            self.schedule()

    def publish(self) -> None:
        """Write the state of every worker for ``ps``, and for the next supervisor."""
        self.state = TeamState(
            os.getpid(),
            self._started_at,
            tuple(self._worker_states()),
            self._has_ended,
            str(self._troubles),
            self._troubles.since,
        )
        try:
            write_state(self._team, self.state)
        except OSError as error:
            self._troubles.begin(_STATE, f"'teamsup ps' shows old states, because they cannot be written: {error}.")
            leave_word(self._team, str(self._troubles))
        else:
            if _STATE in self._troubles:
                leave_word(self._team, "")
            self._troubles.end(_STATE)

    def publish_again(self) -> None:
        """Publish again if the last publication has failed."""
        if _STATE in self._troubles:
            self.publish()

    def publish_start(self) -> None:
        """Note that all workers have been asked to start."""
        self._has_started = True
        self._check_ready()

    def publish_end(self) -> None:
        """Write that the team has shut down cleanly."""
        self._has_ended = True
        self.publish()
        self._service_notifier.status("stopped")

    def set_agents(self, agents: Mapping[str, Agent]) -> None:
        """Set the agents from the hub. The next status shows them."""
        self.agents = agents

    def update_status(self) -> None:
        """Notify the service manager of the team's status."""
        self._service_notifier.status(self._status_line())

    @contextmanager
    def show_reloading(self) -> Iterator[None]:
        """Notify the service manager of the beginning and the end of a reload."""
        self._service_notifier.reloading()
        try:
            yield
        finally:
            self._service_notifier.ready(self._status_line())

    def degradation_of(self, worker: ManagedProcess) -> str:
        """Return why a running worker cannot do its work, or an empty text."""
        return degradation_reason(self._manager.state_of(worker), self.agents.get(worker.name), datetime.now(UTC))

    def _check_ready(self) -> None:
        if self.ready.is_set() or not self._has_started or self._manager.starting_names():
            return
        seconds = time.monotonic() - self._started_monotonic
        self._log(f"ready in {seconds:.1f} s; talk to the team with: {self._chat_hint()}")
        self._service_notifier.ready(self._status_line())
        self.ready.set()

    def _chat_hint(self) -> str:
        """Return the command for a person who reads it on this terminal, or elsewhere in a log."""
        return (command_hint if sys.stdout.isatty() else absolute_command_hint)(self._team, "chat")

    def _status_line(self) -> str:
        return format_status([*self._worker_states()], self.agents, self._troubles, datetime.now(UTC))

    def _worker_states(self) -> Iterator[WorkerState]:
        return map(self._manager.state_of, self._manager.processes.values())


def format_status(
    workers: Sequence[WorkerState], agents: Mapping[str, Agent], troubles: Troubles, now: datetime
) -> str:
    """Return the team's status in one line for a service manager: troubles, running workers, and failed workers."""
    running = sum(worker.state == State.RUNNING for worker in workers)
    lines = [f"{running} of {len(workers)} workers run"]
    if troubles:
        lines.insert(0, str(troubles))
    for worker in workers:
        if reason := degradation_reason(worker, agents.get(worker.name), now) or worker.reason:
            lines.append(f"{worker.name}: {reason}")
        elif worker.state not in (State.RUNNING, State.STOPPED):
            lines.append(f"{worker.name}: {worker.state}")
    # The service manager reads each line as an assignment, and a reason may contain foreign text.
    return sanitize("; ".join(lines)).replace("\n", " ")
