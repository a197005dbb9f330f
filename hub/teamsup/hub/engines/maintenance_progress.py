"""Announce maintenance: a migration, a restore or a pruning writes a file in ``run/`` while it works.

Such work may hold the write lock for minutes. The file shows that the process does not hang. ``read_maintenance``
ignores the file of a dead process, and ``seconds_without_progress`` returns the time since the last progress.

    with announce_maintenance(team.run, "migration", total=7) as progress:
        progress(3)
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

MaintenanceKind = Literal["migration", "restore", "compaction", "pruning"]
ReportProgress = Callable[[int], None]

_FILE_PREFIX = "maintenance-"
_WRITE_INTERVAL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class MaintenanceProgress:
    """The maintenance of one process. Times are Unix seconds; ``total`` is 0 while it is not known."""

    kind: str
    pid: int
    process_start: int | None
    """The start time of that process by the kernel. It distinguishes the process from a later process with the same
    pid.
    """
    started_at: float
    updated_at: float
    done: int
    total: int

    def seconds_without_progress(self, now: float) -> float:
        """Return the seconds since ``done`` last grew; ``now`` is in Unix seconds."""
        return max(0.0, now - self.updated_at)


@contextmanager
def announce_maintenance(run: Path, kind: MaintenanceKind, total: int = 0) -> Iterator[ReportProgress]:
    """Announce maintenance by this process until the block ends. Yield a function that reports the work done so far.

    If the announcement cannot be written, the work continues, because it may be the work that frees the disk.
    """
    path = run / f"{_FILE_PREFIX}{os.getpid()}.json"
    started = time.time()
    written_at = -_WRITE_INTERVAL_SECONDS
    start = _process_start(os.getpid())

    def progress(done: int) -> None:
        nonlocal written_at
        if time.monotonic() - written_at < _WRITE_INTERVAL_SECONDS:
            return
        written_at = time.monotonic()
        now = time.time()
        _write_progress(path, MaintenanceProgress(kind, os.getpid(), start, started, now, done, total))

    try:
        progress(0)
        yield progress
    finally:
        with suppress(OSError):
            path.unlink()


def read_maintenance(run: Path, pid: int | None = None) -> MaintenanceProgress | None:
    """Return the current maintenance of a living process, or only that of process ``pid``. If there are several, return
    the oldest.
    """
    found = [
        work
        for path in run.glob(f"{_FILE_PREFIX}*.json")
        if (work := _parse_progress(path)) is not None and _is_running(work)
    ]
    return min(
        (work for work in found if pid in (None, work.pid)),
        key=lambda work: work.started_at,
        default=None,
    )


def _write_progress(path: Path, work: MaintenanceProgress) -> None:
    """Replace the file atomically, so that a reader never sees half of it."""
    new = path.with_suffix(".new")
    with suppress(OSError):
        descriptor = os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(work), file)
        new.replace(path)


def _parse_progress(path: Path) -> MaintenanceProgress | None:
    """Return the content of the file; None if it is gone, or another program wrote it."""
    try:
        data = json.loads(path.read_text("utf-8"))
        return MaintenanceProgress(
            kind=str(data["kind"]),
            pid=int(data["pid"]),
            process_start=data["process_start"],
            started_at=float(data["started_at"]),
            updated_at=float(data["updated_at"]),
            done=int(data["done"]),
            total=int(data["total"]),
        )
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _is_running(work: MaintenanceProgress) -> bool:
    if work.pid <= 0:
        return False
    try:
        os.kill(work.pid, 0)
    except PermissionError:
        pass
    except (OSError, OverflowError):
        return False
    return work.process_start == _process_start(work.pid)


def _process_start(pid: int) -> int | None:
    """Return the kernel's start time of a process in ticks; None where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
