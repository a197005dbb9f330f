"""Which workers depend on which. Each answer looks only at those around one worker, because teams may be large."""

from collections.abc import Iterator, Mapping

from .lifecycle import State, has_succeeded
from .managed_process import ManagedProcess


class Dependencies:
    """Of these members, as they are configured now."""

    def __init__(self, members: Mapping[str, ManagedProcess]) -> None:
        self._processes = members
        self._ranks = {name: rank for rank, name in enumerate(members)}
        self._dependents: dict[str, list[str]] = {}
        for name, member in members.items():
            for other in member.program.depends_on:
                self._dependents.setdefault(other, []).append(name)

    def rank(self, name: str) -> int:
        """Return a number that is greater than that of everything it depends on."""
        return self._ranks.get(name, len(self._ranks))

    def affected_by(self, member: ManagedProcess) -> Iterator[str]:
        """Yield the names of whom a change of this member may let start or stop."""
        yield member.name
        yield from self._dependents.get(member.name, ())
        yield from member.program.depends_on

    def required_for(self, *names: str) -> list[ManagedProcess]:
        """Return these and all that they cannot run without, unless that was meant to end and has ended well."""
        found = [self._processes[name] for name in dict.fromkeys(names)]
        seen = {member.name for member in found}
        for member in found:
            for name in member.program.depends_on:
                if name not in seen and not _is_done(self._processes[name]):
                    seen.add(name)
                    found.append(self._processes[name])
        return found

    def unmet(self, member: ManagedProcess) -> list[str]:
        """Return the names of those on which it depends and that do not serve it yet."""
        others = [name for name in member.program.depends_on if name in self._processes]
        return [name for name in others if not satisfies_dependents(self._processes[name])]

    def must_stop(self, member: ManagedProcess) -> bool:
        """Return whether it is to end itself, or depends, however indirectly, on something that is not to run."""
        waiting, seen = [member.name], {member.name}
        while waiting and not member.restart_pending:
            if (other := self._processes.get(waiting.pop())) is None:
                continue
            if not other.wanted:
                return True
            further = [name for name in other.program.depends_on if name not in seen]
            waiting.extend(further)
            seen.update(further)
        return member.restart_pending

    def has_active_dependents(self, member: ManagedProcess) -> bool:
        """Return whether one that depends on it still runs; at a restart only those count that are to end too."""
        others = [self._processes[name] for name in self._dependents.get(member.name, ()) if name in self._processes]
        return any(
            other.is_active
            for other in others
            if not member.restart_pending or other.restart_pending or other.process.state is State.STOPPING
        )


def _is_done(member: ManagedProcess) -> bool:
    return has_succeeded(member.process.state, member.process.reason)


def satisfies_dependents(member: ManagedProcess) -> bool:
    """Return whether those who depend on it may run: it is there, or was meant to end and has done so well."""
    return member.process.state is State.RUNNING or _is_done(member)
