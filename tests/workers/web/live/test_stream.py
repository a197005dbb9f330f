"""Server-sent events for one page."""

import asyncio

from helpers.support import TIMEOUT_SECONDS
from teamsup.workers.web.live.stream import Stream


async def take(stream: Stream, count: int, beat_seconds: float = TIMEOUT_SECONDS) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(TIMEOUT_SECONDS):
        async for event in stream.events(lambda: 12.5, beat_seconds):
            found.append(event.decode())
            if len(found) == count:
                break
    return found


async def test_a_slow_page_gets_only_the_newest_version_of_a_region() -> None:
    stream = Stream()
    for number in range(1000):
        stream.report("team", f"v{number}")
    stream.report("needs", "n1")
    assert await take(stream, 2) == [
        'event: region\ndata: {"now":12.5,"id":"team","version":"v999"}\n\n',
        'event: region\ndata: {"now":12.5,"id":"needs","version":"n1"}\n\n',
    ]


async def test_the_whole_state_replaces_what_was_not_sent_yet() -> None:
    stream = Stream()
    stream.report("team", "v1")
    stream.report_trouble("The disk is away.")
    stream.report_all({"team": "v2"})
    assert await take(stream, 1) == ['event: whole\ndata: {"now":12.5,"regions":{"team":"v2"}}\n\n']


async def test_a_trouble_replaces_what_was_not_sent_yet() -> None:
    stream = Stream()
    stream.report_all({"team": "v1"})
    stream.report("team", "v2")
    stream.report_trouble("The disk is away.")
    assert await take(stream, 1) == ['event: trouble\ndata: {"now":12.5,"sentence":"The disk is away."}\n\n']


async def test_without_news_a_comment_and_the_time_show_that_the_connection_is_alive() -> None:
    assert await take(Stream(), 2, beat_seconds=0.001) == [': beat\nevent: beat\ndata: {"now":12.5}\n\n'] * 2


async def test_a_line_break_in_a_sentence_does_not_end_an_event() -> None:
    stream = Stream()
    stream.report_trouble("one\n\nevent: whole\ndata: {}\n\n")
    (event,) = await take(stream, 1)
    assert event.count("\n\n") == 1
