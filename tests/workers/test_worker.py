"""What every worker does alike, in one that does nothing else."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from support import PATIENCE
from teamsup.hub import Delivery, MessageHub, StoreBusy, Team
from teamsup.hub.settings import Settings
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


def test_what_could_not_be_stored_is_tried_again_long_before_its_lease_ends(
    team: Team, join: Callable[..., MessageHub]
) -> None:
    ann = join("ann")
    with MessageHub(team, agent="echo") as hub:
        ann.enroll("echo", "daemon")
        ann.send("echo", "Hello")
        asyncio.run(asyncio.wait_for(Echo(hub, Settings(team)).run(), PATIENCE))
    assert [each.content for each in ann.waiting()] == ["Hello"]


class Broken(Worker):
    """Has registered, and cannot say any more how it is."""

    name: ClassVar[str] = "broken"
    has_registered = False

    async def handle(self, delivery: Delivery) -> None:
        raise NotImplementedError

    def details(self) -> dict[str, Any]:
        if self.has_registered:
            raise RuntimeError("out of order")
        self.has_registered = True
        return {}


def test_a_worker_ends_with_its_heartbeat(
    team: Team, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "HEARTBEAT_SECONDS", 0.01)
    with MessageHub(team, agent="broken") as hub, pytest.raises(ExceptionGroup) as ended:
        asyncio.run(asyncio.wait_for(Broken(hub, Settings(team)).run(), PATIENCE))
    assert [str(error) for error in ended.value.exceptions] == ["out of order"]
    assert not caplog.records
