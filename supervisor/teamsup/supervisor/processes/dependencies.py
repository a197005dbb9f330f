"""Dependencies between workers. A query reads only the neighbours of a worker, because teams may be large."""

from collections.abc import Iterator, Mapping

from teamsup.status.process_state import State, has_succeeded

from .managed_process import ManagedProcess


class Dependencies:
    """The dependencies of these workers, as configured now."""

    def __init__(self, workers: Mapping[str, ManagedProcess]) -> None:
        self._processes = workers
        self._ranks = {name: rank for rank, name in enumerate(workers)}
        self._dependents: dict[str, list[str]] = {}
        for name, worker in workers.items():
            for other in worker.program.depends_on:
                self._dependents.setdefault(other, []).append(name)

    def rank(self, name: str) -> int:
        """Return the rank of a worker, which is greater than the rank of each of its dependencies."""
        return self._ranks.get(name, len(self._ranks))

    def affected_by(self, worker: ManagedProcess) -> Iterator[str]:
        """Yield the workers that may have to start or stop after a change of this one."""
        yield worker.name
        yield from self._dependents.get(worker.name, ())
        yield from worker.program.depends_on

    def required_for(self, *names: str) -> list[ManagedProcess]:
        """Return these workers and all their dependencies, except those that have ended as planned."""
        found = [self._processes[name] for name in dict.fromkeys(names)]
        seen = {worker.name for worker in found}
        for worker in found:
            for name in worker.program.depends_on:
                if name not in seen and not _is_done(self._processes[name]):
                    seen.add(name)
                    found.append(self._processes[name])
        return found

    def unmet(self, worker: ManagedProcess) -> list[str]:
        """Return the names of a worker's dependencies that do not run yet."""
        others = [name for name in worker.program.depends_on if name in self._processes]
        return [name for name in others if not satisfies_dependents(self._processes[name])]

    def must_stop(self, worker: ManagedProcess) -> bool:
        """Return whether the worker must end, or depends directly or indirectly on a worker that must not run."""
        waiting, seen = [worker.name], {worker.name}
        while waiting and not worker.restart_pending:
            if (other := self._processes.get(waiting.pop())) is None:
                continue
            if not other.wanted:
                return True
            further = [name for name in other.program.depends_on if name not in seen]
            waiting.extend(further)
            seen.update(further)
        return worker.restart_pending

    def has_active_dependents(self, worker: ManagedProcess) -> bool:
        """Return whether a worker that depends on it still runs. At a restart, count only workers that must end too."""
        others = [self._processes[name] for name in self._dependents.get(worker.name, ()) if name in self._processes]
        return any(
            other.is_active
            for other in others
            if not worker.restart_pending or other.restart_pending or other.process.state is State.STOPPING
        )


def _is_done(worker: ManagedProcess) -> bool:
    return has_succeeded(worker.process.state, worker.process.reason)


def satisfies_dependents(worker: ManagedProcess) -> bool:
    """Return whether workers that depend on a worker may run: it runs, or has ended as planned."""
    return worker.process.state is State.RUNNING or _is_done(worker)
