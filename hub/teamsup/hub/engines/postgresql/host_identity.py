"""Identify hosts. Programs are on one host if they share a running system and the folder of doorbells."""

import os
import socket
from contextlib import suppress
from pathlib import Path


def find_host(run: Path) -> str:
    """Return a text that identifies this host among all hosts of the database. ``run`` is the folder of the host's
    doorbells.
    """
    boot = socket.gethostname()
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with suppress(OSError):
        found = os.stat(run)
        return f"{boot}:{found.st_dev}:{found.st_ino}"
    return boot
