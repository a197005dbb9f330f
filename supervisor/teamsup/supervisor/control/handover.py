"""The state that a supervisor passes to its successor: a newer program in the same process, with the same workers.

It is JSON in a file without a name, because it contains environments with secrets. Pipes and the lock are handed over
as open descriptors.
"""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from teamsup.hub import StoreError
from teamsup.status.process_state import State

from ..configuration.roles import HeldRole
from ..processes.child import AdoptedChild, HandedChild
from ..processes.lifecycle import Process
from ..processes.managed_process import HandedWorker
from ..processes.process_manager import ProcessManager
from ..processes.spawner import Spawner

HANDOVER_VERSION = 1


@dataclass(frozen=True, slots=True)
class Handover:
    """The state of a supervisor. ``lock`` is the descriptor of the team's lock."""

    version: int
    lock: int
    echo: bool
    """Whether the output of workers is also shown on the terminal."""
    spawned: int
    """The number of processes that were started so far. Their tags contain such numbers."""
    roles: Mapping[str, HeldRole]
    workers: tuple[HandedWorker, ...]

    @property
    def names(self) -> set[str]:
        """Return the names of the workers."""
        return {worker.name for worker in self.workers}

    @property
    def descriptors(self) -> list[int]:
        """Return the descriptors that the successor needs."""
        return [self.lock, *(worker.child.output for worker in self.workers if worker.child is not None)]


def resume_workers(handover: Handover, manager: ProcessManager, spawner: Spawner, log: Callable[[str], None]) -> None:
    """Let the manager continue with the workers of the predecessor. Kill workers that this program does not know."""
    spawner.count_on(handover.spawned)
    for handed in handover.workers:
        child = None if handed.child is None else AdoptedChild(handed.child)
        if (worker := manager.processes.get(handed.name)) is not None:
            worker.resume(handed)
            manager.resume(worker, child)
        elif child is not None:
            child.kill()
            log(f"killed {handed.name}, which this program does not know")
    manager.reap()  # some workers may have ended meanwhile
    manager.reconsider_all()
    log(f"continues with the workers of its predecessor, as teamsup {version('teamsup')}")


def write_handover(handover: Handover, folder: Path) -> int:
    """Return the descriptor of a file with the state, open at its beginning. Raise OSError."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(json.dumps(asdict(handover)).encode())
        file.flush()
        descriptor = os.dup(file.fileno())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def read_handover(descriptor: int) -> Handover:
    """Return the state in this file, and close it. No process that is started from now on inherits a descriptor. Raise
    StoreError if it has another version, or is not readable."""
    try:
        with open(descriptor, "rb") as file:
            data = json.load(file)
        if data["version"] != HANDOVER_VERSION:
            raise StoreError(describe_version(data["version"]))
        handover = _parse(data)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"The state of the predecessor cannot be read: {type(error).__name__}: {error}.") from error
    for each in handover.descriptors:
        with suppress(OSError):
            os.set_inheritable(each, False)
    return handover


def describe_version(version: object) -> str:
    """Return a sentence for a supervisor whose state this program cannot read."""
    return f"The running supervisor hands over state {version}; this program knows {HANDOVER_VERSION}."


def _parse(data: dict[str, Any]) -> Handover:
    workers = []
    for worker in data["workers"]:
        process, child = worker["process"], worker["child"]
        values = child and tuple((name, value) for name, value in child["env_file_values"])
        worker |= {
            "last_lines": tuple(worker["last_lines"]),
            "process": Process(**process | {"state": State(process["state"])}),
            "child": child and HandedChild(**child | {"env_file_values": values}),
        }
        workers.append(HandedWorker(**worker))
    roles = {role: HeldRole(**held) for role, held in data["roles"].items()}
    return Handover(**data | {"workers": tuple(workers), "roles": roles})
