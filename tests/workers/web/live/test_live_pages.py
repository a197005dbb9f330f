"""What open pages learn, and what it costs."""

import asyncio
import logging
import threading
from collections.abc import Callable

import pytest
from markupsafe import Markup

from helpers.support import TIMEOUT_SECONDS
from teamsup.hub import StoreError
from teamsup.workers.web.live import open_page
from teamsup.workers.web.live.live_pages import MAX_CREDIT_SECONDS, MAX_SHARE, LivePages, RenderingBudget
from teamsup.workers.web.live.open_page import EVIDENCE_SECONDS, is_due
from teamsup.workers.web.live.stream import Stream
from teamsup.workers.web.page import RenderedRegion

LOG = logging.getLogger("web")


class World:
    """What the pages show; ``change`` is a commit."""

    def __init__(self) -> None:
        self.html = "first"
        self.version = 0
        self.looks = 0
        self.failure: Exception | None = None

    def find_change(self) -> object:
        self.looks += 1
        return self.version

    def render(self) -> dict[str, RenderedRegion]:
        if self.failure is not None:
            raise self.failure
        return {"team": shown(self.html), "plots": shown("still")}

    def change(self, html: str = "", failure: Exception | None = None) -> None:
        self.html, self.failure = html or self.html, failure
        self.version += 1


def shown(html: str) -> RenderedRegion:
    return RenderedRegion("team", Markup(html))  # noqa: S704 - of a test


async def events_of(stream: Stream, count: int, beat_seconds: float = TIMEOUT_SECONDS) -> list[str]:
    """The next events, without their times."""
    found: list[str] = []
    async with asyncio.timeout(TIMEOUT_SECONDS):
        async for event in stream.events(lambda: 0, beat_seconds):
            found.append(event.decode())
            if len(found) == count:
                break
    return found


async def test_a_page_gets_the_whole_state_and_then_only_what_has_changed() -> None:
    world = World()
    live = LivePages(world.find_change, LOG)
    async with live.follow("page", world.render) as stream:
        (whole,) = await events_of(stream, 1)
        assert whole.startswith("event: whole\n")
        assert shown("first").version in whole
        world.change("second")
        (event,) = await events_of(stream, 1)
        assert event.startswith("event: region\n")
        assert f'"id":"team","version":"{shown("second").version}"' in event


async def test_a_second_window_of_the_same_page_gets_the_whole_state_too() -> None:
    world = World()
    live = LivePages(world.find_change, LOG)
    async with live.follow("page", world.render) as one:
        await events_of(one, 1)
        world.change("second")
        await events_of(one, 1)
        async with live.follow("page", world.render) as other:
            (whole,) = await events_of(other, 1)
            assert shown("second").version in whole
            assert live.count == 2
            world.change("third")
            for stream in (one, other):
                assert shown("third").version in (await events_of(stream, 1))[0]


async def test_nothing_is_looked_at_while_no_page_is_open() -> None:
    world, before = World(), asyncio.all_tasks()
    live = LivePages(world.find_change, LOG)
    async with live.follow("page", world.render) as stream:
        await events_of(stream, 1)
        world.change("second")
        await events_of(stream, 1)
    looks = world.looks
    for _ in range(10):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert (live.count, world.looks) == (0, looks)


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (StoreError("The disk is away."), "The disk is away."),
        (RuntimeError("detail"), "This page cannot be rendered: RuntimeError."),
    ],
)
async def test_a_page_learns_that_its_state_is_not_known_and_when_it_is_again(
    failure: Exception, sentence: str
) -> None:
    world = World()
    live = LivePages(world.find_change, LOG)
    async with live.follow("page", world.render) as stream:
        await events_of(stream, 1)
        assert live.find_region("page", "team") is not None
        world.change(failure=failure)
        (trouble,) = await events_of(stream, 1)
        assert trouble.startswith("event: trouble\n")
        assert sentence in trouble
        assert live.find_region("page", "team") is None, "what was known before is not shown as known"
        world.change()
        (whole,) = await events_of(stream, 1)
        assert whole.startswith("event: whole\n")


async def test_a_page_that_is_opened_in_trouble_learns_it_at_once() -> None:
    world = World()
    world.failure = StoreError("The disk is away.")
    live = LivePages(world.find_change, LOG)
    async with live.follow("page", world.render) as stream:
        assert (await events_of(stream, 1))[0].startswith("event: trouble\n")


async def test_a_hub_that_cannot_be_asked_is_a_change_too() -> None:
    world = World()
    ask: list[Callable[[], object]] = [world.find_change]
    live = LivePages(lambda: ask[0](), LOG)

    def fail() -> object:
        raise StoreError("The folder is away.")

    async with live.follow("page", world.render) as stream:
        await events_of(stream, 1)
        world.failure, ask[0] = StoreError("The folder is away."), fail
        assert (await events_of(stream, 1))[0].startswith("event: trouble\n")
        world.failure, ask[0] = None, world.find_change
        assert (await events_of(stream, 1))[0].startswith("event: whole\n")


async def test_all_streams_end_with_the_worker() -> None:
    world = World()
    live = LivePages(world.find_change, LOG)
    async with live.follow("page", world.render) as stream:
        live.close()
        assert [event async for event in stream.events(lambda: 0)] == []
        async with live.follow("other", world.render) as late:
            assert [event async for event in late.events(lambda: 0)] == []


def test_a_change_is_due_at_once_and_evidence_later() -> None:
    first, other = shown("<b>runs</b> <time>1 s</time>"), shown("<b>hangs</b> <time>1 s</time>")
    older = shown("<b>runs</b> <time>2 s</time>")
    assert is_due(first, other, 0.0)
    assert not is_due(first, older, EVIDENCE_SECONDS - 0.1)
    assert is_due(first, older, EVIDENCE_SECONDS)
    assert not is_due(first, first, 100.0)


def test_few_changes_are_rendered_at_once_and_many_keep_within_their_share() -> None:
    budget = RenderingBudget(0.0)
    assert budget.seconds_to_rest(0.0, 0.05) == 0
    now = spent = 0.05
    for _ in range(200):
        rest = budget.seconds_to_rest(now, now + 0.05)
        now, spent = now + 0.05 + rest, spent + 0.05
    assert spent <= MAX_CREDIT_SECONDS + now * MAX_SHARE + 0.05
    assert budget.seconds_to_rest(now + 60, now + 60.05) == 0


async def test_a_page_whose_rendering_does_not_end_says_so_instead_of_looking_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_page, "STUCK_SECONDS", 0.0)
    world, hangs, goes_on = World(), threading.Event(), threading.Event()

    def render() -> dict[str, RenderedRegion]:
        if hangs.is_set():
            assert goes_on.wait(TIMEOUT_SECONDS)
        return world.render()

    live = LivePages(world.find_change, LOG)
    async with live.follow("page", render) as stream:
        await events_of(stream, 1)
        hangs.set()
        world.change("second")
        (trouble,) = await events_of(stream, 1, beat_seconds=0.001)
        assert trouble.startswith("event: trouble\n")
        assert "could not be read" in trouble
        assert live.find_region("page", "team") is None
        goes_on.set()
        (whole,) = await events_of(stream, 1)
        assert whole.startswith("event: whole\n")
        assert shown("second").version in whole
