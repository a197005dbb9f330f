"""Notify the service manager: systemd's notification protocol, sd_notify(3)."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

SERVICE_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Variables only for the supervisor, not for its workers."""


class ServiceNotifier:
    """The service manager that has started this process, if it wants notifications. Otherwise every call
    does nothing.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._status = ""
        microseconds = environment.get("WATCHDOG_USEC", "")
        meant_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        valid = microseconds.isdecimal() and int(microseconds) > 0 and meant_for_us
        self.watchdog_seconds = int(microseconds) / 1e6 if valid else None
        """Seconds that it waits for alive() before this process counts as hung; None without a limit."""

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        if status != self._status:
            self._status = status
            self._send(f"STATUS={status}")

    def reloading(self) -> None:
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=stopping")

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, *words: str) -> None:
        if self._address:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto("\n".join(words).encode(), self._address)


async def notify_watchdog(notifier: ServiceNotifier, is_well: Callable[[], bool]) -> None:
    """Notify the service manager's watchdog from the event loop that handles the workers."""
    import asyncio  # imported late: first the command that starts the team keeps asyncio from importing ssl

    while (seconds := notifier.watchdog_seconds) is not None:
        if is_well():
            notifier.watchdog()
        await asyncio.sleep(seconds / 3)
