"""A worker that does nothing, to compare others with."""

from typing import ClassVar

from teamsup.hub import Delivery
from teamsup.workers.worker import Worker, main


class IdleWorker(Worker):
    """Waits for messages, and gets none."""

    name: ClassVar[str] = "idle"

    async def handle(self, delivery: Delivery) -> None:
        """There is nothing to do."""


if __name__ == "__main__":
    main(IdleWorker)
