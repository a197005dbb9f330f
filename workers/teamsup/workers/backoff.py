"""The growing pauses between attempts. Pure."""

from collections.abc import Iterator


def backoff(first: float = 1.0, longest: float = 60.0) -> Iterator[float]:
    """Yield the seconds to wait after each failure: ``first``, then twice as long each time, up to ``longest``. It
    never ends."""
    seconds = first
    while True:
        yield min(seconds, longest)
        seconds = min(2 * seconds, longest)
