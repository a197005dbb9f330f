"""Send one chunk to Discord so that it arrives exactly once."""

import asyncio
import io
import logging
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import discord

from teamsup.hub import Message, MessageHub
from teamsup.terminal.formatting import to_single_line

from ..tables.chunk_table import Chunk, ChunkTable
from .attribution import attribute
from .buttons import build_view, reveal_commands
from .chunking import to_file
from .files.selection import FilesDropped, LoadedFiles, load_files
from .files.sendable_files import SendableFiles
from .kinds import is_progress
from .mentions import find_participants, mentioned_people

SEND_SECONDS = 60.0  # including discord.py's own retries
_NONCE_SECONDS = 100.0  # Discord remembers nonces for some minutes
_ABANDON_SECONDS = 30.0  # for the rest of a request whose message has arrived
_CLOCK_TOLERANCE_SECONDS = 600.0  # the largest difference between Discord's clock and ours
_BUTTON_KEYS = {"options", "commands"}
_HISTORY_REQUIRED = 160002  # a reply to it is impossible
_COLOURS = {"critical": 0xD83C3E, "error": 0xD83C3E, "warning": 0xE8A33D, "info": 0x4A8FE7, "resolved": 0x3BA55C}


@dataclass(frozen=True, slots=True)
class Target:
    """The channel of a chunk."""

    client: discord.Client
    channel: int
    replied_to: int | None
    """The message that the chunk replies to, in the same channel."""
    upload_limit: int
    """The largest file that may be sent there, in bytes."""


