"""The gateway: it connects its parts, passes each delivery to the part that sends it, and stops all parts in time."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, ClassVar

from teamsup.config.loader import Config
from teamsup.config.sections import TeamSection
from teamsup.hub import Delivery, Message, MessageHub, StoreError, UnknownMessage, UnknownRecipient
from teamsup.hub.models import HUB_SENDER

from ..protocol import GATEWAY, NOT_FOR_DISCORD, PAIRED_KEY
from ..worker import Worker
from .access.pairing import paired_user_ids
from .component import GatewaySection
from .connection.address_ban import AddressBan
from .connection.client import DiscordClient
from .connection.connection import DiscordConnection
from .connection.discord_clock import DiscordClock
from .connection.token import BotToken
from .inbound.inbox import Inbox
from .inbound.unread_questions import POLL_SECONDS, UnreadQuestions
from .interactions.button_updates import ButtonUpdater
from .interactions.command_replies import CommandReplies
from .interactions.interactions import InteractionHandler
from .outbound.files.sendable_files import SendableFiles
from .outbound.home_channel import HomeChannelQueue, find_home_channel_error
from .outbound.kinds import OutboundKind, is_progress, kind_of, target_channel_of
from .outbound.outbox import Outbox
from .outbound.outcome import Outcome, Rejected, Replanned, Sent
from .outbound.progress import ProgressMessages
from .reactions.reactions import ReactionUpdater
from .rest_errors import Retry
from .tables.chunk_table import ChunkTable, SentNonces

FOREIGN_MESSAGE = "I only send messages that belong to a Discord channel."
_OFFLINE_RETRY_SECONDS = 1.0
_HOME_CHECK_SECONDS = 60.0
_FINISH_SECONDS = 1.5
_DISCONNECT_SECONDS = 2.0


class DiscordGateway(Worker):
    """Bring messages of admitted people to user_comm, and its answers back into their channels."""

    name: ClassVar[str] = GATEWAY
    max_parallel: ClassVar[int] = 64

    def __init__(self, hub: MessageHub, settings: Config, token: BotToken) -> None:
        super().__init__(hub, settings)
        section = settings.section(self.name, GatewaySection)
        self._clock = DiscordClock()
        self._ban = AddressBan()
        self._reported_skew = ""
        self._connection = DiscordConnection(
            hub, token, self._make_client, self.heartbeat, functools.partial(self.report_state, "discord"), self.log
        )
        self._paired_ids: frozenset[int] = frozenset()
        nonces = SentNonces()
        self._inbox = Inbox(hub, section, self.log, self._clock, nonces)
        self._home_channel = section.home_channel
        self._command_replies = CommandReplies(hub, self.log, link_previews=section.link_previews)
        self._button_updater = ButtonUpdater(hub, self.log)
        self._interactions = InteractionHandler(
            hub,
            section,
            self.log,
            self._command_replies,
            self._button_updater,
            functools.partial(self.report_state, "commands"),
        )
        sendable = SendableFiles.from_config(hub.team, settings, token)
        self._chunks = ChunkTable(hub, self._clock.now, nonces)
        self._progress = ProgressMessages(hub)
        self._outbox = Outbox(hub, section, sendable, self._chunks, self.log, self._clock.now, self._progress)
        self._home_queue = HomeChannelQueue(hub)
        self._unread_questions = UnreadQuestions(hub, settings.section("team", TeamSection).unread_seconds)
        self._reactions = ReactionUpdater(hub, self._connection.wait_until_ready, self.log, self._clock.now)

    def presence_details(self) -> dict[str, Any]:
        note = "; ".join(filter(None, (self._connection.note, self._clock.describe_skew())))
        return {"note": note, PAIRED_KEY: sorted(self._paired_ids)}

    async def heartbeat(self) -> None:
        with contextlib.suppress(StoreError):  # after an error the details of the last heartbeat stay
            self._paired_ids = await self.in_thread(paired_user_ids, self.hub)
        await super().heartbeat()

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
        """Disconnect after the current messages are sent. Disconnect in time even if the hub accepts no writes."""
        await self._stopping.wait()
        await asyncio.sleep(_DISCONNECT_SECONDS)
        connection.cancel()

    def _make_client(self, before_login: Callable[[], Awaitable[None]], on_ready: Callable[[], None]) -> DiscordClient:
        client = DiscordClient(before_login, on_ready, self._clock, self._ban)
        for listener in (*self._inbox.listeners(client), *self._interactions.listeners(client)):
            client.event(listener)
        return client

    async def _next_delivery(self, arriving: AsyncGenerator[Delivery, None]) -> Delivery | None:
        """Claim the next delivery, but only if it can be sent now. A crash with a claimed delivery counts as a failed
        attempt.
        """
        if self._connection.client is None:
            await self.until_stop(self._connection.wait_until_ready())
        return None if self._stopping.is_set() else await super()._next_delivery(arriving)

    async def handle(self, delivery: Delivery) -> None:
        # When the gateway stops, a current message gets some time. If that is too short, the next gateway sends the
        # message.
        outcome = await self.until_stop(self._send_or_yield(delivery.message), _FINISH_SECONDS)
        await self.in_thread(self._conclude, delivery, outcome or Retry(0.0))

    async def _send_or_yield(self, message: Message) -> Outcome:
        """Send a message. End the sending of progress if an answer waits behind it."""
        if not is_progress(message):
            return await self._send(message)
        return await self._progress.show(message, lambda: self._send(message))

    async def _send(self, message: Message) -> Outcome:
        """Send a message, and return its outcome."""
        channel, client = target_channel_of(message, self._home_channel), self._connection.client
        if channel is None:
            is_notice = message.recipient is None or message.reply_to or message.message_type == "notification"
            return Sent(NOT_FOR_DISCORD) if is_notice else Rejected(NOT_FOR_DISCORD, FOREIGN_MESSAGE)
        if client is None:
            return Retry(_OFFLINE_RETRY_SECONDS)
        answered = await self.in_thread(self._find_message, message.reply_to) if message.reply_to else None
        kind = kind_of(message, answered, self.hub.agent)
        if kind is OutboundKind.PRESS_REPLY and answered is not None:
            return await self._button_updater.reply(client, message, answered)
        if kind is OutboundKind.BUTTON_UPDATE and answered is not None:
            return await self._button_updater.close(client, message, answered)
        if kind is OutboundKind.COMMAND_REPLY:
            outcome = await self._command_replies.send(client, channel, message)
            return outcome or await self._send_in_channel(client, channel, message)
        if kind is OutboundKind.ANNOUNCEMENT:
            return await self._home_queue.send_in_order(
                message, lambda: self._send_in_channel(client, channel, message)
            )
        return await self._send_in_channel(client, channel, message)

    async def _send_in_channel(self, client: DiscordClient, channel: int, message: Message) -> Outcome:
        outcome = await self._outbox.send(client, channel, message)
        if channel == self._home_channel and (why := self._outbox.rejections.rejection_of(channel)) is not None:
            await self._report_home_channel(why)
        return outcome

    def _find_message(self, message_id: str) -> Message | None:
        try:
            return self.hub.queries.message(message_id)
        except UnknownMessage:
            return None

    def _conclude(self, delivery: Delivery, outcome: Outcome) -> None:
        """End or release the delivery, and notify its sender and people. No other code in the gateway does that.
        Blocks."""
        message = delivery.message
        with self.hub.transaction():
            match outcome:
                case Sent(note):
                    self.hub.acknowledge(delivery, outcome=note)
                case Retry(seconds):
                    self.hub.release(delivery, delay=seconds)
                case Replanned(first, chunks, to_sender):
                    self._chunks.insert(message.id, chunks, first)
                    self._notify_sender(message, to_sender)
                    self.hub.release(delivery, delay=0)
                case Rejected(why, to_sender, notice):
                    self.hub.acknowledge(delivery, outcome=f"refused: {why}")
                    self._notify_sender(message, to_sender)
                    if notice is not None:
                        with contextlib.suppress(UnknownRecipient):  # no user_comm, so only the sender learns of it
                            notice.send(self.hub)

    def _notify_sender(self, message: Message, sentence: str) -> None:
        if sentence and message.sender not in (HUB_SENDER, self.hub.agent):
            self.hub.answer(message, sentence, message_type="error")

    async def _watch_unread_questions(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.report_state("reading", self._inbox.failure)
            await self.report_state("address", self._ban.note)
            skew = self._clock.describe_skew()
            if skew and not self._reported_skew:
                self.log.warning("%s; Discord's clock is used for its messages", skew)
            self._reported_skew = skew
            with contextlib.suppress(StoreError):  # the next look comes soon
                await self.in_thread(self._unread_questions.notify_authors)

    async def _watch_home_channel(self) -> None:
        """Report a home channel that would refuse announcements, before the first announcement is sent."""
        while self._home_channel:
            client = await self._connection.wait_until_ready()
            why = self._outbox.rejections.rejection_of(self._home_channel) or await find_home_channel_error(
                client, self._home_channel
            )
            await self._report_home_channel(why)
            await asyncio.sleep(_HOME_CHECK_SECONDS)

    async def _report_home_channel(self, why: str) -> None:
        reason = f"Discord refuses messages in the home channel {self._home_channel}: {why}. Let the bot write there."
        await self.report_state("home channel", reason if why else "")
