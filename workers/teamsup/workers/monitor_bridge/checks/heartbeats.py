"""Expected heartbeats: a missing heartbeat is a problem that cannot report itself. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from teamsup.terminal.formatting import format_duration, format_moment

from ..incidents.alert import SourceHeartbeat
from ..sections import WatchdogSection
from .hysteresis import CheckResult


def check_heartbeats(
    expected: Mapping[str, WatchdogSection], signs: Iterable[SourceHeartbeat], listening_since: float, now: float
) -> list[CheckResult]:
    """Return the result for each expected heartbeat. Times in which heartbeats could not arrive do not count."""
    known = [(sign, sign.occurred_at.timestamp()) for sign in signs if sign.occurred_at is not None]
    found = []
    for name, section in expected.items():
        wanted = (section.name or name).lower()
        seen = [
            seen_at
            for sign, seen_at in known
            if sign.source == section.source
            and wanted in (sign.title.lower(), sign.fingerprint.lower())
            and seen_at <= now  # a later time is from before the clock was set back
        ]
        last = max([*seen, listening_since])
        silence = now - last
        sentence = f"{section.source} sends no heartbeat {section.name or name}: "
        # A title stays as long as the problem, so an age in it would become wrong.
        sentence += (
            f"the last came {_format_seconds(max(seen))}" if seen else f"none since {_format_seconds(listening_since)}"
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


def _format_seconds(seconds: float) -> str:
    return format_moment(datetime.fromtimestamp(seconds, UTC))
