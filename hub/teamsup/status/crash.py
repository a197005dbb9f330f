"""One crash of a worker, in the form that is kept and published. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

SPAWN_FAILED_PREFIX = "cannot be started: "
"""The beginning of a crash's reason if no process was started."""
KEPT_LINES = 20
KEPT_COLUMNS = 500
KEPT_CRASHES = 5


@dataclass(frozen=True, slots=True)
class Crash:
    """One end of a worker that was not requested. Times are Unix seconds."""

    at: float
    pid: int | None
    """None if no process could be started."""
    reason: str
    failures: int
    """The number of consecutive crashes, including this crash."""
    next_try_at: float | None
    """The time of the next try in Unix seconds; None if it is not tried again."""
    lines: tuple[str, ...]
    """The last lines that it printed."""
    ran_seconds: float | None = None
    """Seconds for which it had been running; None if it was not ready yet."""


def append_crash(crashes: Sequence[Crash], new: Crash) -> tuple[Crash, ...]:
    return (*crashes, new)[-KEPT_CRASHES:]
