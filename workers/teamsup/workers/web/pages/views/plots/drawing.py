"""Draw a plot: grid, axis, limit, gaps, lines, lanes and bars. Sizes are attributes of the SVG; colours come from CSS
classes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from .axes import ValueAxis
from .series import Gap, Series, find_lines

WIDTH, HEIGHT = 400, 138
_TOP, _BOTTOM, _LABELS = 8.0, 118.0, 134.0
_LEFT, _RIGHT = 44.0, 366.0
_LANES_LEFT, _LANES_RIGHT = 92.0, 392.0
_NAME_HEIGHT = 11.0
_SHORTEST_LABEL = 44.0
"""The minimum width of a gap that has the label "not known"."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The positions of times and values in a plot."""

    start: float
    end: float
    top: float = 1.0
    left: float = _LEFT
    right: float = _RIGHT

    def x(self, at: float) -> float:
        """Return the horizontal position of a time."""
        share = (at - self.start) / (self.end - self.start)
        return self.left + (self.right - self.left) * max(0.0, min(1.0, share))

    def y(self, value: float) -> float:
        """Return the vertical position of a value."""
        return _BOTTOM - (_BOTTOM - _TOP - 10) * max(0.0, value) / self.top


@dataclass(frozen=True, slots=True)
class Bar:
    """One day. ``value`` is None if it is unknown."""

    label: str
    value: float | None
    is_so_far: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """The events of one worker, as times: crashes, and requested starts."""

    name: str
    crashes: tuple[float, ...]
    wanted: tuple[float, ...]


def draw_lines(
    frame: Frame,
    axis: ValueAxis,
    marks: Sequence[tuple[float, str]],
    lines: Sequence[Series],
    gaps: Sequence[Gap],
    label: str,
    *,
    limit: float | None = None,
    with_area: bool = False,
) -> Markup:
    """Return the plot of one or two series. Each is named at its end."""
    parts = [*_value_axis(frame, axis), *_time_axis(frame, marks), *_gaps(frame, gaps)]
    if limit is not None and limit <= axis.top:
        parts.append(f'<path class="limit" d="M{frame.left:g} {frame.y(limit):.1f}H{frame.right:g}"/>')
        parts.append(_text("series", frame.right + 5, frame.y(limit) + 3.5, "limit"))
    for number, series in enumerate(lines):
        for points in find_lines(series, gaps):
            parts += _line(frame, points, "line" if number == 0 else "line second", with_area=with_area)
    return _svg([*parts, *_names(frame, lines)], label)


def draw_lanes(
    start: float, end: float, marks: Sequence[tuple[float, str]], lanes: Sequence[Lane], gaps: Sequence[Gap], label: str
) -> Markup:
    """Return one line for each worker, with a mark for each crash and each requested start."""
    frame = Frame(start, end, left=_LANES_LEFT, right=_LANES_RIGHT)
    parts = []
    height = min(20.5, (_BOTTOM - _TOP - 4) / max(1, len(lanes)))
    half = min(7.0, height / 2 - 1)
    for number, lane in enumerate(lanes):
        y = 20.0 + height * number if height > 14 else _TOP + height * (number + 0.5)
        parts.append(f'<path class="grid" d="M{frame.left:g} {y:.1f}H{frame.right:g}"/>')
        name = lane.name if len(lane.name) <= 15 else f"{lane.name[:14]}…"
        parts.append(_text("end", frame.left - 6, y + 3.5, name))
        for kind, times in (("mark", lane.crashes), ("mark wanted", lane.wanted)):
            corners = dict.fromkeys(round(frame.x(at)) for at in times if start <= at <= end)
            parts += [f'<path class="{kind}" d="M{x} {y - half:.1f}V{y + half:.1f}"/>' for x in corners]
    return _svg([*_gaps(frame, gaps, is_named=False), *parts, *_time_axis(frame, marks)], label)


