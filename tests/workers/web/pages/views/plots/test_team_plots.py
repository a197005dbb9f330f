"""Plots show what is known, and hatch what is not."""

import re
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from teamsup.status.samples import TeamSample, WorkerSample, combine_rows
from teamsup.workers.web.pages.views.plots.axes import (
    TIME_STEPS,
    choose_axis,
    find_time_marks,
    format_count,
    format_seconds,
    format_usd,
)
from teamsup.workers.web.pages.views.plots.series import RANGES, Gap, PlotRange, Series, find_gaps, find_lines
from teamsup.workers.web.pages.views.plots.team_plots import (
    Plot,
    draw_team_plots,
    draw_worker_plots,
    draw_worker_sparklines,
)

END = 1_772_366_400.0
HOUR, DAY, WEEK = RANGES.values()
KNOWN = TeamSample(END, 60.0, 12.0, 3, 0.002, 0.018, 218.0, "lead", 14.0, 21.0, 1.5, {"web": WorkerSample(0.5, 2**25)})


def minutes(count: int = 60) -> list[TeamSample]:
    return [replace(KNOWN, at=END - 60 * back) for back in range(count - 1, -1, -1)]


def plots_of(samples: list[TeamSample]) -> dict[str, Plot]:
    return {plot.id: plot for plot in draw_team_plots(samples, combine_rows(samples), HOUR, END)}


def parts(plot: Plot, kind: str) -> list[ElementTree.Element]:
    # The test's own text.
    return [each for each in ElementTree.fromstring(plot.svg).iter() if each.get("class") == kind]  # noqa: S314


def test_a_quiet_hour_has_no_gap_and_its_present_values() -> None:
    plots = plots_of(minutes())
    assert {name: (plot.now, plot.unit) for name, plot in plots.items()} == {
        "messages": ("12", "a minute"),
        "latency": ("18 ms", "p99"),
        "oldest": ("3.6 min", ""),
        "host": ("14 %", "CPU, 21 % memory"),
        "restarts": ("0", "crashes, 0 wanted"),
        "cost": ("$1.50", "today"),
    }
    assert plots["oldest"].note == "of lead"
    assert {name for name, plot in plots.items() if parts(plot, "gap")} == {"cost"}, "six days are not known"


@pytest.mark.parametrize(("limit", "lines"), [(None, 0), (2.0, 1), (1000.0, 0)])
def test_the_limit_of_the_cost_is_a_line_where_it_leaves_the_bars_to_see(limit: float | None, lines: int) -> None:
    cost = draw_team_plots(minutes(), combine_rows(minutes()), HOUR, END, limit)[-1]
    assert len(parts(cost, "limit")) == lines
    assert ("limit" in cost.note) == (limit is not None)


def test_a_team_that_was_never_sampled_is_unknown_and_not_zero() -> None:
    for name, plot in plots_of([]).items():
        assert plot.now == "?", name
        assert parts(plot, "gap"), name
        assert not parts(plot, "line"), name
        assert not parts(plot, "bar"), name


def test_no_line_crosses_a_time_without_samples() -> None:
    samples = [each for each in minutes() if not 20 * 60 < END - each.at < 32 * 60]
    plot = plots_of(samples)["messages"]
    (gap,) = parts(plot, "gap")
    left, width = float(gap.attrib["x"]), float(gap.attrib["width"])
    assert gap.attrib["fill"] == "url(#hatch)"
    assert len(parts(plot, "line")) == 2
    for line in parts(plot, "line"):
        xs = [float(x) for x in re.findall(r"[ML]([\d.]+) ", line.attrib["d"])]
        assert max(xs) <= left + 0.2 or min(xs) >= left + width - 0.2
    assert "not known from" in plot.svg


def test_old_samples_say_nothing_of_now() -> None:
    plots = plots_of([each for each in minutes() if each.at <= END - 300])
    assert {plot.now for name, plot in plots.items() if name != "restarts"} == {"?"}


def test_a_figure_that_the_hub_did_not_give_is_hatched_where_the_host_is_known() -> None:
    samples = [
        replace(each, messages=None, reads=None, latency_p50=None, latency_p99=None) if each.at > END - 600 else each
        for each in minutes()
    ]
    plots = plots_of(samples)
    assert [len(parts(plots[name], "gap")) for name in ("messages", "latency", "host")] == [1, 1, 0]
    assert (plots["messages"].now, plots["latency"].now, plots["host"].now) == ("?", "?", "14 %")


def test_minutes_without_a_reading_have_no_latency_and_are_known() -> None:
    samples = [replace(each, reads=0, latency_p50=None, latency_p99=None) for each in minutes()]
    plot = plots_of(samples)["latency"]
    assert (plot.now, parts(plot, "gap"), parts(plot, "line")) == ("–", [], [])


def test_two_series_are_named_at_their_ends_and_their_names_do_not_cover_each_other() -> None:
    samples = [replace(each, memory_percent=14.2) for each in minutes()]
    names = {each.text: float(each.attrib["y"]) for each in parts(plots_of(samples)["host"], "series")}
    assert set(names) == {"CPU", "mem"}
    assert abs(names["CPU"] - names["mem"]) >= 11


