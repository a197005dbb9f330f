"""Decide which workers a changed configuration starts, stops and restarts. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .program import Program


@dataclass(frozen=True)
class ReloadPlan:
    """Names of workers, each list in the order of starting."""

    start: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    change: tuple[str, ...] = ()
    """Workers that need no new process: the change applies now, or at the next start."""
    metrics_port: int | None = None
    """None if it does not change."""

    def __str__(self) -> str:
        moves = (("start", self.start), ("restart", self.restart), ("stop", self.stop), ("change", self.change))
        parts = [f"{verb} {', '.join(names)}" for verb, names in moves if names]
        if self.metrics_port is not None:
            parts.append(f"metrics on port {self.metrics_port or 'none'}")
        return "; ".join(parts) or "nothing has changed"


def plan_reload(
    old: Mapping[str, Program], new: Mapping[str, Program], active: Collection[str], held: Collection[str]
) -> ReloadPlan:
    """Plan to restart only workers whose spawn settings changed, and to try held workers again.

    ``active`` workers run, or should run; ``held`` workers start again only after a change.
    """
    changed = {name for name, program in new.items() if name in old and old[name] != program}
    enabled = {name for name in changed if new[name].starts_with_team and not old[name].starts_with_team}
    start = tuple(
        name
        for name, program in new.items()
        if program.starts_with_team and name not in active and (name not in old or name in enabled or name in held)
    )
    restart = tuple(name for name in new if name in changed & set(active) and new[name].needs_new_process(old[name]))
    return ReloadPlan(
        start=start,
        restart=restart,
        stop=tuple(name for name in old if name not in new),
        change=tuple(name for name in new if name in changed and name not in (*start, *restart)),
    )
