"""What a changed configuration asks for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from .configuration import Program
from .lifecycle import ALIVE, HELD, State


@dataclass(frozen=True)
class Plan:
    """Names, each in the order of starting."""

    start: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    change: tuple[str, ...] = ()
    """Not running: what is new counts from the next start on."""

    def __str__(self) -> str:
        parts = (("start", self.start), ("restart", self.restart), ("stop", self.stop), ("note", self.change))
        return "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts if names) or "nothing has changed"


def make_plan(old: Mapping[str, Program], new: Mapping[str, Program], states: Mapping[str, State]) -> Plan:
    """Restart only what has changed; try again what is held, because what it lacked may be there now."""

    alive = {name for name, state in states.items() if state in (*ALIVE, State.BACKOFF, State.STOPPING)}
    held = {name for name, state in states.items() if state in HELD}
    changed = {name for name, program in new.items() if name in old and old[name] != program}
    enabled = {name for name in changed if new[name].autostart and not old[name].autostart}
    start = tuple(
        name
        for name, program in new.items()
        if program.autostart and name not in alive and (name not in old or name in held | enabled)
    )
    return Plan(
        start=start,
        restart=tuple(name for name in new if name in changed & alive),
        stop=tuple(name for name in old if name not in new),
        change=tuple(name for name in new if name in changed - alive and name not in start),
    )
