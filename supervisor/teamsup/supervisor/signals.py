"""The supervisor's reaction to signals."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable

from teamsup.hub import TeamsupError

from .background import BackgroundTasks
from .processes.process_manager import ProcessManager

# A signal that arrives twice at once is one request. For example, 'timeout' signals both the group and us.
_REPEATED_SIGNAL_SECONDS = 0.5
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals that end a process that does not handle them."""


class SignalHandler:
    """SIGTERM and Ctrl-C shut the team down cleanly. A second Ctrl-C ends it at once. SIGHUP reloads, or ends the team
    if the terminal has gone.
    """

    def __init__(
        self,
        manager: ProcessManager,
        stopping: asyncio.Event,
        background: BackgroundTasks,
        reload: Callable[[], Awaitable[object]],
        log: Callable[[str], None],
        on_stop: Callable[[], None],
    ) -> None:
        """``on_stop`` is called when a signal requests the end of the team, even if the team is already ending."""
        self._on_stop = on_stop
        self._manager = manager
        self._stopping = stopping
        self._background = background
        self._reload = reload
        self._log = log
        self._stop_requested_at = 0.0
        # Under nohup SIGHUP is ignored, so the terminal may close.
        self._needs_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def install(self) -> None:
        """Handle signals on the running event loop."""
        loop = asyncio.get_running_loop()
        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        loop.add_signal_handler(signal.SIGCHLD, self._manager.reap)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)  # a predecessor held them back

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP and (not self._needs_terminal or _has_terminal()):
            self._background.run(self._reload_or_log())
            return
        self._on_stop()
        if not self._stopping.is_set():
            self._stopping.set()
            self._stop_requested_at = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._stop_requested_at > _REPEATED_SIGNAL_SECONDS:
            self._manager.kill_all()

    async def _reload_or_log(self) -> None:
        try:
            await self._reload()
        except (TeamsupError, OSError) as error:
            self._log(f"nothing was reloaded: {error}")


def _has_terminal() -> bool:
    """Return whether this process still has a terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
