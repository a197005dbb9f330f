"""The order of one channel: one event after another, and what was missed between those before and after the gap."""

import asyncio

from teamsup.workers.gateway.inbound.channel_queue import ChannelQueue, stop_queues


async def test_missed_events_come_between_those_received_before_and_after() -> None:
    session, done = 1, list[str]()
    gate = asyncio.Event()

    async def take(thing: str) -> None:
        await gate.wait()
        done.append(thing)

    async def catch_up() -> None:
        done.append(f"missed before {session}")

    queue = ChannelQueue[str](lambda: session, take, catch_up)
    for thing in ("a", "b"):
        queue.put(thing)
    await asyncio.sleep(0)
    session = 3
    queue.put("c")
    queue.request_catch_up()
    queue.put("d")
    gate.set()
    await stop_queues([queue], 5)
    queue.request_catch_up()
    queue.put("e")
    await stop_queues([queue], 5)
    queue.put("f")
    await stop_queues([queue], 5)
    assert done == [
        "missed before 1", "a", "b", "missed before 3", "c", "d", "missed before 3", "e", "f",
    ]  # fmt: skip


async def test_a_channel_that_has_missed_nothing_is_not_looked_at() -> None:
    done: list[str] = []

    async def take(thing: str) -> None:
        done.append(thing)

    async def catch_up() -> None:
        done.append("missed")

    queue = ChannelQueue[str](lambda: 2, take, catch_up)
    queue.mark_caught_up(2)
    queue.put("a")
    await stop_queues([queue], 5)
    assert done == ["a"]


async def test_an_end_does_not_wait_forever() -> None:
    async def never(_: str) -> None:
        await asyncio.Event().wait()

    async def catch_up() -> None:
        pass

    queue = ChannelQueue[str](lambda: 1, never, catch_up)
    queue.put("a")
    await stop_queues([queue], 0.01)
    assert queue.is_idle
