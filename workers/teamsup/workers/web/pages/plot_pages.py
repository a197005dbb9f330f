"""The plots of the last hour, day or week: one page has the team's plots, another has the workers' plots."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from markupsafe import Markup

from teamsup.config.entries import parse_number
from teamsup.config.startable_agents import read_cost_limit
from teamsup.hub import CallerError, Team
from teamsup.status.samples import TeamSample, read_minutes, read_rows, samples_version

from ..page import Page, PageContext, Region, RenderedRegion
from .page_content import address_of, agents_of, content_of, filter_links, navigation, now_of, render_page, with_query
from .rendering import render
from .views.plots.axes import find_time_marks
from .views.plots.series import RANGES, PlotRange
from .views.plots.team_plots import Plot, draw_team_plots, draw_worker_plots, draw_worker_sparklines

_SECTION = "plots"
_PATH = "/plots"
_RANGES = tuple(RANGES)
_STEP_SECONDS = 60.0
"""Seconds between two positions of a plot, so that the plot does not change with each look at the page."""
_ROUND_SECONDS = 600
_CLOSER = {"day": ("hour", 3600.0), "week": ("day", 86400.0)}
"""For each range, the range of a closer look at a part of its plot, and the seconds of this part."""


@dataclass(frozen=True, slots=True)
class DrawnPlots:
    """The plots of the team, and those of each worker by its name."""

    team: Sequence[Plot]
    workers: Mapping[str, Sequence[Plot]]


class UnknownPlot(CallerError):
    """There is no plot of this name."""


def _range_of(context: PageContext) -> PlotRange:
    return RANGES.get(context.query.get("range", ""), RANGES[_RANGES[0]])


def _draw(context: PageContext) -> DrawnPlots:
    """Return the present plots. They are drawn once for all pages, until the next sample or minute."""
    limit, past = read_cost_limit(agents_of(context).values()), _past_of(context)
    minute = context.now - context.now % _STEP_SECONDS if past is None else past
    return _draw_once(
        context.team, samples_version(context.team), _range_of(context), minute, limit, is_past=past is not None
    )


def _past_of(context: PageContext) -> float | None:
    """Return the end of the range in the address, or None for now."""
    until = parse_number(context.query.get("until"))
    if until is None or not context.now - RANGES[_RANGES[-1]].seconds < until < context.now - _STEP_SECONDS:
        return None
    return float(until - until % _ROUND_SECONDS)


@functools.lru_cache(maxsize=3 * len(_RANGES))
def _draw_once(
    team: Team,
    version: object,  # noqa: ARG001
    plot_range: PlotRange,
    minute: float,
    usd_limit: float | None,
    *,
    is_past: bool,
) -> DrawnPlots:
    week = read_rows(team)
    samples = read_minutes(team) if plot_range.name == _RANGES[0] else week
    if is_past:
        # The last hour has a sample for each minute. The time before has a sample for each ten minutes.
        samples = samples if samples and samples[0].at <= minute - plot_range.seconds else week
        week, end = [each for each in week if each.at <= minute], minute
    else:
        # The last sample may be of this minute.
        end = max([minute, *(each.at for each in samples[-1:] if each.at <= minute + _STEP_SECONDS)])
    names = dict.fromkeys(name for each in samples for name in each.workers)
    return DrawnPlots(
        draw_team_plots(samples, week, plot_range, end, usd_limit),
        {name: plots for name in names if (plots := draw_worker_plots(samples, name, plot_range, end))},
    )


@dataclass(frozen=True, slots=True)
class MemberPlots:
    """Small plots of the last hour for each worker, of its CPU and its memory, and the host's newest sample."""

    workers: Mapping[str, tuple[Markup, Markup]]
    host: TeamSample | None
    """None if the newest sample is too old."""


def read_hour(context: PageContext) -> MemberPlots:
    """Return the small plots of the last hour for the rows of the team. They are drawn once a minute for all pages."""
    minute = context.now - context.now % _STEP_SECONDS
    return _read_hour_once(context.team, samples_version(context.team), minute)


