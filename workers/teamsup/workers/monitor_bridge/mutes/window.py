"""Maintenance windows: the mutes in teamsup.toml, which recur. Pure, except the host's time zone."""

from collections.abc import Mapping
from dataclasses import dataclass

from teamsup.config.schedule import find_zone, last_due_tick, next_tick

from ..sections import MuteSection
from .matcher import parse_duration, parse_matcher
from .mute import Mute


@dataclass(frozen=True, slots=True)
class WindowState:
    """The state of a window at one moment, and the time when this state ends."""

    name: str
    matchers: tuple[str, ...]
    begins_at: float
    """The time when the open window has opened, or when the closed window opens next."""
    mute: Mute | None = None
    """The mute of the window, if it is open."""

    @property
    def changes_at(self) -> float:
        return self.begins_at if self.mute is None else self.mute.ends_at


def read_window(name: str, section: MuteSection, now: float) -> WindowState:
    """Return the state of the window [mute.NAME]."""
    zone, seconds = find_zone(section.timezone), parse_duration(section.duration)
    began = last_due_tick(section.schedule, zone, now - seconds, now)
    if began is None:
        return WindowState(name, section.matchers, next_tick(section.schedule, zone, now))
    matchers = tuple(parse_matcher(text) for text in section.matchers)
    return WindowState(name, section.matchers, began, Mute(name, f"[mute.{name}]", began, began + seconds, matchers))


class Windows:
    """All windows. A cron expression is evaluated only when a window opens or closes."""

    def __init__(self, sections: Mapping[str, MuteSection]) -> None:
        self._sections = sections
        self._read_at = 0.0
        self._states: list[WindowState] = []

    def states(self, now: float) -> list[WindowState]:
        """Return the windows in the order of the file."""
        # Read the windows again if one has changed, or the clock was set back.
        if now < self._read_at or not self._states or now >= min(each.changes_at for each in self._states):
            self._states = [read_window(name, section, now) for name, section in self._sections.items()]
            self._read_at = now
        return self._states
