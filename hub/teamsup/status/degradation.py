"""Workers that report that they are degraded, blocked or not configured. Pure."""

from datetime import datetime

from teamsup.hub import Agent
from teamsup.hub.models import NOT_CONFIGURED, PRESENCE_TIMEOUT_SECONDS

from .process_state import State
from .state_file import WorkerState

_ROUNDING_SECONDS = 1.0
_OPTIONAL, _REQUIRED = "INFO ", "ERROR "
"""The first word of the line with which an unconfigured worker ends: for an optional part, or for a fault."""
"""A foreign program may store the time of its heartbeat in whole seconds."""


def degradation_reason(worker: WorkerState, agent: Agent | None, now: datetime) -> str:
    """Return the reason from a worker's heartbeat if it cannot do its work, or an empty text. Ignore an old heartbeat,
    and the heartbeat of an earlier process.
    """
    if agent is None or agent.last_heartbeat is None or worker.state != State.RUNNING:
        return ""
    is_fresh = abs((now - agent.last_heartbeat).total_seconds()) < (
        worker.heartbeat_seconds or PRESENCE_TIMEOUT_SECONDS
    )
    return agent.degraded if is_fresh and is_from_process(worker, agent, now) else ""


def is_from_process(worker: WorkerState, agent: Agent, now: datetime) -> bool:
    """Return whether the last heartbeat comes from the worker's present process, not from an earlier process."""
    if agent.last_heartbeat is None:
        return False
    started = worker.started_at or 0.0
    # A start in the future was noted before the clock was set back.
    return agent.last_heartbeat.timestamp() + _ROUNDING_SECONDS >= started or started > now.timestamp()


def is_optional(agent: Agent | None) -> bool:
    """Return whether a worker reports that it is not configured, which is allowed for an optional part."""
    return agent is not None and agent.status == NOT_CONFIGURED and bool(agent.metadata.get("optional"))


def may_stay_unconfigured(worker: WorkerState, agent: Agent | None) -> bool:
    """Return whether an unconfigured worker is an optional part. Without the hub, its last line shows that."""
    return is_optional(agent) or (agent is None and _last_line(worker).startswith(_OPTIONAL))


def missing_configuration(worker: WorkerState, agent: Agent | None) -> str:
    """Return the setting that an unconfigured worker needs, in the worker's own words if it has reported any."""
    note = "" if agent is None else agent.note
    return note or _last_line(worker).removeprefix(_OPTIONAL).removeprefix(_REQUIRED) or worker.reason


def _last_line(worker: WorkerState) -> str:
    """Return the last line that the worker has logged before it ended, or an empty text."""
    return next((crash.lines[-1] for crash in worker.crashes[-1:] if crash.lines), "")


def blocked_reason(worker: WorkerState, agent: Agent | None) -> str:
    """Return why a worker waits until a person has corrected something, or an empty text."""
    if worker.state == State.EXITED and worker.reason == NOT_CONFIGURED:
        return "" if may_stay_unconfigured(worker, agent) else missing_configuration(worker, agent)
    return worker.reason if worker.state == State.FATAL else ""
