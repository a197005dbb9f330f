"""The plots of a team: traffic, waits, the oldest unread message, host, restarts and cost. Also the plots
of a worker.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from teamsup.status.samples import MINUTE_SECONDS, ROW_SECONDS, TeamSample, WorkerSample

from .axes import (
    TIME_STEPS,
    choose_axis,
    find_time_marks,
    format_count,
    format_mebibytes,
    format_percent,
    format_seconds,
    format_usd,
)
from .drawing import Bar, Frame, Lane, draw_bars, draw_lanes, draw_lines, draw_sparkline
from .series import Gap, PlotRange, Series, find_gaps, thin_out

UNKNOWN = "?"
_MEBIBYTE = 2**20
_DAYS = 7
_LIMIT_FACTOR = 4.0
_SPARKLINE = PlotRange("sparkline", 3600.0, 150.0, 3600.0)
Figure = Callable[[TeamSample], float | None]


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot. ``now`` is the present value in the unit ``unit``. A question mark stands for an unknown value."""

    id: str
    title: str
    note: str
    now: str
    unit: str
    svg: Markup


def draw_team_plots(
    samples: Sequence[TeamSample],
    week: Sequence[TeamSample],
    plot_range: PlotRange,
    end: float,
    usd_limit: float | None = None,
) -> tuple[Plot, ...]:
    """Return the plots of the whole team. ``samples`` belong to the range, and ``week`` to seven days."""
    view = _View(samples, plot_range, end)
    latest = view.latest
    memory = None if latest is None else latest.memory_percent
    cost = None if latest is None else latest.usd_today
    oldest = "" if latest is None or not latest.oldest_agent else f"of {latest.oldest_agent}"
    return (
        view.plot(
            "messages", "Messages", "", "a minute", format_count, (("messages", lambda s: s.messages),), area=True
        ),
        view.plot(
            "latency",
            "Read latency",
            "stored to read",
            "p99",
            format_seconds,
            (("p99", lambda s: s.latency_p99), ("p50", lambda s: s.latency_p50)),
            is_known=lambda s: s.reads is not None,
            steps=TIME_STEPS,
        ),
        view.plot(
            "oldest",
            "Oldest unread",
            oldest,
            "",
            format_seconds,
            (("oldest unread", lambda s: s.oldest_seconds),),
            area=True,
            steps=TIME_STEPS,
        ),
        view.plot(
            "host",
            "Host",
            "",
            "CPU" if memory is None else f"CPU, {format_percent(memory)} memory",
            format_percent,
            (("CPU", lambda s: s.cpu_percent), ("mem", lambda s: s.memory_percent)),
            steps=(50.0,),
        ),
        _plot_restarts(view),
        _plot_cost(week, end, cost, usd_limit),
    )


def draw_worker_plots(
    samples: Sequence[TeamSample], worker: str, plot_range: PlotRange, end: float
) -> tuple[Plot, ...]:
    """Return the plots of one worker: processor and memory; Return an empty list if it has not run in the range."""
    view = _View(samples, plot_range, end)
    if not any(worker in each.workers and each.workers[worker].memory_bytes for each in view.samples):
        return ()
    cpu, memory, is_known = ("CPU", _cpu_of(worker)), ("memory", _memory_of(worker)), _knows(worker)
    return (
        view.plot("cpu", worker, "CPU, of one core", "", format_percent, (cpu,), is_known=is_known, area=True),
        view.plot("memory", worker, "memory", "", format_mebibytes, (memory,), is_known=is_known, area=True),
    )


def draw_worker_sparklines(samples: Sequence[TeamSample], worker: str, end: float) -> tuple[Markup, Markup]:
    """Return the small plots of processor and memory in the last hour."""
    cpu, memory = _cpu_of(worker), _memory_of(worker)
    return (
        _sparkline(samples, cpu, end, f"CPU of {worker} in the last hour", _knows(worker)),
        _sparkline(samples, memory, end, f"Memory of {worker} in the last hour", _knows(worker)),
    )


class _View:
    """The samples of one range, reduced to as many as a plot can show."""

    def __init__(self, samples: Sequence[TeamSample], plot_range: PlotRange, end: float) -> None:
        self.range, self.end, self.start = plot_range, end, end - plot_range.seconds
        self.samples = [each for each in samples if self.start < each.at <= end]
        self.shown = thin_out(self.samples, plot_range)
        self.marks = find_time_marks(plot_range, end)
        step = MINUTE_SECONDS if plot_range.step <= MINUTE_SECONDS else ROW_SECONDS
        is_fresh = bool(self.samples) and end - self.samples[-1].at <= 2 * step
        self.latest = self.samples[-1] if is_fresh else None

    def gaps(self, is_known: Callable[[TeamSample], bool]) -> list[Gap]:
        return find_gaps(self.samples, self.start, self.end, is_known)

    def plot(
        self,
        name: str,
        title: str,
        note: str,
        unit: str,
        label: Callable[[float], str],
        figures: Sequence[tuple[str, Figure]],
        *,
        is_known: Callable[[TeamSample], bool] | None = None,
        steps: tuple[float, ...] = (),
        area: bool = False,
    ) -> Plot:
        """Return the plot of one or two figures. The present value is that of the first figure."""
        first = figures[0][1]
        gaps = self.gaps(is_known or (lambda sample: first(sample) is not None))
        lines = [Series(word, tuple((each.at, figure(each)) for each in self.shown)) for word, figure in figures]
        values = [value for series in lines for _, value in series.points if value is not None]
        axis = choose_axis(max(values, default=0.0), label, steps)
        if self.latest is None or (is_known is not None and not is_known(self.latest)):
            now = UNKNOWN
        else:
            value = first(self.latest)
            now = label(value) if value is not None else UNKNOWN if is_known is None else "–"
        whole_title = f"{title}, {note}" if note else title
        words = f"{whole_title}: {_spoken(now)} {unit} now, {_spoken_most(lines[0], label)}{_spoken_gaps(gaps)}"
        frame = Frame(self.start, self.end, top=axis.top)
        svg = draw_lines(frame, axis, self.marks, lines, gaps, words, with_area=area)
        return Plot(name, title, note, now, unit, svg)


