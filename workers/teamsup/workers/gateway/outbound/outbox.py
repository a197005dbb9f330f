"""Send messages into channels: each once and in order. A message is complete only when Discord has all its chunks.

Chunks are stored before they are sent. By their nonces, Discord recognises chunks that it already has. So every failure
has the same remedy: the delivery returns to the queue, and the next attempt continues with the first missing chunk.
"""

import asyncio
import logging
from collections.abc import Callable
from weakref import WeakValueDictionary

import discord

from teamsup.hub import Message, MessageHub

from ...protocol import SENT_ELSEWHERE
from ..component import GatewaySection
from ..ids import conversation_id_of, snowflake_of
from ..rest_errors import Defer, Reject, Retry, classify
from ..tables.chunk_table import Chunk, ChunkTable, NewChunk
from .attribution import attribute
from .chunking import first_chunk, to_file
from .files.selection import MAX_FILES, FilesDropped, LoadedFiles, load_files
from .files.sendable_files import SendableFiles
from .kinds import is_progress
from .outcome import Outcome, Replanned, Sent
from .progress import OVERTAKEN, ProgressMessages
from .rejections import RejectionHandler, describe_dropped_files
from .sender import SEND_SECONDS, Sender, Target

_THREAD_EXISTS = 160004


class Outbox:
    """Send messages into their channels."""

    def __init__(
        self,
        hub: MessageHub,
        section: GatewaySection,
        sendable: SendableFiles,
        chunks: ChunkTable,
        log: logging.Logger,
        now: Callable[[], float],
        progress: ProgressMessages,
    ) -> None:
        """``now`` returns Discord's time in Unix seconds."""
        self._now = now
        self._hub = hub
        self._section = section
        self._sendable = sendable
        self._log = log
        self._chunks = chunks
        self._progress = progress
        self._sender = Sender(hub, chunks, sendable, log, now, link_previews=section.link_previews)
        self.rejections = RejectionHandler(hub, section, log)
        self._channel_locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def send(self, client: discord.Client, channel: int, message: Message) -> Outcome:
        """Send a message, and return its outcome. Progress and other messages do not wait for each other."""
        if is_progress(message):
            return await self._send_or_handle(client, channel, message)
        if (turn := self._channel_locks.get(channel)) is None:
            turn = self._channel_locks[channel] = asyncio.Lock()
        async with turn:
            return await self._send_or_handle(client, channel, message)

    async def _send_or_handle(self, client: discord.Client, channel: int, message: Message) -> Outcome:
        try:
            if is_progress(message) and (outcome := await self._update_progress(client, message)) is not None:
                return outcome
            return await self._send_chunks(client, channel, message)
        except Exception as error:
            if (outcome := await self._outcome_of_error(client, channel, message, error)) is None:
                raise
            return outcome

    async def _update_progress(self, client: discord.Client, message: Message) -> Outcome | None:
        """Show progress by an edit of its message. Return None if there is no such message yet."""
        shown = await asyncio.to_thread(self._chunks.find_progress, message.reply_to or "")
        if shown is None:
            return None
        where, snowflake = shown
        for waits in (True, False):
            if await asyncio.to_thread(self._progress.is_superseded, message):
                return OVERTAKEN
            if waits:
                await self._progress.wait_for_edit(snowflake)
        text = await asyncio.to_thread(lambda: first_chunk(attribute(self._hub, message).text))
        target = client.get_partial_messageable(where).get_partial_message(snowflake)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await target.edit(content=text)
        except discord.NotFound:
            return None  # a user has removed it: send it again
        self._progress.record_edit(snowflake)
        await asyncio.to_thread(self._record_edit, message, where, snowflake, text)
        return Sent()

    def _record_edit(self, message: Message, channel: int, snowflake: int, text: str) -> None:
        with self._hub.transaction():
            (chunk,) = self._chunks.insert(message.id, [NewChunk(text)])
            self._chunks.mark_sent(chunk, channel, snowflake)

    async def _send_chunks(self, client: discord.Client, channel: int, message: Message) -> Outcome:
        limit = _upload_limit(client, channel)
        found = await asyncio.to_thread(self._chunks.chunks_of, message.id)
        where = next((chunk.channel for chunk in found if chunk.channel), None)
        if where is None:
            where = await self._channel_or_thread(client, channel, message)
        if not found:
            planned = await asyncio.to_thread(self._store_chunks, message, where, limit)
            if isinstance(planned, Replanned):
                return planned
            found = planned
        asked = snowflake_of(message.reply_to) if where == channel else None
        for chunk in found:
            if chunk.snowflake is None:
                target = Target(client, where, None if chunk.number else asked, limit)
                sent = await self._sender.send(target, message, chunk, last=chunk is found[-1])
                self.rejections.channel_rejections.pop(where, None)
                await asyncio.to_thread(self._chunks.mark_sent, chunk, where, sent)
                if is_progress(message):
                    self._progress.record_edit(sent)
        return Sent() if where == channel else Sent(SENT_ELSEWHERE + conversation_id_of(where))

    async def _channel_or_thread(self, client: discord.Client, channel: int, message: Message) -> int:
        """Return the channel, or the thread of the question if answers go into threads."""
        asked = snowflake_of(message.reply_to)
        parent = client.get_channel(channel)
        if not self._section.threads or asked is None or not isinstance(parent, discord.TextChannel):
            return channel
        if parent.get_thread(asked) is not None:
            return asked
        question = await asyncio.to_thread(self._hub.queries.message, message.reply_to or "")
        name = " ".join(question.content.split())[:80]
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return (await parent.get_partial_message(asked).create_thread(name=name)).id
        except discord.HTTPException as error:
            if error.code == _THREAD_EXISTS:
                return asked
            if isinstance(classify(client, error), Reject | Defer):
                return channel
            raise

    def _store_chunks(self, message: Message, channel: int, limit: int) -> list[Chunk] | Replanned:
        """Plan and store the chunks. Return the plan if the sender must be notified about it. Blocks."""
        planned = self._plan_chunks(message, limit)
        return planned if planned.to_sender else self._chunks.insert(message.id, planned.chunks, channel=channel)

    def _plan_chunks(self, message: Message, limit: int) -> Replanned:
        """Return the plan: the chunks, and their files. Blocks, for a second if the text is huge."""
        voice = attribute(self._hub, message)
        if is_progress(message):
            return Replanned(0, (NewChunk(first_chunk(voice.text)),), "")
        file = None if voice.is_short else to_file(voice.text)
        if file is not None and len(file.content) > limit:
            file = None
        wanted = message.metadata.get("files")
        most = MAX_FILES - (file is not None)
        chosen = load_files(wanted, self._sendable, limit, most) if wanted else LoadedFiles()
        text = voice.text if file is None else file.summary
        # White space alone, which only a foreign program stores, gives no chunk, because Discord refuses it.
        texts = voice.with_text(text, *chosen.notes).chunks() or [""]
        attached = (*(("",) if file is not None else ()), *chosen.paths)
        chunks = (*map(NewChunk, texts[:-1]), NewChunk(texts[-1], attached))
        return Replanned(0, chunks, describe_dropped_files(message, chosen.notes) if chosen.notes else "")

    async def _outcome_of_error(
        self, client: discord.Client, channel: int, message: Message, error: Exception
    ) -> Outcome | None:
        """Return the outcome after an error of Discord or the network. Return None for a bug of teamsup."""
        found = await asyncio.to_thread(self._chunks.chunks_of, message.id)
        if isinstance(error, FilesDropped):
            chunk = next(chunk for chunk in found if chunk.snowflake is None)
            return await asyncio.to_thread(self.rejections.drop_files, message, chunk, error.paths, error.notes)
        sending = next((chunk for chunk in found if chunk.snowflake is None and chunk.first_sent_at is not None), None)
        where = channel if sending is None or sending.channel is None else sending.channel
        age = 0.0 if sending is None else sending.age(self._now())
        match classify(client, error, max(age, self.rejections.channel_rejections.seconds_rejecting(where))):
            case Retry(seconds) as retry:
                self._log.warning("message %s is sent again in %.0f s: %r", message.message_id, seconds, error)
                return retry
            case Defer() | Reject() as refusal:
                try:
                    return await self.rejections.handle(client, where, message, sending, refusal)
                except Exception as trouble:
                    if not isinstance(further := classify(client, trouble), Retry):
                        raise
                    return further
        return None


def _upload_limit(client: discord.Client, channel: int) -> int:
    """Return the upload limit of the channel's server in bytes."""
    guild = getattr(client.get_channel(channel), "guild", None)
    return guild.filesize_limit if guild is not None else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES
