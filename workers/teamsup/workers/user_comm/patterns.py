"""Looking for the patterns of teamsup.toml in what strangers write, with an end to it.

Some regular expressions take years over some lines, and nothing else of a process runs meanwhile. Python looks for
signals while it searches, in its main thread.
"""

import contextlib
import re
import signal
from collections.abc import Iterator
from dataclasses import replace

from .routing import LOOKED_AT, Rules

LONGEST_SECONDS = 0.2
"""Of CPU time, for each."""


class _TooLong(Exception):
    pass


class Patterns:
    """For the main thread alone."""

    def __init__(self) -> None:
        self._slow = ""

    def trouble(self, rules: Rules) -> str:
        """What a person should mend of these."""
        if self._slow not in [route.pattern for route in rules.routes if route.pattern]:
            return ""
        return f"the pattern {self._slow!r} takes too long to look for, so it does not always count"

    def look(self, rules: Rules, line: str) -> Rules:
        """The rules, with the patterns noted that this line fits. One that takes too long does not fit."""
        if not any(route.pattern for route in rules.routes):
            return rules
        text = line.strip()[:LOOKED_AT]
        return replace(rules, found=frozenset(each.pattern for each in rules.routes if self._fits(each.pattern, text)))

    def _fits(self, pattern: str, text: str) -> bool:
        try:
            with _time_limit():
                return bool(pattern) and re.search(pattern, text, re.IGNORECASE) is not None
        except _TooLong:
            self._slow = pattern
            return False


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    def end(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGVTALRM, end)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
