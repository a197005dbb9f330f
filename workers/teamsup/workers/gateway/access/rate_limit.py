"""How many messages of one person are taken in a minute; more wait for their turn. Pure."""

from collections import deque

_WINDOW_SECONDS = 60.0


class RateLimiter:
    """By the times at which messages were written: what was written slowly is taken at once, however late it comes."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._taken_at: dict[int, deque[float]] = {}

    def reserve(self, person: int, written: float, now: float) -> float:
        """From when on this message of theirs may be taken, in Unix seconds. Each counts."""
        turns = self._taken_by(person)
        if turns and turns[0] > now + _WINDOW_SECONDS:
            turns.clear()  # our clock was put back
        written = min(written, now)  # Discord's clock may be ahead of ours
        at = max(written, turns[0] + _WINDOW_SECONDS) if len(turns) == self._per_minute else written
        turns.append(at)
        return at

    def try_acquire(self, person: int, now: float) -> bool:
        """Whether one more of theirs is taken now, instead of later. What is refused does not count."""
        turns = self._taken_by(person)
        if len(turns) == self._per_minute and now - turns[0] < _WINDOW_SECONDS:
            return False
        turns.append(now)
        return True

    def _taken_by(self, person: int) -> deque[float]:
        return self._taken_at.setdefault(person, deque(maxlen=self._per_minute))
