"""Stop a process that has lost the lease of its role: its writes are refused, and then it ends.

The supervisor gives its worker the token of the lease. Each transaction reads the row of the lease, so a commit after a
takeover is impossible. A timer of the kernel ends the process when the lease is about to end. The timer continues while
the process is stopped. So a process that is resumed later ends before its next instruction.
"""

import functools
import os
import signal
import time

from ...errors import RoleLost
from .team_hosts import seconds_to_run

FENCE_VARIABLE = "TEAMSUP_ROLE"
"""The variable with the role of a worker and the token of its lease."""
_LEAST_SECONDS = 0.001


class RoleFence:
    """The lease under which this process runs."""

    def __init__(self, role: str, token: int) -> None:
        self.role = role
        self.token = token
        self._ends_process = False

    def end_process_in_time(self) -> None:
        """Let the kernel end this process before its lease ends. For a program that uses no SIGALRM of its own."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        self._ends_process = True

    def check(self, seconds_left: float | None, asked_at: float) -> None:
        """Raise RoleLost if another process has the lease, or if the lease has ended. ``seconds_left`` is the server's
        answer to a query at ``asked_at``, in monotonic seconds. It is None if another token is stored.
        """
        if seconds_left is None or seconds_left <= 0:
            raise RoleLost(f"This process may not act as {self.role} any more: its lease has ended.")
        if self._ends_process:
            left = asked_at + seconds_to_run(seconds_left) - time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, max(_LEAST_SECONDS, left))


@functools.cache
def process_fence() -> RoleFence | None:
    """Return the fence of this process, or None if it does not have a role. Its children do not inherit the role."""
    role, _, token = os.environ.pop(FENCE_VARIABLE, "").rpartition(" ")
    return RoleFence(role, int(token)) if role and token.isdecimal() else None


def end_with_lease() -> None:
    """Let the kernel end this process before the lease of its role ends, if it has a role."""
    if (fence := process_fence()) is not None:
        fence.end_process_in_time()


def check_fence(fence: RoleFence | None, seconds_left: float | None, asked_at: float) -> None:
    """Call RoleFence.check(), if this process has a role."""
    if fence is not None:
        fence.check(seconds_left, asked_at)