def _plot_restarts(view: _View) -> Plot:
    names = dict.fromkeys(name for each in view.samples for name in each.workers)
    lanes = [
        Lane(
            name,
            tuple(each.at for each in view.samples if each.workers.get(name, _NOTHING).crashes),
            tuple(each.at for each in view.samples if each.workers.get(name, _NOTHING).starts),
        )
        for name in names
    ]
    workers = [worker for each in view.samples for worker in each.workers.values()]
    crashes, wanted = sum(each.crashes for each in workers), sum(each.starts for each in workers)
    gaps = view.gaps(lambda _: True)
    unit = f"{'crash' if crashes == 1 else 'crashes'}, {wanted} wanted"
    counts = ", ".join(f"{lane.name} {len(lane.crashes)}" for lane in lanes if lane.crashes) or "no crash"
    words = f"Restarts of each worker: {counts}{_spoken_gaps(gaps)}"
    svg = draw_lanes(view.start, view.end, view.marks, lanes, gaps, words)
    return Plot("restarts", "Restarts", "", str(crashes) if view.samples else UNKNOWN, unit, svg)


def _plot_cost(week: Sequence[TeamSample], end: float, today: float | None, limit: float | None) -> Plot:
    """Return the cost of each day: the highest cost that was known on that day."""
    last = datetime.fromtimestamp(end, UTC).astimezone().date()
    days = [last - timedelta(days=back) for back in range(_DAYS - 1, -1, -1)]
    costs: dict[object, float] = {}
    for each in week:
        if each.usd_today is not None:
            day = datetime.fromtimestamp(each.at - 1, UTC).astimezone().date()
            costs[day] = max(costs.get(day, 0.0), each.usd_today)
    bars = [Bar("today" if day == last else f"{day:%a}", costs.get(day), is_so_far=day == last) for day in days]
    most = max(costs.values(), default=0.0)
    # A limit far above all costs would leave no bar to see; the words have it in any case.
    is_drawn = limit is not None and limit <= _LIMIT_FACTOR * most
    axis = choose_axis(max(most, limit or 0.0) if is_drawn else most, format_usd, (0.5, 1.0, 2.5, 5.0))
    note = "7 days" if limit is None else f"7 days; limit in 24 h {format_usd(limit)}"
    known = ", ".join(f"{bar.label} {format_usd(bar.value)}" for bar in bars if bar.value is not None)
    words = f"Cost a day of the last seven days: {known or 'not known'}"
    words += "" if limit is None else f"; the limit for 24 hours is {format_usd(limit)}"
    svg = draw_bars(axis, bars, words, limit=limit)
    return Plot("cost", "Cost", note, UNKNOWN if today is None else f"${today:.2f}", "today", svg)


_NOTHING = WorkerSample()


def _knows(worker: str) -> Callable[[TeamSample], bool]:
    """Return whether a sample contains the state of a worker. The state may be "not running"."""
    return lambda sample: worker in sample.workers


def _cpu_of(worker: str) -> Figure:
    return lambda sample: sample.workers.get(worker, _NOTHING).cpu_percent


def _memory_of(worker: str) -> Figure:
    def read(sample: TeamSample) -> float | None:
        memory = sample.workers.get(worker, _NOTHING).memory_bytes
        return None if memory is None else memory / _MEBIBYTE

    return read


def _sparkline(
    samples: Sequence[TeamSample], figure: Figure, end: float, label: str, is_known: Callable[[TeamSample], bool]
) -> Markup:
    start = end - _SPARKLINE.seconds
    recent = [each for each in samples if start < each.at <= end]
    gaps = find_gaps(recent, start, end, is_known)
    points = tuple((each.at, figure(each)) for each in thin_out(recent, _SPARKLINE))
    return draw_sparkline(Series("", points), gaps, start, end, label)


def _spoken(now: str) -> str:
    return "unknown" if now == UNKNOWN else now


def _spoken_most(series: Series, label: Callable[[float], str]) -> str:
    known = [(value, at) for at, value in series.points if value is not None]
    if not known:
        return "no value"
    most, at = max(known)
    return f"{label(most)} at most, at {_clock(at)}"


def _spoken_gaps(gaps: Sequence[Gap]) -> str:
    spans = " and ".join(f"from {_clock(gap.start)} to {_clock(gap.end)}" for gap in gaps[:3])
    return f", not known {spans}{' and later' if len(gaps) > 3 else ''}" if spans else ""


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%a %H:%M}"
