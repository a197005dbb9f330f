"""A page that asks before an action that ends something. It names the consequences, and works without a script."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..page import Page, PageContext, RenderedRegion
from .page_content import content_of, navigation, render_page


@dataclass(frozen=True, slots=True)
class ActionQuestion:
    """The question to a person. ``consequences`` are sentences. ``button`` is the name of the action, not "OK"."""

    section: str
    title: str
    consequences: tuple[str, ...]
    address: str
    button: str
    back: str
    quoted: str = ""
    """The text of another person or agent that the question is about."""
    text_label: str = ""
    """The label of the text that the person must write; empty if no text is needed."""
    version: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    is_grave: bool = True
    """Whether the action removes or ends something."""
    is_for_all: bool = False
    """Whether people who may only look may do this too."""


def ask_page(route: str, section: str, ask: Callable[[PageContext], ActionQuestion]) -> Page:
    """Return the page that asks the question of ``ask``."""

    def show(context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
        question = ask(context)
        head = content_of(context, question.section, question.title, question.back)
        return render_page(context, "confirm.html", head, regions, question=question)

    return Page(route, show, (navigation(section),))
