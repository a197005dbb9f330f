"""Search in the texts of all messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

from teamsup.hub import Message, TeamsupError, UnknownMessage
from teamsup.terminal.formatting import sanitize

from ..page import Page, PageContext, RenderedRegion
from .conversation_pages import title_of
from .page_content import address_of, agents_of, content_of, navigation, render_page
from .views.message_views import author_of

FOUND_AT_MOST = 50
_AROUND = 110
_NUMBER = re.compile(r"#?\d{1,18}")


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One message that was found."""

    address: str
    author: str
    where: str
    at: datetime | None
    text: Markup


def highlight(text: str, words: str) -> Markup:
    """Return the escaped part of a text around the first of these words. Mark all of the words. Pure."""
    line = " ".join(sanitize(text).split())
    pattern = re.compile("|".join(re.escape(word) for word in words.split()) or r"\Z\A", re.IGNORECASE)
    first = pattern.search(line)
    start = max(0, first.start() - _AROUND) if first else 0
    part = line[start : start + 3 * _AROUND]
    marked, last = [], 0
    for match in pattern.finditer(part):
        marked += [escape(part[last : match.start()]), Markup("<mark>{}</mark>").format(match[0])]
        last = match.end()
    before, after = "…" if start else "", "…" if len(line) > start + len(part) else ""
    return Markup().join([before, *marked, escape(part[last:]), after])


def message_address(message: Message) -> str:
    """Return the address of a message in its conversation, or among all messages."""
    path = "/messages" if message.conversation_id is None else address_of("conversations", message.conversation_id)
    return f"{path}?before={message.id + 1}#m{message.id}"


def _search(context: PageContext, words: str) -> tuple[list[SearchResult], str]:
    """Return the results, and a sentence if the search failed."""
    queries, trouble = context.hub.queries, ""
    found: list[Message] = []
    try:
        if _NUMBER.fullmatch(words):
            found.append(queries.message(words))
    except UnknownMessage:
        pass
    try:
        found += [each for each in queries.search(words, limit=FOUND_AT_MOST) if each not in found]
    except TeamsupError as error:
        trouble = str(error)
    agents = agents_of(context)
    hits = [
        SearchResult(
            message_address(each),
            author_of(each, agents)[0],
            title_of(each.conversation_id) if each.conversation_id else f"to {each.recipient or 'all'}",
            each.created_at,
            highlight(each.content, words),
        )
        for each in found
    ]
    return hits, trouble


def _render(context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
    words = context.query.get("q", "").strip()
    hits, trouble = _search(context, words) if words else ([], "")
    head = content_of(context, "search", f"Search: {words}" if words else "Search", "/search", words)
    return render_page(
        context, "search.html", head, regions, hits=hits, trouble=trouble, words=words, most=FOUND_AT_MOST
    )


SEARCH_PAGE = Page("/search", _render, (navigation("search"),))
