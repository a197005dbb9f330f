"""The pages of the team. Each module has its views, which are pure, and its pages."""

from ..page import Form, Page
from .conversation_pages import CONVERSATION_FORMS, CONVERSATION_PAGES
from .dead_letter_pages import CHOSEN_FORM, CHOSEN_PAGE
from .entry_pages import SourcePages
from .log_page import LOG_PAGE
from .page_content import listed_sources
from .plot_pages import PLOT_PAGE
from .search_page import SEARCH_PAGE
from .session_page import SESSION_FORMS, SESSION_PAGES
from .team_page import TEAM_FORMS, TEAM_PAGES

_SOURCES = tuple(SourcePages(source) for source in listed_sources())

PAGES: tuple[Page, ...] = (
    *TEAM_PAGES,
    *CONVERSATION_PAGES,
    PLOT_PAGE,
    SEARCH_PAGE,
    LOG_PAGE,
    *SESSION_PAGES,
    CHOSEN_PAGE,
    *(page for source in _SOURCES for page in source.pages),
)
FORMS: tuple[Form, ...] = (
    *TEAM_FORMS,
    *CONVERSATION_FORMS,
    CHOSEN_FORM,
    *SESSION_FORMS,
    *(form for source in _SOURCES for form in source.forms),
)
