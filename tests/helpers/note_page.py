"""A page and its forms that do what a test wants, in place of the pages of the team."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from teamsup.hub import CallerError
from teamsup.workers.web.page import Form, Outcome, Page, PageContext, Region, RenderedRegion
from teamsup.workers.web.static_files import asset

_PAGE = Markup("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{person}</title>
<script type="module" src="{script}"></script></head>
<body data-stream><span id="liveness"></span><div id="banner" role="alert" hidden></div>
<p id="news" aria-live="polite"></p>
<main><h1 data-past="3 things needed you">3 things need you</h1><p id="notice">{notice}</p>{regions}
<form method="post" action="/notes"><input type="hidden" name="token" value="{token}">
<textarea name="text" aria-label="Text"></textarea><button id="send">Send</button></form>
<form method="post" action="/notes" data-live><input type="hidden" name="token" value="{token}">
<input name="text" id="quick" aria-label="Quick"><button id="quick-send">Send</button><output></output></form>
<form method="post" action="/sign-out"><input type="hidden" name="token" value="{token}">
<button id="out">Sign out</button></form>
<a id="new-below" href="#send" hidden></a></main></body></html>
""")


@dataclass
class NotePage:
    """Shows what ``regions`` return at the moment, and keeps the texts that people send."""

    regions: dict[str, Callable[[], str]] = field(default_factory=dict)
    texts: list[tuple[str, str]] = field(default_factory=list)
    attributes: str = ""
    renderings: int = 0

    @property
    def pages(self) -> tuple[Page, ...]:
        regions = tuple(Region(name, lambda _, name=name: self._render_region(name)) for name in self.regions)  # type: ignore[misc]
        return (Page("/", self._render, regions), Page("/notes/{id}", self._render, regions))

    @property
    def forms(self) -> tuple[Form, ...]:
        return (Form("/notes", self._submit),)

    def _render_region(self, name: str) -> str:
        self.renderings += 1
        return self.regions[name]()

    def _render(self, context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
        shown = [
            Markup("<div {} {}>{}</div>").format(each.attributes, Markup(self.attributes), each.html)  # noqa: S704
            for each in regions.values()
        ]
        return _PAGE.format(
            person=context.viewer.name,
            script=asset("app.js"),
            notice=context.notice,
            regions=Markup("").join(shown),
            token=context.viewer.csrf_token,
        )

    def _submit(self, context: PageContext, fields: Mapping[str, str]) -> Outcome:
        text = fields.get("text", "")
        if not text:
            raise CallerError("There is nothing to send.")
        self.texts.append((context.viewer.name, text))
        return Outcome("/", f"Sent {escape(text)}.")
