"""The host: its measurements, and the levels above which they are a problem."""

import math
import os
import time
from collections.abc import Iterator

import psutil

from ..sections import MonitorSection
from .hysteresis import CheckResult, apply_hysteresis

PROCESS_PREFIX = "process "
"""The beginning of the keys of processes."""
_HYSTERESIS_POINTS = 5.0  # percentage points below the limit at which a problem ends, so that it does not flap
_HYSTERESIS_FACTOR = 0.8  # the same for values that are not percentages


class HostMonitor:
    """Measures the host, but only when it is called."""

    def __init__(self, section: MonitorSection) -> None:
        self._section = section
        self._cpu_times: tuple[float, float] | None = None
        self._network_errors: tuple[float, int] | None = None
        self.note = ""
        """The host's figures, for people."""

    def record_failure(self, error: Exception) -> None:
        """Set the note for people that says why the host cannot be measured."""
        self.note = f"The host cannot be measured: {error}."

    def measure(self) -> list[CheckResult]:
        section = self._section
        percents = {
            "CPU": (self._cpu_percent(), section.cpu_percent),
            "memory": (psutil.virtual_memory().percent, section.memory_percent),
        }
        figures = {name: value for name, (value, _) in percents.items()}
        if section.swap_percent:
            percents["swap"] = (psutil.swap_memory().percent, section.swap_percent)
        disk: list[CheckResult] = []
        trouble: list[str] = []
        try:
            figures["disk"] = psutil.disk_usage(section.disk_path).percent
            percents["disk"] = (figures["disk"], section.disk_percent)
            if section.inode_percent:
                percents["inodes"] = (_inode_percent(section.disk_path), section.inode_percent)
        except (OSError, ValueError) as error:
            # The usage of the disk is unknown now, so an earlier problem has not ended.
            disk = [CheckResult(name, None, name) for name in ("disk", "inodes")]
            reason = getattr(error, "strerror", None) or error
            why = f"cannot be measured at {section.disk_path}: {reason}"
            disk.append(CheckResult("disk is gone", True, f"disk of this host {why}.", "critical"))
            trouble.append(f"disk {why}")
        self.note = ", ".join([*(f"{name} {value:.0f} %" for name, value in figures.items()), *trouble])
        begins_after = {"CPU": math.ceil(section.cpu_seconds / section.interval_seconds)}
        readings = [
            check_percentage(name, value, limit, begins_after.get(name, 0)) for name, (value, limit) in percents.items()
        ]
        return [*readings, *disk, *self._check_load(), *self._check_network(), *self._check_processes()]

    def _cpu_percent(self) -> float:
        """Return the percentage since the last check. psutil itself would measure since the last call in the same
        thread.
        """
        times: dict[str, float] = psutil.cpu_times()._asdict()
        idle = times["idle"] + times.get("iowait", 0.0)
        # The time of a guest is also in the user time.
        total = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
        before, self._cpu_times = self._cpu_times, (idle, total)
        if before is None or total <= before[1]:
            return 0.0
        return min(100.0, max(0.0, 100.0 * (1.0 - (idle - before[0]) / (total - before[1]))))

    def _check_load(self) -> Iterator[CheckResult]:
        if limit := self._section.load_per_cpu:
            load = os.getloadavg()[0] / (os.cpu_count() or 1)
            title = f"load of this host is at {load:.1f} per CPU, over its limit of {limit:g}."
            yield CheckResult("load", apply_hysteresis(load, limit, limit * _HYSTERESIS_FACTOR), title)

    def _check_network(self) -> Iterator[CheckResult]:
        if not (limit := self._section.network_errors_per_second):
            return
        counters = psutil.net_io_counters()
        now, errors = time.monotonic(), 0 if counters is None else counters.errin + counters.errout
        before, self._network_errors = self._network_errors, (now, errors)
        seconds = 0.0 if before is None else now - before[0]
        rate = max(0, errors - before[1]) / seconds if before is not None and seconds > 0 else 0.0
        title = f"network of this host has {rate:.0f} errors a second, over its limit of {limit:g}."
        yield CheckResult(
            "network errors", apply_hysteresis(rate, limit, limit * _HYSTERESIS_FACTOR) if seconds > 0 else None, title
        )

    def _check_processes(self) -> Iterator[CheckResult]:
        if wanted := self._section.processes:
            running = {process.info["name"] for process in psutil.process_iter(["name"])}
            for name in wanted:
                yield CheckResult(
                    f"{PROCESS_PREFIX}{name}", name not in running, f"process {name} does not run on this host."
                )


def check_percentage(name: str, value: float, limit: float, begins_after: int = 0) -> CheckResult:
    """Return a result. It is bad if the percentage is above its limit."""
    title = f"{name} of this host is at {value:.0f} %, over its limit of {limit:g} %."
    return CheckResult(
        name,
        apply_hysteresis(value, limit, limit - min(_HYSTERESIS_POINTS, limit / 2)),
        title,
        min_samples=begins_after,
    )


def _inode_percent(path: str) -> float:
    found = os.statvfs(path)
    return 100.0 * (found.f_files - found.f_favail) / found.f_files if found.f_files else 0.0
