"""A page: its address, the regions that follow the team, and the forms that change something."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from teamsup.hub import MessageHub, Team

REGION_QUERY = "region"
"""The key of a query that asks for the content of one region."""
_EVIDENCE = re.compile(r"<(time|data)\b.*?</\1>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person at a browser. The page hides actions that they may not take, and the server refuses them."""

    name: str
    may_act: bool
    csrf_token: str
    """The hidden field ``token`` of every form."""
    session: str = ""
    """The id of their session."""


@dataclass(frozen=True, slots=True)
class PageContext:
    """The input of a page. ``path`` contains the parts of its address by name, and ``query`` the filters."""

    hub: MessageHub
    team: Team
    viewer: Viewer
    path: Mapping[str, str]
    query: Mapping[str, str]
    now: float
    """Unix seconds."""
    notice: str = ""
    """A sentence about the last form that this person has sent, or an empty text."""


@dataclass(frozen=True)
class RenderedRegion:
    """The content of a region at one moment."""

    id: str
    html: Markup

    @cached_property
    def version(self) -> str:
        """A digest of the content: the same content has the same version, also after a restart of the worker."""
        return _digest(self.html)

    @cached_property
    def meaning(self) -> str:
        """A digest without the evidence, which is the ages in <time> and the figures in <data>."""
        return _digest(_EVIDENCE.sub("", self.html))

    @property
    def attributes(self) -> Markup:
        """The attributes of the element that holds the region."""
        return Markup('id="{}" data-region data-version="{}"').format(self.id, self.version)


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a page that is replaced when it changes. ``render`` returns the content of its element."""

    id: str
    render: Callable[[PageContext], str]

    def show(self, context: PageContext) -> RenderedRegion:
        """Return the present content of the region."""
        return RenderedRegion(self.id, Markup(self.render(context)))  # noqa: S704 - a template has escaped it


@dataclass(frozen=True, slots=True)
class Page:
    """A page at ``route``, such as "/runs/{number}". ``render`` gets the content of its regions by id."""

    route: str
    render: Callable[[PageContext, Mapping[str, RenderedRegion]], str]
    regions: tuple[Region, ...] = ()

    def find_region(self, region: str) -> Region | None:
        """Return the page's region with this id."""
        return next((each for each in self.regions if each.id == region), None)

    def show(self, context: PageContext) -> str:
        """Return the whole page now."""
        return self.render(context, {region.id: region.show(context) for region in self.regions})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a form: the address to show next, and a sentence about the result."""

    address: str
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A change that a person asks for, by POST to ``route``. ``submit`` gets the fields of the form.

    If ``submit`` raises a CallerError, the person sees its text.
    """

    route: str
    submit: Callable[[PageContext, Mapping[str, str]], Outcome]
    is_for_all: bool = False
    """Whether people who may only look may send the form too."""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
