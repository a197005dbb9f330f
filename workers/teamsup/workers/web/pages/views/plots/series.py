"""Values over time for a plot, and the times about which nothing is known."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from teamsup.status.samples import TeamSample, combine

_LEAST_GAP_SECONDS = 90.0
_GAP_SHARE = 1 / 400
"""A gap that is shorter than this share of the plot is not shown, because it would be invisible."""


@dataclass(frozen=True, slots=True)
class PlotRange:
    """The time that a plot shows: from ``end - seconds`` to ``end``, with one point every ``step`` seconds."""

    name: str
    seconds: float
    step: float
    tick: float
    """Seconds from one mark of the time axis to the next."""


RANGES = {
    each.name: each
    for each in (
        PlotRange("hour", 3600.0, 60.0, 900.0),
        PlotRange("day", 86400.0, 1200.0, 21600.0),
        PlotRange("week", 604800.0, 7200.0, 86400.0),
    )
}


@dataclass(frozen=True, slots=True)
class Gap:
    """A time about which nothing is known, in Unix seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one figure, each with its time. None if there was no value at that time, which is not a gap."""

    name: str
    points: tuple[tuple[float, float | None], ...]

    @property
    def last(self) -> float | None:
        """The last value."""
        return self.points[-1][1] if self.points else None


def find_gaps(
    samples: Sequence[TeamSample], start: float, end: float, is_known: Callable[[TeamSample], bool]
) -> list[Gap]:
    """Return the gaps between samples with a known figure, and those before the first and after the last sample."""
    least = max(_LEAST_GAP_SECONDS, (end - start) * _GAP_SHARE)
    known = [(each.at - each.seconds, each.at) for each in samples if is_known(each)]
    edges = [(start, start), *known, (end, end)]
    # The next sample may still come.
    return [
        Gap(max(start, before), min(end, after))
        for (_, before), (after, _) in pairwise(edges)
        if after - before >= (2 * least if after == end else least)
    ]


def thin_out(samples: Sequence[TeamSample], plot_range: PlotRange) -> list[TeamSample]:
    """Return one sample for each step, so that a plot does not have more points than can be seen."""
    if all(each.seconds <= plot_range.step for each in samples) and plot_range.step <= _LEAST_GAP_SECONDS:
        return list(samples)
    return [combine(list(group)) for _, group in groupby(samples, key=lambda each: int(each.at // plot_range.step))]


def find_lines(series: Series, gaps: Sequence[Gap]) -> Iterator[list[tuple[float, float]]]:
    """Yield the points of each unbroken line. A gap or a missing value ends a line."""
    line: list[tuple[float, float]] = []
    for at, value in series.points:
        if line and (value is None or any(gap.start < at and gap.end > line[-1][0] for gap in gaps)):
            yield line
            line = []
        if value is not None:
            line.append((at, value))
    if line:
        yield line
