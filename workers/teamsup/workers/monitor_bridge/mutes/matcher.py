"""A condition of a mute, and its duration, as people write them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from teamsup.hub import CallerError

MAX_SECONDS = 30 * 86400.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:\d{1,6}[smhd])+", re.ASCII)
_MATCHER = re.compile(r"(?P<name>[A-Za-z_][\w.:/-]{0,199})(?P<sign>!?=)(?P<value>.{0,1000})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label, or on ``source``, ``severity`` or ``title``. In the value ``*`` is any text."""

    name: str
    value: str
    is_equal: bool = True

    def __str__(self) -> str:
        return f"{self.name}{'=' if self.is_equal else '!='}{self.value}"

    def matches(self, facts: Mapping[str, str], labels: Mapping[str, str]) -> bool:
        # A missing label is the same as an empty label.
        found = [values[self.name] for values in (facts, labels) if self.name in values] or [""]
        return any(_fits(self.value, value) for value in found) == self.is_equal


def is_duration(word: str) -> bool:
    """Return whether a word has the form of a duration, such as ``2h``."""
    return _DURATION.fullmatch(word) is not None


def parse_matcher(text: str) -> Matcher:
    """Return the matcher of a text such as ``job=backup*``. Raise CallerError."""
    match = _MATCHER.fullmatch(text)
    if match is None:
        raise CallerError(f"{text[:60]!r} is not a label with a value, such as job=backup, or a duration, such as 2h.")
    if match["value"].startswith("~"):
        raise CallerError(f"{text[:60]!r}: a value is not a regular expression; * stands for any text.")
    return Matcher(match["name"], match["value"], match["sign"] == "=")


def parse_duration(text: str) -> float:
    """Return the seconds of ``90s``, ``2h`` or ``1h30m``. Raise CallerError."""
    seconds = float(sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+)([smhd])", text)))
    if not _DURATION.fullmatch(text) or not 1 <= seconds <= MAX_SECONDS:
        raise CallerError(f"{text[:60]!r} is not a duration from 1s to 30d, such as 2h or 1h30m.")
    return seconds


def _fits(pattern: str, value: str) -> bool:
    """Return whether the pattern with ``*`` matches the whole value, in linear time."""
    first, *others = pattern.split("*")
    if not others:
        return value == pattern
    if not value.startswith(first):
        return False
    at = len(first)
    *between, last = others
    for part in between:
        at = value.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return len(value) - at >= len(last) and value.endswith(last)
