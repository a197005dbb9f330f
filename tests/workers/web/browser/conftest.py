"""A browser for all tests of a process, because one takes seconds to start."""

from collections.abc import Iterator

import pytest

from helpers.browser import WHY_NO_BROWSER, Browser, open_browser
from helpers.note_page import NotePage
from helpers.page_server import ServedPages, WebProcess, served_pages, web_process
from teamsup.hub import MessageHub, Team
from teamsup.workers.web.sections import WebSection


@pytest.fixture(scope="session")
def shared_browser() -> Iterator[Browser]:
    if WHY_NO_BROWSER:
        pytest.skip(WHY_NO_BROWSER)
    with open_browser() as browser:
        yield browser


@pytest.fixture
def browser(shared_browser: Browser) -> Iterator[Browser]:
    """A browser that has visited nothing."""
    shared_browser.reset()
    yield shared_browser
    shared_browser.reset()


@pytest.fixture
def web(team: Team) -> Iterator[WebProcess]:
    """The page of a team, as a process without a supervisor."""
    with web_process(team) as process:
        yield process


@pytest.fixture
def notes() -> NotePage:
    """A page that shows what the test wants."""
    return NotePage({"team": lambda: "<b id='word'>all well</b>"})


@pytest.fixture
def served(hub: MessageHub, notes: NotePage) -> Iterator[ServedPages]:
    """That page, served by a thread of the test."""
    with served_pages(hub, WebSection(), notes.pages, notes.forms) as served:
        yield served