def draw_bars(axis: ValueAxis, bars: Sequence[Bar], label: str, *, limit: float | None = None) -> Markup:
    """Return one bar for each day; an unknown day is hatched."""
    frame = Frame(0.0, float(len(bars)), top=axis.top)
    parts = _value_axis(frame, axis)
    width = (frame.right - frame.left) / max(1, len(bars))
    for number, bar in enumerate(bars):
        x = frame.left + width * (number + 0.2)
        if bar.value is None:
            parts.append(_rectangle('gap" fill="url(#hatch)', x, _TOP, 0.6 * width, _BOTTOM - _TOP))
        elif bar.value > 0:
            y = min(frame.y(bar.value), _BOTTOM - 1)
            parts.append(_rectangle("bar so-far" if bar.is_so_far else "bar", x, y, 0.6 * width, _BOTTOM - y))
        parts.append(_text("mid", frame.left + width * (number + 0.5), _LABELS, bar.label))
    if limit is not None and limit <= axis.top:
        parts.append(f'<path class="limit" d="M{frame.left:g} {frame.y(limit):.1f}H{frame.right:g}"/>')
        parts.append(_text("series", frame.right + 5, frame.y(limit) + 3.5, "limit"))
    return _svg(parts, label)


def draw_sparkline(series: Series, gaps: Sequence[Gap], start: float, end: float, label: str) -> Markup:
    """Return a small line without axes, 72 by 20. Unknown times are hatched."""
    most = max((value for _, value in series.points if value is not None), default=0.0)

    def x(at: float) -> float:
        return 72 * max(0.0, min(1.0, (at - start) / (end - start)))

    parts = [_rectangle('gap" fill="url(#hatch)', x(gap.start), 0, x(gap.end) - x(gap.start), 20) for gap in gaps]
    for points in find_lines(series, gaps):
        corners = [f"{x(at):.1f} {18 - 16 * value / most if most else 18:.1f}" for at, value in points]
        parts.append(f'<path class="area" d="M{"L".join(corners)}V20H{x(points[0][0]):.1f}Z"/>')
        parts.append(f'<path class="line" d="M{"L".join(corners)}"/>')
    return Markup('<svg class="sparkline" viewBox="0 0 72 20" role="img" aria-label="{}">{}</svg>').format(
        label,
        Markup("".join(parts)),  # noqa: S704 - numbers alone
    )


def _names(frame: Frame, lines: Sequence[Series]) -> Iterable[str]:
    """Yield the name of each series at its end, unless there is only one. Place the names from the lowest to the
    highest, so that they do not overlap.
    """
    ends = sorted(((frame.y(each.last), each.name) for each in lines if each.last is not None), reverse=True)
    below = _BOTTOM + _NAME_HEIGHT
    for y, name in ends if len(lines) > 1 else ():
        below = min(y, below - _NAME_HEIGHT)
        yield _text("series", frame.right + 5, below + 3.5, name)


def _line(frame: Frame, points: Sequence[tuple[float, float]], kind: str, *, with_area: bool) -> Iterable[str]:
    corners = [f"{frame.x(at):.1f} {frame.y(value):.1f}" for at, value in points]
    path = (
        f"M{'L'.join(corners)}"
        if len(points) > 1
        else f"M{frame.x(points[0][0]) - 2:.1f} {frame.y(points[0][1]):.1f}h4"
    )
    if with_area:
        yield f'<path class="area" d="M{"L".join(corners)}V{_BOTTOM:g}H{frame.x(points[0][0]):.1f}Z"/>'
    yield f'<path class="{kind}" d="{path}"/>'


def _gaps(frame: Frame, gaps: Sequence[Gap], *, is_named: bool = True) -> Iterable[str]:
    for gap in gaps:
        x, width = frame.x(gap.start), frame.x(gap.end) - frame.x(gap.start)
        yield _rectangle('gap" fill="url(#hatch)', x, _TOP, width, _BOTTOM - _TOP)
        if is_named and width >= _SHORTEST_LABEL:
            yield _text("mid gap-label", x + width / 2, 38, "not known")


def _value_axis(frame: Frame, axis: ValueAxis) -> list[str]:
    parts = []
    for mark in axis.marks:
        y = frame.y(mark)
        kind = "grid" if mark else "axis"
        parts.append(f'<path class="{kind}" d="M{frame.left:g} {y:.1f}H{frame.right:g}"/>')
        parts.append(_text("end", frame.left - 6, y + 3.5, axis.label(mark)))
    return parts


def _time_axis(frame: Frame, marks: Sequence[tuple[float, str]]) -> list[str]:
    return [_text("mid", frame.x(at), _LABELS, text) for at, text in marks]


def _rectangle(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _svg(parts: Iterable[str], label: str) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH,
        HEIGHT,
        label,
        Markup("".join(parts)),  # noqa: S704 - each text in it is escaped
    )
