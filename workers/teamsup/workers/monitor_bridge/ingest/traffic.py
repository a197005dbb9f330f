"""The payloads of each source: the last payload, the number of payloads, and the rate."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from teamsup.hub.timestamps import format_time

_WINDOW_MINUTES = 5
_MAX_DESCRIBED = 4


@dataclass
class SourceTraffic:
    """The payloads of each source, including rejected payloads, since the start of this process. The time of the last
    payload survives a restart.
    """

    last_received: dict[str, str] = field(default_factory=dict)
    """The time of each source's last payload, in the hub's format."""
    totals: Counter[str] = field(default_factory=Counter)
    _minutes: dict[int, Counter[str]] = field(default_factory=dict)

    def record(self, source: str, now: float) -> None:
        self.last_received[source] = format_time(now)
        self.totals[source] += 1
        minute = int(now // 60)
        self._minutes.setdefault(minute, Counter())[source] += 1
        # If the clock was set back, some minutes are in the future. Drop them too.
        for old in [each for each in self._minutes if not minute - _WINDOW_MINUTES < each <= minute]:
            del self._minutes[old]

    def per_minute(self, source: str, now: float) -> float:
        """Return the mean rate of the last minutes, including the present minute."""
        minute = int(now // 60)
        counts = [count[source] for at, count in self._minutes.items() if minute - _WINDOW_MINUTES < at <= minute]
        return sum(counts) / _WINDOW_MINUTES

    def describe(self, sources: Iterable[str], now: float) -> str:
        """Return the rate and the last payload of each source, for people."""
        texts = [_describe(name, self.last_received.get(name), self.per_minute(name, now)) for name in sources]
        more = len(texts) - _MAX_DESCRIBED
        return "; ".join(texts[:_MAX_DESCRIBED]) + (f"; and {more} more sources" if more > 0 else "")

    def as_metadata(self, sources: Iterable[str], now: float) -> dict[str, Mapping[str, object]]:
        """Return the same facts for programs, by source."""
        return {
            name: {
                "last": self.last_received.get(name),
                "total": self.totals[name],
                "per_minute": self.per_minute(name, now),
            }
            for name in sources
        }


def _describe(name: str, last: str | None, per_minute: float) -> str:
    if last is None:
        return f"{name}: nothing yet"
    return f"{name}: {per_minute:.3g}/min, last {last[:19]} UTC"