def test_each_crash_and_each_wanted_start_is_a_mark_of_its_worker() -> None:
    samples = minutes()
    samples[10] = replace(samples[10], workers={"web": WorkerSample(crashes=2)})
    samples[50] = replace(samples[50], workers={"web": WorkerSample(starts=1)})
    plot = plots_of(samples)["restarts"]
    assert (plot.now, plot.unit) == ("2", "crashes, 1 wanted")
    assert (len(parts(plot, "mark")), len(parts(plot, "mark wanted"))) == (1, 1)


def test_a_day_costs_what_it_had_cost_at_its_end_and_today_is_not_over() -> None:
    rows = [TeamSample(END - 86400 * back, 600.0, usd_today=1.0 + back) for back in (0, 2)]
    plot = draw_team_plots([], rows, HOUR, END)[-1]
    assert (len(parts(plot, "bar")), len(parts(plot, "bar so-far")), len(parts(plot, "gap"))) == (1, 1, 5)


@pytest.mark.parametrize("plot_range", [HOUR, DAY, WEEK], ids=lambda each: each.name)
def test_a_plot_is_small_and_has_neither_styles_nor_scripts(plot_range: PlotRange) -> None:
    rows = combine_rows(replace(KNOWN, at=END - 600 * back, seconds=600.0) for back in range(1007, -1, -1))
    samples = minutes() if plot_range is HOUR else rows
    plots = draw_team_plots(samples, rows, plot_range, END)
    assert sum(len(plot.svg) for plot in plots) < 16_000
    for plot in plots:
        tree = ElementTree.fromstring(plot.svg)  # noqa: S314 - the test's own
        assert {each.tag for each in tree.iter()} <= {"svg", "path", "rect", "text"}
        assert not [each for each in tree.iter() if each.get("style") is not None]


def test_names_of_workers_and_agents_are_only_text() -> None:
    name = '"><script>'
    samples = [replace(each, workers={name: WorkerSample(0.5, 1, 1)}, oldest_agent=name) for each in minutes()]
    for plot in (*plots_of(samples).values(), *draw_worker_plots(samples, name, HOUR, END)):
        assert "<script" not in plot.svg
    assert "<script" not in "".join(draw_worker_sparklines(samples, name, END))


def test_a_worker_that_is_known_not_to_run_is_not_hatched() -> None:
    stopped = {"web": WorkerSample()}
    samples = [replace(each, workers=stopped) if each.at > END - 600 else each for each in minutes()]
    for plot in draw_worker_plots(samples, "web", HOUR, END):
        assert (plot.title, plot.now, parts(plot, "gap"), len(parts(plot, "line"))) == ("web", "–", [], 1)
    assert draw_worker_plots([replace(each, workers=stopped) for each in minutes()], "web", HOUR, END) == ()


def test_a_sparkline_hatches_the_time_before_its_worker_was_there() -> None:
    samples = [replace(each, workers={}) if each.at < END - 1800 else each for each in minutes()]
    for svg in draw_worker_sparklines(samples, "web", END):
        assert svg.count('class="gap"') == 1
        assert len(svg) < 900


@pytest.mark.parametrize(
    ("most", "marks"),
    [(0, "0 1"), (37, "0 20 40"), (41, "0 25 50"), (0.4, "0 0.2 0.4"), (99, "0 50 100"), (25_000, "0 20k 40k")],
)
def test_the_marks_of_an_axis_are_round(most: float, marks: str) -> None:
    axis = choose_axis(most, format_count)
    assert axis.top >= most
    assert " ".join(map(axis.label, axis.marks)) == marks


@pytest.mark.parametrize(
    ("most", "marks"), [(0.078, "0 50 ms 100 ms"), (218.0, "0 2 min 4 min"), (4000.0, "0 1 h 2 h")]
)
def test_the_marks_of_times_are_round_in_their_unit(most: float, marks: str) -> None:
    axis = choose_axis(most, format_seconds, TIME_STEPS)
    assert " ".join(map(axis.label, axis.marks)) == marks


@pytest.mark.parametrize(("usd", "text"), [(0, "0"), (2.5, "$2.50"), (5, "$5"), (12.4, "$12")])
def test_dollars_have_cents_where_they_matter(usd: float, text: str) -> None:
    assert format_usd(usd) == text


def test_the_time_axis_has_marks_by_the_clock() -> None:
    assert [text for _, text in find_time_marks(HOUR, END + 120)][-1].endswith((":00", ":15", ":30", ":45"))
    assert 3 <= len(find_time_marks(DAY, END)) <= 5
    assert 6 <= len(find_time_marks(WEEK, END)) <= 8


def test_a_missing_value_ends_a_line_and_a_gap_does_too() -> None:
    series = Series("a", ((1.0, 1.0), (2.0, 2.0), (3.0, None), (4.0, 4.0), (5.0, 5.0)))

    def lines(*gaps: Gap) -> Iterator[list[float]]:
        return ([at for at, _ in line] for line in find_lines(series, gaps))

    assert list(lines()) == [[1.0, 2.0], [4.0, 5.0]]
    assert list(lines(Gap(4.0, 5.0))) == [[1.0, 2.0], [4.0], [5.0]]


def test_the_next_sample_is_awaited_before_its_time_counts_as_unknown() -> None:
    samples = minutes(30)
    assert [gap.end for gap in find_gaps(samples, END - 3600, END + 100, lambda _: True)] == [END - 1800]
    assert find_gaps(samples, END - 1740, END + 200, lambda _: True)[-1] == Gap(END, END + 200)
