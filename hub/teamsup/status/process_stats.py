"""Resources of a process. On Linux they are read from /proc, because the import of psutil took a quarter of the time of
``ps``.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class ProcessStats(NamedTuple):
    """``cpu_percent`` is the average since its start, in percent of one core. ``memory_bytes`` is its
    resident memory.
    """

    cpu_percent: float
    memory_bytes: int
    cpu_seconds: float = 0.0
    """The processor time since its start."""


def read_stats(pid: int) -> ProcessStats | None:
    """Return the stats of a process; None when there is no such process."""
    return _from_proc(pid) if sys.platform == "linux" else _from_psutil(pid)


def _from_proc(pid: int) -> ProcessStats | None:
    """Read the fields of proc(5). The second field, a name, may contain any characters, but no other field has
    brackets.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    used, started = (int(fields[11]) + int(fields[12])) / ticks, int(fields[19]) / ticks
    life = max(0.01, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    return ProcessStats(round(100 * used / life, 1), pages * os.sysconf("SC_PAGE_SIZE"), used)


def _from_psutil(pid: int) -> ProcessStats | None:
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            life = max(0.01, time.time() - process.create_time())
            used = times.user + times.system
            return ProcessStats(round(100 * used / life, 1), process.memory_info().rss, used)
    except psutil.Error:
        return None


def measure_memory(pid: int) -> int:
    """Return the bytes that a process has in memory."""
    stats = read_stats(pid)
    return 0 if stats is None else stats.memory_bytes


def measure_tree_memory(pid: int) -> int:
    """Return the bytes that a process and its descendants have in memory."""
    import psutil

    total = 0
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.Error):
                total += process.memory_info().rss
    return total
