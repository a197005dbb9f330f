"""What every worker does alike, in one that does nothing else."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from helpers.support import TIMEOUT_SECONDS, eventually
from teamsup.config.loader import Config
from teamsup.hub import Delivery, MessageHub, StoreBusy, Team
from teamsup.workers import worker
from teamsup.workers.worker import Worker


class Echo(Worker):
    """Ends with its first answer; before that the store was busy once."""

    name: ClassVar[str] = "echo"
    was_busy = False

    async def handle(self, delivery: Delivery) -> None:
        if not self.was_busy:
            self.was_busy = True
            raise StoreBusy("The store is held by another program.")
        self.hub.reply(delivery, delivery.message.content)
        self._stopping.set()


async def test_a_delivery_that_meets_a_busy_store_is_tried_again_long_before_its_lease_ends(
    team: Team, join: Callable[..., MessageHub]
) -> None:
    ann = join("ann")
    with MessageHub(team, agent="echo") as hub:
        ann.enroll("echo", "daemon")
        ann.send("echo", "Hello")
        await asyncio.wait_for(Echo(hub, Config(team)).run(), TIMEOUT_SECONDS)
    assert [each.content for each in ann.queries.peek()] == ["Hello"]


class Broken(Worker):
    """Has registered, and cannot say any more how it is."""

    name: ClassVar[str] = "broken"
    has_registered = False

    async def handle(self, delivery: Delivery) -> None:
        raise NotImplementedError

    def presence_details(self) -> dict[str, Any]:
        if self.has_registered:
            raise RuntimeError("out of order")
        self.has_registered = True
        return {}


async def test_a_worker_ends_with_its_heartbeat(
    team: Team, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "HEARTBEAT_SECONDS", 0.01)
    with MessageHub(team, agent="broken") as hub, pytest.raises(ExceptionGroup) as ended:
        await asyncio.wait_for(Broken(hub, Config(team)).run(), TIMEOUT_SECONDS)
    assert [str(error) for error in ended.value.exceptions] == ["out of order"]
    assert not caplog.records


class Feed(Worker):
    """Does what it is written: loses its feed, has it again, or ends."""

    name: ClassVar[str] = "feed"

    async def handle(self, delivery: Delivery) -> None:
        match delivery.message.content:
            case "lose":
                await self.degrade("feed", "The feed is closed.")
            case "lose the port too":
                await self.degrade("port", "Port 9095 is taken.")
            case "find the feed":
                await self.recover("feed")
            case "find the port":
                await self.recover("port")
                await self.recover("port")
            case "end":
                self._stopping.set()
        self.hub.acknowledge(delivery)

    def presence_details(self) -> dict[str, Any]:
        return {"note": "3 quotes a second"}


async def test_a_worker_says_at_once_what_it_cannot_do_and_that_it_can_again(
    team: Team, join: Callable[..., MessageHub]
) -> None:
    ann = join("ann")
    ann.enroll("feed", "daemon")
    seen = []

    with MessageHub(team, agent="feed") as hub:
        running = asyncio.create_task(Feed(hub, Config(team)).run())
        for words in ("lose", "lose the port too", "find the feed", "find the port", "end"):
            message = await asyncio.to_thread(ann.send, "feed", words)
            await asyncio.to_thread(eventually, lambda of=message: ann.queries.trace(of.message_id)[0].done_at, words)
            feed = ann.find_agent("feed")
            assert feed is not None
            seen.append((feed.status, feed.note))
        await asyncio.wait_for(running, TIMEOUT_SECONDS)

    assert seen[:4] == [
        ("degraded", "The feed is closed."),
        ("degraded", "The feed is closed. Port 9095 is taken."),
        ("degraded", "Port 9095 is taken."),
        ("online", "3 quotes a second"),
    ]


async def test_a_worker_that_cannot_read_its_mailbox_is_degraded_until_it_can(
    team: Team, join: Callable[..., MessageHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(worker, "_PAUSE_SECONDS", 0.01)
    ann = join("ann")

    async def said(status: str) -> str:
        def note() -> str:
            feed = ann.find_agent("feed")
            return feed.note if feed is not None and feed.status == status else ""

        return await asyncio.to_thread(eventually, note, f"a feed that is {status}")

    with MessageHub(team, agent="feed") as hub:
        listen, broken = hub.listen_async, [True]

        def listen_unless_broken(**options: Any) -> Any:  # noqa: ANN401 - those of the hub
            if broken:
                raise StoreBusy("The store is held by another program.")
            return listen(**options)

        monkeypatch.setattr(hub, "listen_async", listen_unless_broken)
        running = asyncio.create_task(Feed(hub, Config(team)).run())
        notes = [await said("degraded")]
        broken.clear()
        notes.append(await said("online"))
        ann.send("feed", "end")
        await asyncio.wait_for(running, TIMEOUT_SECONDS)

    assert notes == ["Cannot read its mailbox: The store is held by another program.", "3 quotes a second"]
