"""The death of a worker: what is kept of it, and when the team is told. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from teamsup.hub.messages import NOT_CONFIGURED

KEPT_LINES = 20
KEPT_COLUMNS = 500
KEPT_DEATHS = 5
_TOLD_SINGLY = 3


@dataclass(frozen=True, slots=True)
class Death:
    """One end of a worker that nobody had asked for. Times are Unix seconds."""

    at: float
    pid: int | None
    """None: it could not even be started."""
    reason: str
    failures: int
    """Deaths in a row, with this one."""
    next_try_at: float | None
    """None: it is not tried again."""
    lines: tuple[str, ...]
    """The last that it printed."""


def is_told(death: Death) -> bool:
    """A crash loop is reported ever more seldom: the first deaths singly, then each time their number has doubled.

    Who is not configured has said so in its note, and need not be told of as dead.
    """
    count = death.failures
    return death.reason != NOT_CONFIGURED and (count <= _TOLD_SINGLY or count & (count - 1) == 0)


def report(name: str, death: Death) -> str:
    """What the team is told."""
    times = f", {death.failures} times in a row" if death.failures > 1 else ""
    if death.next_try_at is None:
        then = "It is not started again."
    elif death.next_try_at - death.at < 0.05:
        then = "It was started again at once."
    else:
        then = f"It is started again in {death.next_try_at - death.at:.1f} s."
    last = "\n".join(["", "Its last lines:", *death.lines]) if death.lines else " It had printed nothing."
    return f"{name} died ({death.reason}){times}. {then}{last}"


def kept(deaths: Sequence[Death], new: Death) -> tuple[Death, ...]:
    return (*deaths, new)[-KEPT_DEATHS:]