@functools.lru_cache(maxsize=2)
def _read_hour_once(team: Team, version: object, minute: float) -> MemberPlots:  # noqa: ARG001
    samples = read_minutes(team)
    end = max([minute, *(each.at for each in samples[-1:] if each.at <= minute + _STEP_SECONDS)])
    names = dict.fromkeys(name for each in samples for name in each.workers)
    is_fresh = bool(samples) and end - samples[-1].at <= 2 * _STEP_SECONDS
    drawn = {name: draw_worker_sparklines(samples, name, end) for name in names}
    return MemberPlots(drawn, samples[-1] if is_fresh else None)


def _render_plots(context: PageContext, path: str, plots: Sequence[Plot], workers: Mapping[str, Sequence[Plot]]) -> str:
    chosen = context.query.get("plot", "")
    kept = {name: context.query.get(name, "") for name in ("range", "until")}
    past = _past_of(context)
    return render(
        "plots.html",
        now_of(context),
        plots=plots,
        workers=workers,
        links={each.id: with_query(_PATH, kept, plot="" if each.id == chosen else each.id) for each in plots},
        is_large=bool(chosen) and path == _PATH,
        filters=filter_links(path, context.query, "range", _RANGES),
        past=None if past is None else datetime.fromtimestamp(past, UTC),
        steps=_link_steps(context) if path == _PATH else (),
    )


def _link_steps(context: PageContext) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return links to the ranges before and after, and to the parts of this range, in groups with a name."""
    plot_range, end = _range_of(context), _past_of(context) or context.now

    def link(until: float, name: str = plot_range.name) -> str:
        until_text = str(int(until)) if until < context.now - _STEP_SECONDS else ""
        return with_query(_PATH, context.query, range="" if name == _RANGES[0] else name, until=until_text)

    oldest = context.now - RANGES[_RANGES[-1]].seconds
    moves = [("Earlier", link(end - plot_range.seconds))] if end - plot_range.seconds > oldest else []
    if end < context.now:
        moves += [("Later", link(end + plot_range.seconds)), ("Now", link(context.now))]
    groups = [("Move", moves)]
    if plot_range.name in _CLOSER:
        name, seconds = _CLOSER[plot_range.name]
        marks = find_time_marks(replace(plot_range, tick=seconds), end)
        # A part that begins at the end is not a part of this time.
        groups.append(("Closer", [(text, link(at + seconds, name)) for at, text in marks if at < end]))
    return [each for each in groups if each[1]]


def show_worker_plots(context: PageContext, worker: str) -> str:
    """Return the plots of one worker; empty if there is no sample of it."""
    plots = _draw(context).workers.get(worker, ())
    path = address_of("team", worker)
    return render(
        "plots.html",
        now_of(context),
        plots=plots,
        workers={},
        links={each.id: "" for each in plots},
        is_large=False,
        past=None,
        steps=(),
        filters=filter_links(path, context.query, "range", _RANGES),
    )


def _show_team_plots(context: PageContext) -> str:
    return _render_plots(context, "/", _draw(context).team, {})


def _show_all_plots(context: PageContext) -> str:
    drawn, chosen = _draw(context), context.query.get("plot", "")
    if not chosen:
        return _render_plots(context, _PATH, drawn.team, drawn.workers)
    found = [each for each in drawn.team if each.id == chosen]
    if not found:
        raise UnknownPlot(f"There is no plot {chosen!r}.")
    return _render_plots(context, _PATH, found, {})


def _render_page(context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
    return render_page(context, "plot_page.html", content_of(context, _SECTION, "Plots", _PATH), regions)


TEAM_PLOTS = Region("plots", _show_team_plots)
PLOT_PAGE = Page(_PATH, _render_page, (navigation(_SECTION), Region("plots", _show_all_plots)))
