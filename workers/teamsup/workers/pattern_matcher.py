"""Search foreign texts for the patterns of teamsup.toml, with a time limit.

Some regular expressions would take years on some lines; ``regex`` stops at a time limit. Only workers with patterns
import it.
"""

import functools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

TIMEOUT_SECONDS = 0.2
"""Seconds of processor time of this thread for each search of a text."""
_MAX_TRIES = 3
"""The maximum number of tries of a slow pattern, in one search."""


class PatternMatcher:
    """Finds patterns, and remembers slow patterns."""

    def __init__(self) -> None:
        self.slow_pattern = ""

    def start_search(self) -> "PatternSearch":
        """Begin one search through texts that belong together."""
        return PatternSearch(self.record_slow)

    def record_slow(self, pattern: str) -> None:
        """Remember a pattern that takes too long."""
        self.slow_pattern = pattern


class PatternSearch:
    """Searches several texts that arrived together. A pattern that was slow ``_MAX_TRIES`` times no longer matches."""

    def __init__(self, record_slow: Callable[[str], None]) -> None:
        self._record_slow = record_slow
        self._slow_counts: Counter[str] = Counter()

    def matches(self, pattern: str, text: str, *, whole: bool = False, ignore_case: bool = False) -> bool:
        """Return whether the pattern matches a part of the text, or with ``whole`` all of it. A pattern that is too
        slow does not match.
        """
        if self._slow_counts[pattern] >= _MAX_TRIES:
            return False
        compiled = _compile(pattern, ignore_case)
        look = compiled.fullmatch if whole else compiled.search
        for _ in range(_MAX_TRIES):
            began = time.thread_time()
            try:
                return look(text, timeout=TIMEOUT_SECONDS) is not None
            except TimeoutError:
                if time.thread_time() - began >= TIMEOUT_SECONDS / 2:
                    break
        self._slow_counts[pattern] += 1
        self._record_slow(pattern)
        return False


@functools.lru_cache(256)
def _compile(pattern: str, ignore_case: bool) -> Any:  # noqa: ANN401 - regex.Pattern, which is not imported above
    import regex

    return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
