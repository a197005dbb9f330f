"""The host itself: what is measured of it, and from when on that is a problem."""

import math
import os
import time
from collections.abc import Iterator

import psutil

from teamsup.hub.sections import MonitorSection

from .steady import Reading, level

PROCESS = "process "
"""How the keys of processes begin."""
_CALM = 5.0  # percentage points below the limit before a problem ends, so that nothing flaps
_CALM_PART = 0.8  # the same for what is no percentage


class Host:
    """Measures the host. Costs nothing between two calls."""

    def __init__(self, section: MonitorSection) -> None:
        self._section = section
        self._times: tuple[float, float] | None = None
        self._errors: tuple[float, int] | None = None
        self.note = ""
        """For people."""

    def look(self) -> list[Reading]:
        section = self._section
        percents = {
            "CPU": (self._cpu(), section.cpu_percent),
            "memory": (psutil.virtual_memory().percent, section.memory_percent),
        }
        figures = {name: value for name, (value, _) in percents.items()}
        if section.swap_percent:
            percents["swap"] = (psutil.swap_memory().percent, section.swap_percent)
        disk: list[Reading] = []
        trouble: list[str] = []
        try:
            figures["disk"] = psutil.disk_usage(section.disk_path).percent
            percents["disk"] = (figures["disk"], section.disk_percent)
            if section.inode_percent:
                percents["inodes"] = (_inodes_used(section.disk_path), section.inode_percent)
        except (OSError, ValueError) as error:
            # How full it is now is not known, so what it was before is not over.
            disk = [Reading(name, None, name) for name in ("disk", "inodes")]
            reason = getattr(error, "strerror", None) or error
            why = f"cannot be measured at {section.disk_path}: {reason}"
            disk.append(Reading("disk is gone", True, f"disk of this host {why}.", "critical"))
            trouble.append(f"disk {why}")
        self.note = ", ".join([*(f"{name} {value:.0f} %" for name, value in figures.items()), *trouble])
        begins_after = {"CPU": math.ceil(section.cpu_seconds / section.interval_seconds)}
        readings = [
            percentage(name, value, limit, begins_after.get(name, 0)) for name, (value, limit) in percents.items()
        ]
        return [*readings, *disk, *self._load(), *self._network(), *self._processes()]

    def _cpu(self) -> float:
        """Per cent since the last look. psutil's own is since the last one of the same thread."""
        times: dict[str, float] = psutil.cpu_times()._asdict()
        idle = times["idle"] + times.get("iowait", 0.0)
        # A guest's time is in its user's too.
        total = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
        before, self._times = self._times, (idle, total)
        if before is None or total <= before[1]:
            return 0.0
        return min(100.0, max(0.0, 100.0 * (1.0 - (idle - before[0]) / (total - before[1]))))

    def _load(self) -> Iterator[Reading]:
        if limit := self._section.load_per_cpu:
            load = os.getloadavg()[0] / (os.cpu_count() or 1)
            title = f"load of this host is at {load:.1f} per CPU, over its limit of {limit:g}."
            yield Reading("load", level(load, limit, limit * _CALM_PART), title)

    def _network(self) -> Iterator[Reading]:
        if not (limit := self._section.network_errors_per_second):
            return
        counters = psutil.net_io_counters()
        now, errors = time.monotonic(), 0 if counters is None else counters.errin + counters.errout
        before, self._errors = self._errors, (now, errors)
        seconds = 0.0 if before is None else now - before[0]
        rate = max(0, errors - before[1]) / seconds if before is not None and seconds > 0 else 0.0
        title = f"network of this host has {rate:.0f} errors a second, over its limit of {limit:g}."
        yield Reading("network errors", level(rate, limit, limit * _CALM_PART) if seconds > 0 else None, title)

    def _processes(self) -> Iterator[Reading]:
        if wanted := self._section.processes:
            running = {process.info["name"] for process in psutil.process_iter(["name"])}
            for name in wanted:
                yield Reading(f"{PROCESS}{name}", name not in running, f"process {name} does not run on this host.")


def percentage(name: str, value: float, limit: float, begins_after: int = 0) -> Reading:
    """One that is bad above its limit."""
    title = f"{name} of this host is at {value:.0f} %, over its limit of {limit:g} %."
    return Reading(name, level(value, limit, limit - min(_CALM, limit / 2)), title, begins_after=begins_after)


def _inodes_used(path: str) -> float:
    found = os.statvfs(path)
    return 100.0 * (found.f_files - found.f_favail) / found.f_files if found.f_files else 0.0
