"""The common parts of all pages: their head, the navigation with its counts, and the sources of entries."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from teamsup.config.components import entry_sources
from teamsup.config.entries import EntrySource
from teamsup.hub import Agent, MessageHub
from teamsup.status.team_status import TeamStatus, read_team_status

from ..page import PageContext, Region, RenderedRegion, Viewer
from .rendering import render
from .views.dead_letters import DeadLetterSource
from .views.participants import TeamMember, describe_participants

_SHARED = 4
"""The maximum number of pages that are rendered at the same time. Each shows its own moment."""


@dataclass(frozen=True, slots=True)
class SectionLink:
    """A page in the navigation. ``count`` is the number of open tasks on it, and ``meaning`` names them. ``count`` is
    None if the source cannot be read.
    """

    section: str
    label: str
    address: str
    count: int | None = 0
    meaning: str = "open"
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class FilterLink:
    """One value of a filter. Filters are in the address of a list."""

    label: str
    address: str
    is_current: bool
    count: int | None = None


@dataclass(frozen=True, slots=True)
class PageContent:
    """The head of a page. A form returns to ``address``."""

    team: str
    section: str
    title: str
    address: str
    viewer: Viewer
    notice: str
    words: str = ""
    """The words of the search."""


def now_of(context: PageContext) -> datetime:
    """Return the moment that the page shows."""
    return datetime.fromtimestamp(context.now, UTC)


def agents_of(context: PageContext) -> Mapping[str, Agent]:
    """Return all agents by name. The regions of a page share one read."""
    return _read_agents(context.hub, context.now)


@functools.lru_cache(maxsize=_SHARED)
def _read_agents(hub: MessageHub, _moment: float) -> Mapping[str, Agent]:
    return {agent.name: agent for agent in hub.agents()}


def members_of(context: PageContext) -> tuple[TeamStatus, list[TeamMember]]:
    """Return the state of the team, and its members. The regions of a page share one read. Raise StoreError."""
    return _read_members(context.hub, context.now)


@functools.lru_cache(maxsize=_SHARED)
def _read_members(hub: MessageHub, moment: float) -> tuple[TeamStatus, list[TeamMember]]:
    status = read_team_status(hub.team, hub)
    if status.trouble is not None:
        raise status.trouble
    return status, describe_participants(status, datetime.fromtimestamp(moment, UTC))


def content_of(context: PageContext, section: str, title: str, path: str, words: str = "") -> PageContent:
    """Return the head of a page at this path. Its address keeps the filters of the request."""
    address = with_query(path, context.query)
    return PageContent(context.team.name, section, title, address, context.viewer, context.notice, words)


def render_page(
    context: PageContext,
    template: str,
    head: PageContent,
    regions: Mapping[str, RenderedRegion],
    **values: Any,  # noqa: ANN401 - what the template names
) -> str:
    """Return a whole page."""
    return render(template, now_of(context), page=head, regions=regions, **values)


def with_query(path: str, query: Mapping[str, str], **changes: str) -> str:
    """Return an address with these filters. Leave out empty filters."""
    kept = {key: value for key, value in {**query, **changes}.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path


def address_of(*parts: str) -> str:
    """Return the path of these parts, each escaped."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def filter_links(
    path: str, query: Mapping[str, str], name: str, values: Sequence[str], labels: Mapping[str, str] | None = None
) -> list[FilterLink]:
    """Return a link for each value of a filter. The first value is the default, which an address does not contain."""
    current = query.get(name) or values[0]
    names = labels or {}
    kept = {key: value for key, value in query.items() if key not in (name, "before")}
    return [
        FilterLink(
            names.get(value, value[:1].upper() + value[1:]),
            with_query(path, kept, **{name: "" if value == values[0] else value}),
            value == current,
        )
        for value in values
    ]


@functools.cache
def all_sources() -> Mapping[str, EntrySource]:
    """Return the sources of all installed components and of web, by their kinds, in the order of the navigation."""
    return {source.kind: source for source in (*entry_sources(), DeadLetterSource())}


def listed_sources() -> list[EntrySource]:
    """Return the sources that have a list. The other sources only report tasks."""
    return [source for source in all_sources().values() if source.title]


def _section_links(context: PageContext) -> list[SectionLink]:
    unread = agents_of(context).get(reader_of(context.viewer))
    links = [
        SectionLink("team", "Team", "/"),
        SectionLink("conversations", "Conversations", "/conversations", unread.unread if unread else 0, "unread"),
    ]
    for source in listed_sources():
        count, is_bad = _count_open(source, context.hub), source.kind in ("incident", "dead-letter")
        links.append(SectionLink(source.address.strip("/"), source.title, source.address, count, "open", is_bad))
    return [*links, SectionLink("plots", "Plots", "/plots"), SectionLink("logs", "Logs", "/logs")]


def _count_open(source: EntrySource, hub: MessageHub) -> int | None:
    try:
        return source.count_open(hub)
    except Exception:
        # The component has a bug, or an older table. "Needs you" names the component. The pages of other components
        # must work.
        return None


def reader_of(viewer: Viewer) -> str:
    """Return the agent for which a viewer writes and reads: the console that the same person has in a terminal."""
    return f"console-{viewer.name}"


def navigation(section: str) -> Region:
    """Return the region with the pages, and the number of open tasks on each."""

    def show(context: PageContext) -> str:
        links = _section_links(context)
        return render("navigation.html", now_of(context), links=links, section=section)

    return Region("sections", show)
