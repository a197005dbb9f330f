"""Progress messages: each question has one. It is edited at intervals, and its last state always arrives.

The hub hands out one message of a conversation at a time. So the sending of progress ends when a later message waits.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from teamsup.hub import Message, MessageHub

from ..rest_errors import Retry
from .outcome import Outcome, Sent

OVERTAKEN = Sent("overtaken")
_POLL_SECONDS = 0.1
EDIT_INTERVAL_SECONDS = 2.0


class ProgressMessages:
    """Decides when a shown message may be edited, and whether an edit is still useful."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub
        self._edited_at: dict[int, float] = {}
        self._showing: set[asyncio.Task[Outcome]] = set()

    async def show(self, message: Message, show: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Return the outcome of ``show``. End earlier when another message of the conversation waits, but complete a
        request that has reached Discord.
        """
        is_overtaken = False
        task = asyncio.create_task(_retry(show, lambda: not is_overtaken))
        self._showing.add(task)
        task.add_done_callback(self._forget)
        version = -1
        try:
            while not task.done():
                if (now := self._hub.data_version()) != version:
                    version = now
                    if await asyncio.to_thread(self._is_in_the_way, message):
                        is_overtaken = True
                        return OVERTAKEN
                await asyncio.wait((task,), timeout=_POLL_SECONDS)
            return task.result()
        except asyncio.CancelledError:
            task.cancel()
            raise

    def _forget(self, task: asyncio.Task[Outcome]) -> None:
        self._showing.discard(task)
        if not task.cancelled():
            task.exception()

    def _is_in_the_way(self, message: Message) -> bool:
        """Return whether a later message of its conversation waits. Blocks."""
        conversation, me = message.conversation_id, self._hub.agent
        return conversation is not None and bool(
            self._hub.queries.find(conversation=conversation, recipient=me, after=message.id, unread=True, limit=1)
        )

    def is_superseded(self, message: Message) -> bool:
        """Return whether there is later progress, or an answer."""
        if message.reply_to is None:
            return False
        later = self._hub.queries.find(
            reply_to=message.reply_to,
            recipient=self._hub.agent,
            message_type="status_report",
            after=message.id,
        )
        return any(each.conversation_id == message.conversation_id for each in later)

    async def wait_for_edit(self, snowflake: int) -> None:
        """Wait until the message may be edited again."""
        await asyncio.sleep(self._edited_at.get(snowflake, 0.0) + EDIT_INTERVAL_SECONDS - time.monotonic())

    def record_edit(self, snowflake: int) -> None:
        """Note an edit, so that the next edit waits."""
        now = time.monotonic()
        self._edited_at = {each: at for each, at in self._edited_at.items() if now - at < EDIT_INTERVAL_SECONDS}
        self._edited_at[snowflake] = now


async def _retry(show: Callable[[], Awaitable[Outcome]], goes_on: Callable[[], bool]) -> Outcome:
    """Retry until progress is shown. Do not return it to the hub, because the answer behind it would wait too."""
    while True:
        outcome = await show()
        if not isinstance(outcome, Retry) or not goes_on():
            return outcome
        await asyncio.sleep(outcome.seconds)
