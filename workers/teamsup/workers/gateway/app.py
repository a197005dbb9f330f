"""The gateway: it wires the parts, hands each delivery to the part that sends it, and stops all of them in time."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, ClassVar

from teamsup.config.loader import Config
from teamsup.config.sections import GatewaySection, TeamSection
from teamsup.hub import Delivery, MessageHub, StoreError

from ..protocol import GATEWAY
from ..worker import Worker
from .connection.client import DiscordClient
from .connection.connection import DiscordConnection
from .connection.token import BotToken
from .ids import target_channel_of
from .inbound.inbox import Inbox
from .inbound.unread_questions import POLL_SECONDS, UnreadQuestions
from .interactions.button_updates import ButtonUpdater
from .interactions.buttons import build_view
from .interactions.command_replies import CommandReplies
from .interactions.interactions import InteractionHandler
from .outbound.home_channel import HomeChannelQueue, find_home_channel_error, is_for_home_channel
from .outbound.outbox import Outbox
from .outbound.sendable_files import SendableFiles
from .reactions.reactions import ReactionUpdater

_OFFLINE_RETRY_SECONDS = 1.0
_HOME_CHECK_SECONDS = 60.0
_FINISH_SECONDS = 1.5
_DISCONNECT_SECONDS = 2.0


class DiscordGateway(Worker):
    """Brings messages of allowed people to user_comm, and its answers back into their channels."""

    name: ClassVar[str] = GATEWAY
    max_parallel: ClassVar[int] = 64

    def __init__(self, hub: MessageHub, settings: Config, token: BotToken) -> None:
        super().__init__(hub, settings)
        section = settings.section(self.name, GatewaySection)
        self._connection = DiscordConnection(
            hub, token, self._make_client, self.heartbeat, self._reporter_for("discord"), self.log
        )
        self._inbox = Inbox(hub, section, self.log)
        self._home_channel = section.home_channel
        self._command_replies = CommandReplies(hub, self.log)
        self._button_updater = ButtonUpdater(hub, self.log)
        self._interactions = InteractionHandler(
            hub, section, self.log, self._command_replies, self._button_updater, self._reporter_for("commands")
        )
        sendable = SendableFiles.from_config(hub.team, settings, token)
        self._outbox = Outbox(hub, section, sendable, self.log, build_view)
        self._home_queue = HomeChannelQueue(hub)
        self._unread_questions = UnreadQuestions(hub, settings.section("team", TeamSection).unread_seconds)
        self._reactions = ReactionUpdater(hub, self._connection.wait_until_ready, self.log)

    def presence_details(self) -> dict[str, Any]:
        return {"note": self._connection.note}

    def _reporter_for(self, cause: str) -> Callable[[str], Awaitable[None]]:
        """For a part of the gateway, to say why it cannot do its work; without a reason it can."""

        async def say(reason: str) -> None:
            await (self.degrade(cause, reason) if reason else self.recover(cause))

        return say

    async def work(self) -> None:
        parts = [asyncio.create_task(each.run()) for each in (self._connection, self._inbox, self._reactions)]
        connection = parts[0]
        besides = self._disconnect_on_stop(connection), self._watch_home_channel(), self._watch_unread_questions()
        parts += [asyncio.create_task(each) for each in besides]
        try:
            await connection
        finally:
            for each in parts:
                each.cancel()
            await asyncio.wait(parts)

    async def _disconnect_on_stop(self, connection: asyncio.Task[None]) -> None:
        """Discord is left when what was begun is said, and in time also while the hub takes nothing."""
        await self._stopping.wait()
        await asyncio.sleep(_DISCONNECT_SECONDS)
        connection.cancel()

    def _make_client(self, before_login: Callable[[], Awaitable[None]], on_ready: Callable[[], None]) -> DiscordClient:
        client = DiscordClient(before_login, on_ready)
        for listener in (*self._inbox.listeners(client), *self._interactions.listeners(client)):
            client.event(listener)
        return client

    async def _next_delivery(self, arriving: AsyncGenerator[Delivery, None]) -> Delivery | None:
        """Nothing is claimed that cannot be said yet: who takes it and is killed counts as having failed with it."""
        if self._connection.client is None:
            waits = [
                asyncio.ensure_future(each) for each in (self._connection.wait_until_ready(), self._stopping.wait())
            ]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in waits:
                each.cancel()
        return None if self._stopping.is_set() else await super()._next_delivery(arriving)

    async def handle(self, delivery: Delivery) -> None:
        channel = target_channel_of(delivery.message, self._home_channel)
        client = self._connection.client
        if channel is None:
            await self._reject_foreign(delivery)
        elif client is None:
            await self.in_thread(self.hub.release, delivery, delay=_OFFLINE_RETRY_SECONDS)
        else:
            await self._finish_or_release(self._send(client, channel, delivery), delivery)

    async def _send(self, client: DiscordClient, channel: int, delivery: Delivery) -> None:
        if await self._button_updater.send(client, delivery):
            return
        if is_for_home_channel(delivery.message):
            await self._home_queue.send_in_order(delivery, lambda: self._outbox.send(client, channel, delivery))
        elif not await self._command_replies.send(client, channel, delivery):
            await self._outbox.send(client, channel, delivery)
        if channel == self._home_channel and (why := self._outbox.rejection_of(channel)) is not None:
            await self._report_home_channel(why)

    async def _watch_unread_questions(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self._reporter_for("reading")(self._inbox.failure)
            with contextlib.suppress(StoreError):  # looked at again soon
                await self.in_thread(self._unread_questions.notify_authors)

    async def _watch_home_channel(self) -> None:
        """Notice before the first news that the home channel would not take them."""
        while self._home_channel:
            client = await self._connection.wait_until_ready()
            why = self._outbox.rejection_of(self._home_channel) or await find_home_channel_error(
                client, self._home_channel
            )
            await self._report_home_channel(why)
            await asyncio.sleep(_HOME_CHECK_SECONDS)

    async def _report_home_channel(self, why: str) -> None:
        reason = f"Discord takes nothing in the home channel {self._home_channel}: {why}. Let the bot write there."
        await self._reporter_for("home channel")(reason if why else "")

    async def _finish_or_release(self, saying: Coroutine[Any, Any, None], delivery: Delivery) -> None:
        """What is being said when the gateway has to end is given some time; then it is kept for the next one."""
        task, end = asyncio.create_task(saying), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((task, end), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await asyncio.wait((task,), timeout=_FINISH_SECONDS)
        finally:
            for each in (task, end):
                each.cancel()
            await asyncio.wait((task, end))
        if task.cancelled():
            await self.in_thread(self.hub.release, delivery)
        else:
            task.result()

    async def _reject_foreign(self, delivery: Delivery) -> None:
        message = delivery.message
        if message.recipient is None or message.reply_to is not None or message.message_type == "notification":
            await self.in_thread(self.hub.acknowledge, delivery, outcome="not for Discord")
        else:
            sentence = "I only carry messages that belong to a Discord channel."
            await self.in_thread(self.hub.reply, delivery, sentence, message_type="error")
