"""Degraded members: workers that report it themselves, and the supervisor."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from teamsup.hub import Agent
from teamsup.hub.models import NOT_CONFIGURED, PRESENCE_TIMEOUT_SECONDS
from teamsup.terminal.formatting import sanitize

from ..processes.lifecycle import State
from ..state_file import WorkerState

_ROUNDING_SECONDS = 1.0
"""A foreign program may store the time of its heartbeat in whole seconds."""


def degradation_reason(worker: WorkerState, agent: Agent | None, now: datetime) -> str:
    """Return the reason in its heartbeat why the worker cannot do its work; empty if it can. Ignore an old heartbeat,
    or one of an earlier process.
    """
    if agent is None or agent.last_heartbeat is None or worker.state != State.RUNNING:
        return ""
    is_fresh = abs((now - agent.last_heartbeat).total_seconds()) < (
        worker.heartbeat_seconds or PRESENCE_TIMEOUT_SECONDS
    )
    return agent.degraded if is_fresh and is_from_process(worker, agent, now) else ""


def is_from_process(worker: WorkerState, agent: Agent, now: datetime) -> bool:
    """Return whether the last heartbeat comes from the worker's present process, not from an earlier one."""
    if agent.last_heartbeat is None:
        return False
    started = worker.started_at or 0.0
    # A start in the future was noted before the clock was set back.
    return agent.last_heartbeat.timestamp() + _ROUNDING_SECONDS >= started or started > now.timestamp()


def is_optional(agent: Agent | None) -> bool:
    """Return whether it reports that it is not configured, which is well for an optional part."""
    return agent is not None and agent.status == NOT_CONFIGURED and bool(agent.metadata.get("optional"))


def missing_configuration(worker: WorkerState, agent: Agent | None) -> str:
    """Return the setting that an unconfigured worker lacks, in the worker's own words if it has reported any."""
    note = "" if agent is None else agent.note
    last = next((crash.lines[-1] for crash in worker.crashes[-1:] if crash.lines), "")
    return note or last or worker.reason


def blocked_reason(worker: WorkerState, agent: Agent | None) -> str:
    """Return why a worker waits until a person has corrected something; empty: it does not wait."""
    if worker.state == State.EXITED and worker.reason == NOT_CONFIGURED:
        return "" if is_optional(agent) else missing_configuration(worker, agent)
    return worker.reason if worker.state == State.FATAL else ""


class Troubles:
    """The supervisor's own troubles, by cause: a key such as ``configuration``.

    ``log`` shows a line to the operator; ``on_change`` is called when the troubles change.
    """

    def __init__(self, log: Callable[[str], None], on_change: Callable[[], None]) -> None:
        self.since: float | None = None
        """Unix seconds of the first trouble."""
        self._log = log
        self._on_change = on_change
        self._reasons: dict[str, str] = {}

    def begin(self, cause: str, reason: str) -> None:
        """Note a trouble, until ``end(cause)``. ``reason`` is a sentence for people."""
        if self._reasons.get(cause) != reason:
            self._reasons[cause] = reason
            self.since = self.since or time.time()
            self._log(reason)
            self._on_change()

    def end(self, cause: str) -> None:
        """Note that the trouble of this ``cause`` is over."""
        if (reason := self._reasons.pop(cause, None)) is not None:
            self.since = self.since if self._reasons else None
            self._log(f"over: {reason}")
            self._on_change()

    async def attempt(self, action: Callable[[], Awaitable[None]], trouble: str) -> None:
        """Run the action. A bug in it is a trouble until it succeeds, and must not end the rest of the supervisor."""
        try:
            await action()
        except Exception as error:
            self.begin(trouble, f"{trouble}: {type(error).__name__}: {error}.")
        else:
            self.end(trouble)

    async def repeat(self, seconds: float, action: Callable[[], Awaitable[None]], trouble: str) -> None:
        """Run the action at this interval until cancelled; a failure is a trouble."""
        import asyncio  # 50 ms, which a command that only shows troubles does not need

        while True:
            await asyncio.sleep(seconds)
            await self.attempt(action, trouble)

    def __contains__(self, cause: str) -> bool:
        return cause in self._reasons

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def __str__(self) -> str:
        return " ".join(self._reasons.values())


def format_status(
    workers: Sequence[WorkerState], agents: Mapping[str, Agent], troubles: Troubles, now: datetime
) -> str:
    """Return the team's status in one line for a service manager: troubles, running workers, and failed ones."""
    running = sum(worker.state == State.RUNNING for worker in workers)
    lines = [f"{running} of {len(workers)} workers run"]
    if troubles:
        lines.insert(0, str(troubles))
    for worker in workers:
        if reason := degradation_reason(worker, agents.get(worker.name), now) or worker.reason:
            lines.append(f"{worker.name}: {reason}")
        elif worker.state not in (State.RUNNING, State.STOPPED):
            lines.append(f"{worker.name}: {worker.state}")
    # The reader takes every line for one of ours, and a reason may contain foreign text.
    return sanitize("; ".join(lines)).replace("\n", " ")
