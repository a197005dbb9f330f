"""Processor and memory of this host. On Linux they are read from /proc, because psutil takes memory."""

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HostStats:
    """``busy`` and ``total`` are the processor seconds of all cores since a time in the past."""

    busy: float
    total: float
    memory_percent: float


def read_host_stats() -> HostStats | None:
    """Return the host's figures, or None if they cannot be read."""
    return _from_proc() if sys.platform == "linux" else _from_psutil()


def cpu_percent_between(before: HostStats | None, now: HostStats | None) -> float | None:
    """Return the use of all cores between two looks in percent, or None if it is unknown."""
    if before is None or now is None or now.total <= before.total:
        return None
    return max(0.0, min(100.0, 100 * (now.busy - before.busy) / (now.total - before.total)))


def _from_proc() -> HostStats | None:
    """Read /proc/meminfo, and the first line of /proc/stat, whose fourth and fifth figures are the idle time."""
    try:
        ticks = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
        memory = {words[0]: int(words[1]) for words in lines if words[0] in ("MemTotal:", "MemAvailable:")}
        used = 100 * (1 - memory["MemAvailable:"] / memory["MemTotal:"])
        return HostStats(float(sum(ticks) - ticks[3] - ticks[4]), float(sum(ticks)), used)
    except (OSError, ValueError, IndexError, KeyError, ZeroDivisionError):
        return None


def _from_psutil() -> HostStats | None:
    import psutil

    try:
        times = psutil.cpu_times()
        total = float(sum(times))
        return HostStats(total - times.idle, total, psutil.virtual_memory().percent)
    except (psutil.Error, OSError):
        return None
