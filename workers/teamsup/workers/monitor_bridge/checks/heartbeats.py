"""Expected heartbeats: a missing one is a problem that cannot report itself. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.terminal.formatting import format_duration

from ..sections import WatchdogSection
from .hysteresis import CheckResult


@dataclass(frozen=True, slots=True)
class LastHeartbeat:
    """The time of the last heartbeat, in Unix seconds."""

    source: str
    fingerprint: str
    title: str
    seen_at: float


def check_heartbeats(
    expected: Mapping[str, WatchdogSection], signs: Iterable[LastHeartbeat], listening_since: float, now: float
) -> list[CheckResult]:
    """Return the result for each expected heartbeat. A time without a listener does not count."""
    known = list(signs)
    found = []
    for name, section in expected.items():
        wanted = (section.name or name).lower()
        seen = [
            sign.seen_at
            for sign in known
            if sign.source == section.source
            and wanted in (sign.title.lower(), sign.fingerprint.lower())
            and sign.seen_at <= now  # else the clock was set back since
        ]
        last = max([*seen, listening_since])
        silence = now - last
        sentence = f"{section.source} sends no heartbeat {section.name or name}: "
        # A title stays as long as the problem, so an age in it would become wrong.
        sentence += (
            f"the last came {_format_time(max(seen))}" if seen else f"none since {_format_time(listening_since)}"
        )
        found.append(
            CheckResult(
                name,
                True if silence > section.every_seconds else False if seen and max(seen) == last else None,
                f"{sentence}, and one is expected every {format_duration(section.every_seconds)}.",
                section.severity,
                {"source": section.source},
            )
        )
    return found


def _format_time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
