"""Notify the service manager: systemd's notification protocol, sd_notify(3)."""

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

SERVICE_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Variables only for the supervisor, not for its workers."""
_LIMIT_SECONDS = 30.0
_SEND_TIMEOUT_SECONDS = 1.0


class ServiceNotifier:
    """The service manager that has started this process, if it wants notifications. Otherwise every call
    does nothing.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._status = ""
        self._is_changing = True
        microseconds = environment.get("WATCHDOG_USEC", "")
        meant_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        valid = microseconds.isdecimal() and int(microseconds) > 0 and meant_for_us
        self.limit_seconds = int(microseconds) / 1e6 if valid else _LIMIT_SECONDS
        """Seconds without a ``beat()`` after which this process counts as hung."""

    @property
    def is_wanted(self) -> bool:
        """Return whether a service manager listens."""
        return self._address != ""

    def ready(self, status: str) -> None:
        self._is_changing = False
        self._send("READY=1", f"STATUS={status}", timeout=_SEND_TIMEOUT_SECONDS)

    def status(self, status: str) -> None:
        if status != self._status:
            self._status = status
            self._send(f"STATUS={status}")

    def reloading(self) -> None:
        self._is_changing = True
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", timeout=_SEND_TIMEOUT_SECONDS)

    def stopping(self) -> None:
        self._is_changing = True
        self._send("STOPPING=1", "STATUS=stopping", timeout=_SEND_TIMEOUT_SECONDS)

    def beat(self) -> None:
        """Notify it that this process is not hung.

        Its watchdog works only between the start and the stop. During a start, a reload and a stop it has limits, and
        this extends them: they take as long as the workers are allowed to.
        """
        extension = (f"EXTEND_TIMEOUT_USEC={int(self.limit_seconds * 1e6)}",) if self._is_changing else ()
        self._send("WATCHDOG=1", *extension)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beat from another thread, while this one opens the hub. To change the tables of a large hub takes long."""
        has_ended = threading.Event()

        def beat() -> None:
            while not has_ended.wait(self.limit_seconds / 3):
                self.beat()

        thread = threading.Thread(target=beat, name="teamsup-beat", daemon=True)
        if self.is_wanted:
            thread.start()
        try:
            yield
        finally:
            has_ended.set()
            if self.is_wanted:
                thread.join()

    def _send(self, *words: str, timeout: float = 0) -> None:
        """Send the words. Its queue may be full, of ten datagrams by default: wait ``timeout`` seconds for room."""
        if self._address:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.settimeout(timeout)
                out.sendto("\n".join(words).encode(), self._address)


async def keep_beating(notifier: ServiceNotifier) -> None:
    """Beat from the event loop that handles the workers, until cancelled."""
    import asyncio  # imported late: first the command that starts the team keeps asyncio from importing ssl

    while notifier.is_wanted:
        notifier.beat()
        await asyncio.sleep(notifier.limit_seconds / 3)
