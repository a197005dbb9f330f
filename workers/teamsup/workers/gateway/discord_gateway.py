"""The gateway's process: it wires the parts, hands each delivery to who says it, and ends all of them in time."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar

from teamsup.hub import Delivery, MessageHub, StoreError
from teamsup.hub.sections import GatewaySection, TeamSection
from teamsup.hub.settings import Settings

from ..worker import Worker, main
from .board import Board
from .bot_token import find_token, hide_in_logs
from .command_answers import CommandAnswers
from .connection import Connection
from .decision_answers import DecisionAnswers
from .decisions import components
from .home_news import HomeNews, is_for_home, refusal_at_home
from .inbox import Inbox
from .interactions import Interactions
from .outbox import Outbox
from .sendable_files import SendableFiles
from .snowflakes import channel_for
from .unheard import LOOK_SECONDS, Unheard

if TYPE_CHECKING:
    from .client import Client

_NOT_NOW_SECONDS = 1.0
_LOOK_AT_HOME_SECONDS = 60.0
_TO_FINISH_SECONDS = 1.5
_TO_LEAVE_SECONDS = 2.0


class Gateway(Worker):
    """Brings messages of allowed people to user_comm, and its answers back into their channels."""

    name: ClassVar[str] = "gateway"
    parallel: ClassVar[int] = 64

    def __init__(self, hub: MessageHub, settings: Settings) -> None:
        super().__init__(hub, settings)
        section = settings.section(self.name, GatewaySection)
        token = find_token(section)
        hide_in_logs(token)
        self._connection = Connection(hub, token, self._make_client, self.beat, self._troubled("discord"), self.log)
        self._inbox = Inbox(hub, section, self.log)
        self._home = section.home_channel
        self._answers = CommandAnswers(hub, self.log)
        self._decided = DecisionAnswers(hub, self.log)
        self._interactions = Interactions(
            hub, section, self.log, self._answers, self._decided, self._troubled("commands")
        )
        sendable = SendableFiles.configured(hub.team, settings, token)
        self._outbox = Outbox(hub, section, sendable, self.log, components)
        self._news = HomeNews(hub)
        self._unheard = Unheard(hub, settings.section("team", TeamSection).unread_seconds)
        self._board = Board(hub, self._connection.until_ready, self.log)

    def details(self) -> dict[str, Any]:
        return {"note": self._connection.note}

    def _troubled(self, cause: str) -> Callable[[str], Awaitable[None]]:
        """For a part of the gateway, to say why it cannot do its work; without a reason it can."""

        async def say(reason: str) -> None:
            await (self.degrade(cause, reason) if reason else self.recover(cause))

        return say

    async def work(self) -> None:
        parts = [asyncio.create_task(each.run()) for each in (self._connection, self._inbox, self._board)]
        connection = parts[0]
        besides = self._leave_in_time(connection), self._watch_home(), self._tell_unheard()
        parts += [asyncio.create_task(each) for each in besides]
        try:
            await connection
        finally:
            for each in parts:
                each.cancel()
            await asyncio.wait(parts)

    async def _leave_in_time(self, connection: asyncio.Task[None]) -> None:
        """Discord is left when what was begun is said, and in time also while the hub takes nothing."""
        await self._stopping.wait()
        await asyncio.sleep(_TO_LEAVE_SECONDS)
        connection.cancel()

    def _make_client(self) -> "Client":
        # discord.py is a fifth of a second and 30 MiB: not for a gateway without a token.
        from .client import Client

        client = Client()

        for listener in (*self._inbox.listeners(client), *self._interactions.listeners(client)):
            client.event(listener)
        return client

    async def _next(self, arriving: AsyncGenerator[Delivery, None]) -> Delivery | None:
        """Nothing is claimed that cannot be said yet: who takes it and is killed counts as having failed with it."""
        if self._connection.client is None:
            waits = [asyncio.ensure_future(each) for each in (self._connection.until_ready(), self._stopping.wait())]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in waits:
                each.cancel()
        return None if self._stopping.is_set() else await super()._next(arriving)

    async def handle(self, delivery: Delivery) -> None:
        channel = channel_for(delivery.message, self._home)
        client = self._connection.client
        if channel is None:
            await self._not_for_discord(delivery)
        elif client is None:
            await self.in_thread(self.hub.release, delivery, delay=_NOT_NOW_SECONDS)
        else:
            await self._in_time(self._say(client, channel, delivery), delivery)

    async def _say(self, client: "Client", channel: int, delivery: Delivery) -> None:
        if await self._decided.say(client, delivery):
            return
        if is_for_home(delivery.message):
            await self._news.in_order(delivery, lambda: self._outbox.say(client, channel, delivery))
        elif not await self._answers.say(client, channel, delivery):
            await self._outbox.say(client, channel, delivery)
        if channel == self._home and (why := self._outbox.refusal(channel)) is not None:
            await self._tell_of_home(why)

    async def _tell_unheard(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._troubled("reading")(self._inbox.trouble)
            with contextlib.suppress(StoreError):  # looked at again soon
                await self.in_thread(self._unheard.look)

    async def _watch_home(self) -> None:
        """Notice before the first news that the home channel would not take them."""
        while self._home:
            client = await self._connection.until_ready()
            why = self._outbox.refusal(self._home) or await refusal_at_home(client, self._home)
            await self._tell_of_home(why)
            await asyncio.sleep(_LOOK_AT_HOME_SECONDS)

    async def _tell_of_home(self, why: str) -> None:
        reason = f"Discord takes nothing in the home channel {self._home}: {why}. Let the bot write there."
        await self._troubled("home channel")(reason if why else "")

    async def _in_time(self, saying: Coroutine[Any, Any, None], delivery: Delivery) -> None:
        """What is being said when the gateway has to end is given some time; then it is kept for the next one."""
        task, end = asyncio.create_task(saying), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((task, end), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await asyncio.wait((task,), timeout=_TO_FINISH_SECONDS)
        finally:
            for each in (task, end):
                each.cancel()
            await asyncio.wait((task, end))
        if task.cancelled():
            await self.in_thread(self.hub.release, delivery)
        else:
            task.result()

    async def _not_for_discord(self, delivery: Delivery) -> None:
        message = delivery.message
        if message.recipient is None or message.reply_to is not None or message.message_type == "notification":
            await self.in_thread(self.hub.acknowledge, delivery, outcome="not for Discord")
        else:
            sentence = "I only carry messages that belong to a Discord channel."
            await self.in_thread(self.hub.reply, delivery, sentence, message_type="error")


if __name__ == "__main__":
    main(Gateway)
