"""Tell a person at a terminal that a long action is still running."""

import contextlib
import sys
import time
from collections.abc import Iterator

from .formatting import format_duration

_EVERY_SECONDS = 3.0
_are_reports_shown = True


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Report nothing within the ``with`` block."""
    global _are_reports_shown
    before, _are_reports_shown = _are_reports_shown, False
    try:
        yield
    finally:
        _are_reports_shown = before


def report(text: str) -> None:
    """Print one line about progress on stderr, unless --quiet is given."""
    if _are_reports_shown:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


@contextlib.contextmanager
def during(action: str, every_seconds: float = _EVERY_SECONDS) -> Iterator[None]:
    """Report every few seconds, until the ``with`` block ends, that ``action`` is still running, and for how long.

    Report nothing if stderr is not a terminal, because only a person needs this.
    """
    if not (_are_reports_shown and sys.stderr.isatty()):
        yield
        return
    import threading  # ps needs none

    ended = threading.Event()

    def notify() -> None:
        began = time.monotonic()
        with contextlib.suppress(OSError):  # the terminal may be gone
            while not ended.wait(every_seconds):
                report(f"{action}: {format_duration(time.monotonic() - began)} so far")

    thread = threading.Thread(target=notify, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
