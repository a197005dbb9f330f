"""What every worker does alike, in one that does nothing else."""

import asyncio
from collections.abc import Callable
from typing import ClassVar

from support import PATIENCE
from teamsup.hub import Delivery, MessageHub, StoreBusy, Team
from teamsup.hub.settings import Settings
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
