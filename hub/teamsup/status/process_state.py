"""The states of a worker's process, and the kinds of its end. Pure."""

from enum import StrEnum

from teamsup.hub.errors import ExitCode
from teamsup.hub.models import NOT_CONFIGURED


class State(StrEnum):
    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"


ALIVE = (State.STARTING, State.RUNNING)
BLOCKED = (State.EXITED, State.FATAL)
"""The states in which a worker stays until a person starts it, or its configuration changes."""


def describe_exit(code: int) -> str:
    """Return a phrase for an exit code."""
    if code >= 0:
        return NOT_CONFIGURED if code == ExitCode.NOT_CONFIGURED else f"exit code {code}"
    import signal  # its numbers take 3 ms to import

    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


def has_succeeded(state: str, reason: str) -> bool:
    """Return whether a worker has ended as its restart policy allows."""
    return state == State.EXITED and reason == describe_exit(0)
