"""The marks of axes: a few round values in the usual units."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .series import PlotRange


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """The marks of a value axis from 0 to ``top``, which is the last mark."""

    marks: tuple[float, ...]
    label: Callable[[float], str]

    @property
    def top(self) -> float:
        """The value at the upper end."""
        return self.marks[-1]


def choose_axis(most: float, label: Callable[[float], str], steps: tuple[float, ...] = ()) -> ValueAxis:
    """Return an axis of two or three equal steps above 0 that contains ``most``. ``steps`` are the permitted steps,
    such as TIME_STEPS.
    """
    if most <= 0:
        # Nothing is known, or all of it is 0: one mark shows the unit.
        return ValueAxis((0.0, 1.0), label)
    step = next((each for each in steps if 2 * each >= most), 0.0)
    if not step:
        need = max(most / 2, 1e-9)
        power = 10.0 ** math.floor(math.log10(need))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= need * (1 - 1e-9))
    return ValueAxis((0.0, step, 2 * step), label)


TIME_STEPS = (
    *(factor / 1000 for factor in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(unit * factor for unit in (1.0, 60.0, 3600.0) for factor in (1, 2, 5, 10, 30)),
)
"""Steps of time in seconds. Each is a round number of minutes, hours or days."""


def format_count(value: float) -> str:
    """Return a number in at most four characters, such as 0.4 or 12k."""
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    if value < 1:
        return f"{value:.2g}"
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def format_seconds(value: float) -> str:
    """Return seconds in one unit, such as 40 ms."""
    if value <= 0:
        return "0"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms" if value >= 0.001 else f"{value * 1000:.1f} ms"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if value >= 2 * length or value == length:
            return f"{format_count(value / length)} {unit}"
    return f"{format_count(value)} s"


def format_percent(value: float) -> str:
    return "0" if value == 0 else f"{format_count(value)} %"


def format_mebibytes(value: float) -> str:
    return "0" if value == 0 else f"{format_count(value)} MiB"


def format_usd(value: float) -> str:
    """Return dollars, with cents only below ten."""
    return "0" if value == 0 else f"${value:.0f}" if value == int(value) or value >= 10 else f"${value:.2f}"


def find_time_marks(plot_range: PlotRange, end: float) -> list[tuple[float, str]]:
    """Return the marks of the time axis by the clock of this machine, each with its text."""
    start = datetime.fromtimestamp(end - plot_range.seconds, UTC).astimezone()
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    marks = []
    for number in range(int(86400 * 9 / plot_range.tick)):
        # Count local time, because a day has 23 or 25 hours when the clocks change.
        local = midnight.replace(tzinfo=None) + timedelta(seconds=plot_range.tick * number)
        at = local.astimezone().timestamp()
        if at > end:
            break
        if at >= end - plot_range.seconds:
            marks.append((at, f"{local:%a}" if plot_range.tick >= 86400 else f"{local:%H:%M}"))
    return marks
