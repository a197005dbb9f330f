"""From the hub to Discord: every answer once, in order, and acknowledged only when Discord has it.

What is about to be said is written down first, with the nonces by which Discord knows again what it already has. So
trouble of any kind is met in one way: the delivery goes back, and whoever gets it next goes on where this one was.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

import discord

from teamsup.config.sections import GatewaySection
from teamsup.hub import Delivery, Message, MessageHub

from ..ids import snowflake_of
from ..rest_errors import Defer, Reject, Retry, classify
from . import files
from .attribution import attribute
from .chunk_table import Chunk, ChunkTable, NewChunk
from .chunking import first_chunk, to_file
from .progress import ProgressMessages, is_progress
from .rejections import RejectionHandler
from .sendable_files import SendableFiles
from .sender import SEND_SECONDS, Sender, Target

_THREAD_EXISTS = 160004


class Outbox:
    """Says deliveries in their channels."""

    def __init__(
        self,
        hub: MessageHub,
        section: GatewaySection,
        sendable: SendableFiles,
        log: logging.Logger,
        buttons: Callable[[Message], discord.ui.View | None],
    ) -> None:
        self._hub = hub
        self._section = section
        self._sendable = sendable
        self._log = log
        self._chunks = ChunkTable(hub)
        self._progress = ProgressMessages(hub)
        self._sender = Sender(hub, self._chunks, sendable, log, buttons)
        self._rejections = RejectionHandler(hub, section, self._chunks, log)
        self._channel_locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def send(self, client: discord.Client, channel: int, delivery: Delivery) -> None:
        """Say it and acknowledge it, or give it back."""
        if (turn := self._channel_locks.get(channel)) is None:
            turn = self._channel_locks[channel] = asyncio.Lock()
        async with turn:
            try:
                if not await self._update_progress(client, delivery):
                    await self._send_chunks(client, channel, delivery)
            except Exception as error:
                if not await self._handle_error(client, channel, delivery, error):
                    raise

    def rejection_of(self, channel: int) -> str | None:
        """Why Discord takes nothing there, for longer than may be waited; empty: it does. None: that is still open."""
        return self._rejections.rejection_of(channel)

    async def _update_progress(self, client: discord.Client, delivery: Delivery) -> bool:
        """Whether it was progress, and is shown in the message that is there for that."""
        message = delivery.message
        if not is_progress(message):
            return False
        shown = await asyncio.to_thread(self._progress.find_message, message)
        if shown is None:
            return False
        for waits in (True, False):
            if await asyncio.to_thread(self._progress.is_superseded, message):
                await asyncio.to_thread(self._hub.acknowledge, delivery, outcome="overtaken")
                return True
            if waits:
                await self._progress.wait_for_edit(shown.snowflake)
        text = await asyncio.to_thread(lambda: first_chunk(attribute(self._hub, message).text))
        target = client.get_partial_messageable(shown.channel).get_partial_message(shown.snowflake)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await target.edit(content=text)
        except discord.NotFound:
            return False  # somebody has removed it: it is said anew
        self._progress.record_edit(shown.snowflake)
        await asyncio.to_thread(self._record_edit, delivery, shown.channel, shown.snowflake, text)
        return True

    def _record_edit(self, delivery: Delivery, channel: int, snowflake: int, text: str) -> None:
        with self._hub.transaction():
            (piece,) = self._chunks.insert(delivery.message.id, [NewChunk(text)])
            self._chunks.mark_sent(piece, channel, snowflake)
            self._hub.acknowledge(delivery, outcome="sent")

    async def _send_chunks(self, client: discord.Client, channel: int, delivery: Delivery) -> None:
        message = delivery.message
        limit = _upload_limit(client, channel)
        found = await asyncio.to_thread(self._chunks.chunks_of, message.id)
        where = next((piece.channel for piece in found if piece.channel), None)
        if where is None:
            where = await self._channel_or_thread(client, channel, message)
        if not found:
            found = await asyncio.to_thread(self._plan_chunks, message, where, limit)
        asked = snowflake_of(message.reply_to) if where == channel else None
        for piece in found:
            if piece.snowflake is None:
                last = piece is found[-1]
                spot = Target(client, where, None if piece.number else asked, limit)
                sent = await self._sender.send(spot, message, piece, last=last)
                self._rejections.channel_rejections.clear(where)
                await asyncio.to_thread(self._record_sent, delivery, piece, where, sent, last=last)
                if is_progress(message):
                    self._progress.record_edit(sent)
            elif piece is found[-1]:
                await asyncio.to_thread(self._hub.acknowledge, delivery, outcome="sent")

    def _record_sent(self, delivery: Delivery, piece: Chunk, channel: int, snowflake: int, *, last: bool) -> None:
        with self._hub.transaction():
            self._chunks.mark_sent(piece, channel, snowflake)
            if last:
                self._hub.acknowledge(delivery, outcome="sent")

    async def _channel_or_thread(self, client: discord.Client, channel: int, message: Message) -> int:
        """The channel, or the thread that is made from the question where answers go into threads."""
        asked = snowflake_of(message.reply_to)
        place = client.get_channel(channel)
        if not self._section.threads or asked is None or not isinstance(place, discord.TextChannel):
            return channel
        if place.get_thread(asked) is not None:
            return asked
        question = await asyncio.to_thread(self._hub.message, message.reply_to or "")
        name = " ".join(question.content.split())[:80]
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return (await place.get_partial_message(asked).create_thread(name=name)).id
        except discord.HTTPException as error:
            if error.code == _THREAD_EXISTS:
                return asked
            if isinstance(classify(client, error), Reject | Defer):
                return channel
            raise

    def _plan_chunks(self, message: Message, channel: int, limit: int) -> list[Chunk]:
        """Write down in which pieces it is said, and with which files. Blocks, for a second where the text is huge."""
        voice = attribute(self._hub, message)
        if is_progress(message):
            return self._chunks.insert(message.id, [NewChunk(first_chunk(voice.text))], channel=channel)
        file = to_file(voice.text)
        if file is not None and len(file.content) > limit:
            file = None
        most = files.MAX_FILES - (file is not None)
        chosen = files.select_files(message.metadata.get("files"), self._sendable, limit, most)
        text = voice.text if file is None else file.summary
        # Of white space, which only a foreign program stores, nothing is left; Discord refuses that.
        texts = voice.with_text(text, *chosen.notes).chunks() or [""]
        attached = (*(("",) if file is not None else ()), *chosen.paths)
        drafts = [*map(NewChunk, texts[:-1]), NewChunk(texts[-1], attached)]
        with self._hub.transaction():
            self._rejections.report_dropped_files(message, chosen.notes)
            return self._chunks.insert(message.id, drafts, channel=channel)

    async def _handle_error(self, client: discord.Client, channel: int, delivery: Delivery, error: Exception) -> bool:
        """Whether that error was Discord's or the network's, and the delivery has ended or gone back."""
        message = delivery.message
        found = await asyncio.to_thread(self._chunks.chunks_of, message.id)
        begun = next((piece for piece in found if piece.snowflake is None and piece.first_sent_at is not None), None)
        if isinstance(error, files.FilesDropped):
            piece = next(piece for piece in found if piece.snowflake is None)
            await asyncio.to_thread(self._rejections.drop_files, delivery, piece, error.paths, error.notes)
            return True
        where = channel if begun is None or begun.channel is None else begun.channel
        age = 0.0 if begun is None else begun.age(time.time())
        match classify(client, error, max(age, self._rejections.channel_rejections.seconds_rejecting(where))):
            case None:
                return False
            case Retry(seconds):
                self._log.warning("message %s goes again in %.0f s: %r", message.message_id, seconds, error)
                await asyncio.to_thread(self._hub.release, delivery, delay=seconds)
            case Defer() | Reject() as refusal:
                try:
                    await self._rejections.handle(client, where, delivery, begun, refusal)
                except Exception as trouble:
                    if not isinstance(further := classify(client, trouble), Retry):
                        raise
                    await asyncio.to_thread(self._hub.release, delivery, delay=further.seconds)
        return True


def _upload_limit(client: discord.Client, channel: int) -> int:
    """In bytes. Servers have their own."""
    guild = getattr(client.get_channel(channel), "guild", None)
    return guild.filesize_limit if guild is not None else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES
