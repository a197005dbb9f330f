"""From the hub to Discord: every answer once, in order, and acknowledged only when Discord has it.

What is about to be said is written down first, with the nonces by which Discord knows again what it already has. So
trouble of any kind is met in one way: the delivery goes back, and whoever gets it next goes on where this one was.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from teamsup.hub import Delivery, Message, MessageHub
from teamsup.hub.sections import GatewaySection

from . import uploads
from .progress import Progress, is_progress
from .refused import RefusedAnswers
from .sendable_files import SendableFiles
from .sending import SEND_SECONDS, Sending, Spot
from .snowflakes import snowflake_of
from .text import as_file, first_piece
from .verdict import Again, Later, Never, verdict
from .voice import voice_of
from .written_pieces import Draft, Piece, WrittenPieces

if TYPE_CHECKING:
    import discord

_THREAD_EXISTS = 160004


class Outbox:
    """Says deliveries in their channels."""

    def __init__(
        self,
        hub: MessageHub,
        section: GatewaySection,
        sendable: SendableFiles,
        log: logging.Logger,
        buttons: "Callable[[Message], discord.ui.View | None]",
    ) -> None:
        self._hub = hub
        self._section = section
        self._sendable = sendable
        self._log = log
        self._pieces = WrittenPieces(hub)
        self._progress = Progress(hub)
        self._sending = Sending(hub, self._pieces, sendable, log, buttons)
        self._refused = RefusedAnswers(hub, section, self._pieces, log)
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def say(self, client: "discord.Client", channel: int, delivery: Delivery) -> None:
        """Say it and acknowledge it, or give it back."""
        if (turn := self._turns.get(channel)) is None:
            turn = self._turns[channel] = asyncio.Lock()
        async with turn:
            try:
                if not await self._is_shown(client, delivery):
                    await self._send(client, channel, delivery)
            except Exception as error:
                if not await self._is_settled(client, channel, delivery, error):
                    raise

    def refusal(self, channel: int) -> str | None:
        """Why Discord takes nothing there, for longer than may be waited; empty: it does. None: that is still open."""
        return self._refused.why(channel)

    async def _is_shown(self, client: "discord.Client", delivery: Delivery) -> bool:
        """Whether it was progress, and is shown in the message that is there for that."""
        import discord

        message = delivery.message
        if not is_progress(message):
            return False
        shown = await asyncio.to_thread(self._progress.shown, message)
        if shown is None:
            return False
        for waits in (True, False):
            if await asyncio.to_thread(self._progress.is_overtaken, message):
                await asyncio.to_thread(self._hub.acknowledge, delivery, outcome="overtaken")
                return True
            if waits:
                await self._progress.turn(shown.snowflake)
        text = await asyncio.to_thread(lambda: first_piece(voice_of(self._hub, message).text))
        target = client.get_partial_messageable(shown.channel).get_partial_message(shown.snowflake)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await target.edit(content=text)
        except discord.NotFound:
            return False  # somebody has removed it: it is said anew
        self._progress.has_changed(shown.snowflake)
        await asyncio.to_thread(self._keep_edited, delivery, shown.channel, shown.snowflake, text)
        return True

    def _keep_edited(self, delivery: Delivery, channel: int, snowflake: int, text: str) -> None:
        with self._hub.transaction():
            (piece,) = self._pieces.write(delivery.message.id, [Draft(text)])
            self._pieces.has_arrived(piece, channel, snowflake)
            self._hub.acknowledge(delivery, outcome="sent")

    async def _send(self, client: "discord.Client", channel: int, delivery: Delivery) -> None:
        message = delivery.message
        limit = _file_limit(client, channel)
        found = await asyncio.to_thread(self._pieces.of, message.id)
        where = next((piece.channel for piece in found if piece.channel), None)
        if where is None:
            where = await self._place(client, channel, message)
        if not found:
            found = await asyncio.to_thread(self._plan, message, where, limit)
        asked = snowflake_of(message.reply_to) if where == channel else None
        for piece in found:
            if piece.snowflake is None:
                last = piece is found[-1]
                spot = Spot(client, where, None if piece.number else asked, limit)
                sent = await self._sending.put(spot, message, piece, last=last)
                self._refused.refusing.takes(where)
                await asyncio.to_thread(self._keep, delivery, piece, where, sent, last=last)
                if is_progress(message):
                    self._progress.has_changed(sent)
            elif piece is found[-1]:
                await asyncio.to_thread(self._hub.acknowledge, delivery, outcome="sent")

    def _keep(self, delivery: Delivery, piece: Piece, channel: int, snowflake: int, *, last: bool) -> None:
        with self._hub.transaction():
            self._pieces.has_arrived(piece, channel, snowflake)
            if last:
                self._hub.acknowledge(delivery, outcome="sent")

    async def _place(self, client: "discord.Client", channel: int, message: Message) -> int:
        """The channel, or the thread that is made from the question where answers go into threads."""
        import discord

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
            if isinstance(verdict(client, error), Never | Later):
                return channel
            raise

    def _plan(self, message: Message, channel: int, limit: int) -> list[Piece]:
        """Write down in which pieces it is said, and with which files. Blocks, for a second where the text is huge."""
        voice = voice_of(self._hub, message)
        if is_progress(message):
            return self._pieces.write(message.id, [Draft(first_piece(voice.text))], channel=channel)
        file = as_file(voice.text)
        if file is not None and len(file.content) > limit:
            file = None
        most = uploads.MOST_FILES - (file is not None)
        chosen = uploads.choose(message.metadata.get("files"), self._sendable, limit, most)
        text = voice.text if file is None else file.summary
        # Of white space, which only a foreign program stores, nothing is left; Discord refuses that.
        texts = voice.saying(text, *chosen.notes).pieces() or [""]
        attached = (*(("",) if file is not None else ()), *chosen.paths)
        drafts = [*map(Draft, texts[:-1]), Draft(texts[-1], attached)]
        with self._hub.transaction():
            self._refused.tell_left_out(message, chosen.notes)
            return self._pieces.write(message.id, drafts, channel=channel)

    async def _is_settled(self, client: "discord.Client", channel: int, delivery: Delivery, error: Exception) -> bool:
        """Whether that error was Discord's or the network's, and the delivery has ended or gone back."""
        message = delivery.message
        found = await asyncio.to_thread(self._pieces.of, message.id)
        begun = next((piece for piece in found if piece.snowflake is None and piece.begun_at is not None), None)
        if isinstance(error, uploads.LeftOut):
            piece = next(piece for piece in found if piece.snowflake is None)
            await asyncio.to_thread(self._refused.leave_out, delivery, piece, error.paths, error.notes)
            return True
        where = channel if begun is None or begun.channel is None else begun.channel
        age = 0.0 if begun is None else begun.age(time.time())
        match verdict(client, error, max(age, self._refused.refusing.seconds(where))):
            case None:
                return False
            case Again(seconds):
                self._log.warning("message %s goes again in %.0f s: %r", message.message_id, seconds, error)
                await asyncio.to_thread(self._hub.release, delivery, delay=seconds)
            case Later() | Never() as refusal:
                try:
                    await self._refused.bear(client, where, delivery, begun, refusal)
                except Exception as trouble:
                    if not isinstance(further := verdict(client, trouble), Again):
                        raise
                    await asyncio.to_thread(self._hub.release, delivery, delay=further.seconds)
        return True


def _file_limit(client: "discord.Client", channel: int) -> int:
    """In bytes. Servers have their own."""
    import discord

    guild = getattr(client.get_channel(channel), "guild", None)
    return guild.filesize_limit if guild is not None else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES
