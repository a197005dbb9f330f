"""The conditions for another start of a worker, and the time limits of its steps. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class RestartPolicy(StrEnum):
    """The ways to end after which a worker is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ProcessPolicy:
    """The time limits of a worker's configuration, in seconds."""

    restart: RestartPolicy = RestartPolicy.ALWAYS
    ready_after: float | None = None
    """Seconds after which a process that stays up counts as running; None if its heartbeat shows that."""
    stop_seconds: float = 10.0
    healthy_seconds: float = 60.0
    """After this time in RUNNING its failures are forgotten."""
    backoff_max: float = 60.0