class Sender:
    """Sends chunks. Raises the errors of discord.py. A retry of a chunk never sends it twice."""

    def __init__(
        self,
        hub: MessageHub,
        chunks: ChunkTable,
        sendable: SendableFiles,
        log: logging.Logger,
        now: Callable[[], float],
        *,
        link_previews: bool,
    ) -> None:
        self._hub = hub
        self._chunks = chunks
        self._sendable = sendable
        self._link_previews = link_previews
        self._log = log
        self._now = now
        self._pending_sends: set[asyncio.Task[discord.Message]] = set()

    async def send(self, target: Target, message: Message, chunk: Chunk, *, last: bool) -> int:
        """Send the chunk, unless Discord already has it. Return its number on Discord. Raise FilesDropped."""
        attached = LoadedFiles()
        if chunk.files:
            attached = await asyncio.to_thread(self._files_of, message, chunk, target.upload_limit)
        if attached.notes:
            if chunk.first_sent_at is not None and (sent := await self._find_sent(target, chunk)) is not None:
                return sent
            raise FilesDropped(attached.paths, attached.notes)
        if chunk.first_sent_at is None or chunk.age(self._now()) > _NONCE_SECONDS:
            if chunk.first_sent_at is not None and (sent := await self._find_sent(target, chunk)) is not None:
                return sent
            chunk = await asyncio.to_thread(self._chunks.mark_sending, chunk, target.channel)
        voice = await asyncio.to_thread(attribute, self._hub, message)
        view = None
        if last and _BUTTON_KEYS.intersection(message.metadata):
            view = build_view(reveal_commands(message) if voice.speaker else message)
        pinged = [*_mentioned_users(message.metadata), *await asyncio.to_thread(self._participants_in, message, chunk)]
        required = _required_fields(chunk, pinged, view)
        if not self._link_previews and not isinstance(message.metadata.get("alert"), Mapping):
            required["suppress_embeds"] = True  # it would hide the embed of an alert too
        fields = required | _optional_fields(message, chunk, target, voice.speaker)
        messageable = target.client.get_partial_messageable(target.channel)
        try:
            sending = messageable.send(**fields, files=_to_discord_files(attached.files))
            return await self._wait_for_arrival(target.client, chunk.nonce, sending)
        except discord.HTTPException as error:
            # A reply needs the right to read the history, and an embed its own right; the text needs neither.
            if fields == required or (error.status != 403 and error.code != _HISTORY_REQUIRED):
                raise
        sending = messageable.send(**required, files=_to_discord_files(attached.files))
        return await self._wait_for_arrival(target.client, chunk.nonce, sending)

    async def _wait_for_arrival(
        self, client: discord.Client, nonce: str, sending: Coroutine[Any, Any, discord.Message]
    ) -> int:
        """Return the id of the message: from discord.py, or from the event of its arrival, if that is earlier.

        discord.py returns only after the channel's rate limit, and ignores a cancellation. So its task continues alone.
        """
        task = asyncio.create_task(sending)
        self._pending_sends.add(task)
        task.add_done_callback(self._discard_result)
        arrival = asyncio.create_task(client.wait_for("message", check=lambda message: message.nonce == nonce))
        try:
            await asyncio.wait((task, arrival), timeout=SEND_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if arrival.done():
                message: discord.Message = arrival.result()
                return message.id
            if not task.done():
                raise TimeoutError("Discord does not answer")
            return task.result().id
        finally:
            # A request whose message has arrived may end soon, and keeps its connection. End any other request at once.
            asyncio.get_running_loop().call_later(_ABANDON_SECONDS if arrival.done() else 0, task.cancel)
            arrival.cancel()

    def _discard_result(self, task: asyncio.Task[discord.Message]) -> None:
        self._pending_sends.discard(task)
        if not task.cancelled():
            task.exception()

    async def _find_sent(self, target: Target, chunk: Chunk) -> int | None:
        """Return whether a chunk has arrived, although Discord has already forgotten its nonce."""
        me = target.client.user
        assert me is not None and chunk.first_sent_at is not None  # noqa: S101, PT018 - logged in, and it was begun
        since = chunk.first_sent_at - _CLOCK_TOLERANCE_SECONDS
        known = await asyncio.to_thread(self._chunks.known_snowflakes, target.channel, since - _CLOCK_TOLERANCE_SECONDS)
        after = discord.utils.time_snowflake(datetime.fromtimestamp(since, UTC))
        if target.replied_to is not None:
            after = max(after, target.replied_to)
        try:
            async for found in target.client.get_partial_messageable(target.channel).history(
                after=discord.Object(after), oldest_first=True, limit=None
            ):
                texts = (found.content, *(embed.description for embed in found.embeds))
                if found.author.id == me.id and found.id not in known and chunk.content.strip() in texts:
                    return found.id
        except discord.Forbidden:
            self._log.warning(
                "channel %d cannot be searched for sent messages: the bot may not read it", target.channel
            )
        return None

    def _participants_in(self, message: Message, chunk: Chunk) -> set[int]:
        """Return the participants whom the chunk mentions. Progress does not notify them. Blocks."""
        if "<@" not in chunk.content or is_progress(message):
            return set()
        return mentioned_people(chunk.content) & find_participants(self._hub, message.conversation_id).keys()

    def _files_of(self, message: Message, chunk: Chunk, limit: int) -> LoadedFiles:
        """Return the files of a chunk. Blocks."""
        found = load_files([path for path in chunk.files if path], self._sendable, limit)
        if "" not in chunk.files or (file := to_file(attribute(self._hub, message).text)) is None:
            return found
        return LoadedFiles(((file.name, file.content), *found.files), ("", *found.paths), found.notes)


def _required_fields(chunk: Chunk, pinged: Sequence[int], view: discord.ui.View | None) -> dict[str, Any]:
    """Return the fields that are always sent. Only the users in ``pinged`` are notified of a mention."""
    found: dict[str, Any] = {"content": chunk.content, "nonce": chunk.nonce, "mention_author": False}
    people = [discord.Object(number) for number in dict.fromkeys(pinged)]
    found["allowed_mentions"] = discord.AllowedMentions(
        everyone=False, roles=False, replied_user=False, users=people or False
    )
    return found if view is None else found | {"view": view}


def _optional_fields(message: Message, chunk: Chunk, target: Target, speaker: str) -> dict[str, Any]:
    """Return the fields that depend on permissions: the reference to the answered message, and the embed of
    an alert.
    """
    found: dict[str, Any] = {}
    if target.replied_to is not None:
        found["reference"] = discord.MessageReference(
            message_id=target.replied_to, channel_id=target.channel, fail_if_not_exists=False
        )
    if isinstance(alert := message.metadata.get("alert"), Mapping):
        # A mention inside an embed notifies nobody.
        mentions = "" if chunk.number else " ".join(f"<@{number}>" for number in _mentioned_users(message.metadata))
        found |= {"content": mentions or None, "embed": _build_embed(alert, speaker, chunk.content)}
    return found


def _mentioned_users(metadata: Mapping[str, Any]) -> list[int]:
    """Return the users that the sender wants to mention."""
    asked = metadata.get("ping")
    numbers = [str(each) for each in asked] if isinstance(asked, list) else []
    return [int(number) for number in numbers if re.fullmatch("[0-9]{1,19}", number)]


def _build_embed(alert: Mapping[str, Any], speaker: str, text: str) -> discord.Embed:
    title = to_single_line(str(alert.get("title") or ""), 256) or None
    if speaker and title:
        title = to_single_line(f"{speaker}: {title}", 256)
    colour = _COLOURS.get(str(alert.get("severity")), _COLOURS["warning"])
    return discord.Embed(title=title, description=text, colour=colour)


def _to_discord_files(attached: tuple[tuple[str, bytes], ...]) -> list[discord.File]:
    return [discord.File(io.BytesIO(content), filename=name) for name, content in attached]
