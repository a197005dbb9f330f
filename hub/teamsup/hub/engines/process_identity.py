"""Identify the process behind a recorded pid. The system reuses pids after a boot, in each container, and after some
time.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def identity_of(pid: int) -> str:
    """Return a text that identifies this process among all processes with its pid. Return an empty text without a
    process or /proc.
    """
    try:
        boot = _BOOT.read_text().strip()
        started = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
        return f"{boot} {os.readlink(f'/proc/{pid}/ns/pid')} {started}"
    except (OSError, IndexError):
        return ""


def pid_namespace() -> int:
    """Return the number of this process's pid namespace; 0 on a system without namespaces."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def send_signal(pid: int, identity: str, number: "signal.Signals") -> bool:
    """Send a signal to exactly this process. Return False if it has ended, or if another process has its pid."""
    import signal  # ``ps`` signals nobody, and its numbers take 3 ms to import

    descriptor = None
    try:
        if hasattr(os, "pidfd_open"):
            descriptor = os.pidfd_open(pid)
        if identity_of(pid) != identity:
            return False
        if descriptor is None:
            os.kill(pid, number)
        else:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)
    return True
