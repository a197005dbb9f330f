"""From the hub to Discord: every answer once, in order, and acknowledged only when Discord has it.

What is about to be said is written down first, with the nonces by which Discord knows again what it already has. So
trouble of any kind is met in one way: the delivery goes back, and whoever gets it next goes on where this one was.
"""

import asyncio
import io
import logging
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from teamsup.hub import Delivery, Message, MessageHub
from teamsup.hub.messages import HUB
from teamsup.hub.sections import GatewaySection

from . import files
from .progress import Progress, is_progress
from .snowflakes import snowflake_of
from .text import as_file, pieces
from .verdict import Again, Never, verdict
from .written_pieces import Draft, Piece, WrittenPieces

if TYPE_CHECKING:
    import discord

_NONCE_SECONDS = 100.0  # Discord remembers them for some minutes
_SEND_SECONDS = 60.0  # with what discord.py tries by itself
_LEFT_SECONDS = 30.0  # for what we have heard of already
_SLACK_SECONDS = 600.0  # how far Discord's clock may be from ours
_THREAD_EXISTS = 160004
_COLOURS = {"critical": 0xD83C3E, "error": 0xD83C3E, "warning": 0xE8A33D, "info": 0x4A8FE7, "resolved": 0x3BA55C}


class Outbox:
    """Says deliveries in their channels."""

    def __init__(
        self,
        hub: MessageHub,
        section: GatewaySection,
        log: logging.Logger,
        buttons: "Callable[[Message], discord.ui.View | None]" = lambda _: None,
    ) -> None:
        self._hub = hub
        self._section = section
        self._log = log
        self._buttons = buttons
        self._pieces = WrittenPieces(hub)
        self._progress = Progress(hub)
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._left: set[asyncio.Task[discord.Message]] = set()

    async def say(self, client: "discord.Client", channel: int, delivery: Delivery) -> None:
        """Say it and acknowledge it, or give it back."""
        if (turn := self._turns.get(channel)) is None:
            turn = self._turns[channel] = asyncio.Lock()
        async with turn:
            try:
                if not await self._is_shown(client, delivery):
                    await self._send(client, channel, delivery)
            except Exception as error:
                if not await self._is_settled(client, delivery, error):
                    raise

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
        text = pieces(message.content)[0]
        target = client.get_partial_messageable(shown.channel).get_partial_message(shown.snowflake)
        try:
            async with asyncio.timeout(_SEND_SECONDS):
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
                sent = await self._put(
                    client, where, delivery, piece, None if piece.number else asked, limit, last=last
                )
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

    async def _put(
        self,
        client: "discord.Client",
        channel: int,
        delivery: Delivery,
        piece: Piece,
        asked: int | None,
        limit: int,
        *,
        last: bool,
    ) -> int:
        """One piece, unless it is found to be there already; its number on Discord."""
        import discord

        message = delivery.message
        if piece.begun_at is None or piece.age(time.time()) > _NONCE_SECONDS:
            if piece.begun_at is not None and (sent := await self._search(client, channel, piece, asked)) is not None:
                return sent
            piece = await asyncio.to_thread(self._pieces.begin, piece, channel)
        target = client.get_partial_messageable(channel)
        plainly: dict[str, Any] = {"content": piece.content, "nonce": piece.nonce, "mention_author": False}
        plainly["allowed_mentions"] = _pings(message.metadata)
        if last and (view := self._buttons(message)) is not None:
            plainly["view"] = view
        attached = await asyncio.to_thread(self._attached, message, piece, limit) if piece.files else []
        dressed = dict(plainly)
        if asked is not None:
            dressed["reference"] = discord.MessageReference(
                message_id=asked, channel_id=channel, fail_if_not_exists=False
            )
        if isinstance(alert := message.metadata.get("alert"), Mapping):
            dressed |= {"content": None, "embed": _embed(alert, piece.content)}
        try:
            return await self._arrives(client, piece.nonce, target.send(**dressed, files=_uploads(attached)))
        except discord.Forbidden:
            # The right to read the history is needed to answer, and one for embeds; the text needs neither.
            if dressed == plainly:
                raise
        return await self._arrives(client, piece.nonce, target.send(**plainly, files=_uploads(attached)))

    async def _arrives(
        self, client: "discord.Client", nonce: str, sending: "Coroutine[Any, Any, discord.Message]"
    ) -> int:
        """Its number, from whoever tells first. discord.py says nothing before the channel's rate limit is over, and
        does not end before either when it is cancelled, so it is left alone then."""
        task = asyncio.create_task(sending)
        self._left.add(task)
        task.add_done_callback(self._leave)
        heard = asyncio.create_task(client.wait_for("message", check=lambda message: message.nonce == nonce))
        try:
            await asyncio.wait((task, heard), timeout=_SEND_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if heard.done():
                message: discord.Message = heard.result()
                return message.id
            if not task.done():
                raise TimeoutError("Discord does not answer")
            return task.result().id
        finally:
            # Left alone for a while it keeps its connection; for longer, it would outlive its nonce.
            asyncio.get_running_loop().call_later(_LEFT_SECONDS if heard.done() else 0, task.cancel)
            heard.cancel()

    def _leave(self, task: "asyncio.Task[discord.Message]") -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()

    async def _search(self, client: "discord.Client", channel: int, piece: Piece, asked: int | None) -> int | None:
        """Look whether a piece has arrived, when Discord has forgotten its nonce."""
        import discord

        assert client.user is not None and piece.begun_at is not None  # noqa: S101, PT018 - logged in, and it was begun
        since = piece.begun_at - _SLACK_SECONDS
        known = await asyncio.to_thread(self._pieces.known, channel, since - _SLACK_SECONDS)
        after = discord.utils.time_snowflake(datetime.fromtimestamp(since, UTC))
        if asked is not None:
            after = max(after, asked)
        try:
            async for found in client.get_partial_messageable(channel).history(
                after=discord.Object(after), oldest_first=True, limit=None
            ):
                said = found.content or (found.embeds[0].description if found.embeds else "")
                if found.author.id == client.user.id and found.id not in known and said == piece.content.strip():
                    return found.id
        except discord.Forbidden:
            self._log.warning("channel %d cannot be searched for what was sent: the bot may not read it", channel)
        return None

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
            async with asyncio.timeout(_SEND_SECONDS):
                return (await place.get_partial_message(asked).create_thread(name=name)).id
        except discord.HTTPException as error:
            if error.code == _THREAD_EXISTS:
                return asked
            if isinstance(verdict(client, error), Never):
                return channel
            raise

    def _plan(self, message: Message, channel: int, limit: int) -> list[Piece]:
        if is_progress(message):
            return self._pieces.write(message.id, [Draft(pieces(message.content)[0])], channel=channel)
        file = as_file(message.content)
        if file is not None and len(file.content) > limit:
            file = None
        most = files.MOST_FILES - (file is not None)
        chosen = files.choose(message.metadata.get("files"), self._hub.team, limit, most)
        text = message.content if file is None else file.summary
        # Of white space, which only a foreign program stores, nothing is left; Discord refuses that.
        texts = pieces("\n\n".join((text, *chosen.notes))) or [""]
        attached = (*(("",) if file is not None else ()), *chosen.paths)
        drafts = [*map(Draft, texts[:-1]), Draft(texts[-1], attached)]
        return self._pieces.write(message.id, drafts, channel=channel)

    def _attached(self, message: Message, piece: Piece, limit: int) -> list[tuple[str, bytes]]:
        found: list[tuple[str, bytes]] = []
        for path in piece.files:
            if not path:
                file = as_file(message.content)
                found += [] if file is None else [(file.name, file.content)]
                continue
            try:
                content = files.read(path, self._hub.team, limit)
            except OSError as error:
                self._log.warning("a file of message %s is gone: %s", message.message_id, error)
            else:
                found.append((files.safe_name(Path(path)), content))
        return found

    async def _is_settled(self, client: "discord.Client", delivery: Delivery, error: Exception) -> bool:
        """Whether that error was Discord's or the network's, and the delivery has ended or gone back."""
        message = delivery.message
        found = await asyncio.to_thread(self._pieces.of, message.id)
        begun = next((piece for piece in found if piece.snowflake is None and piece.begun_at is not None), None)
        age = 0.0 if begun is None else begun.age(time.time())
        match verdict(client, error, age):
            case Again(seconds):
                self._log.warning("message %s goes again in %.0f s: %r", message.message_id, seconds, error)
                await asyncio.to_thread(self._hub.release, delivery, delay=seconds)
            case Never(why, perhaps_without_files=True) if begun is not None and begun.files:
                self._log.warning("message %s goes without its files: %s", message.message_id, why)
                await asyncio.to_thread(self._leave_out_files, delivery, begun)
            case Never(why):
                self._log.error("message %s is refused by Discord: %s", message.message_id, why)
                await asyncio.to_thread(self._refuse, delivery, why)
            case None:
                return False
        return True

    def _leave_out_files(self, delivery: Delivery, piece: Piece) -> None:
        """The text alone, and what did not come with it."""
        message = delivery.message
        names = [files.safe_name(Path(path)) for path in piece.files if path]
        note = f"Discord did not take: {', '.join(names)}." if names else ""
        texts = pieces(message.content) if "" in piece.files else [piece.content]
        with self._hub.transaction():
            self._pieces.write(message.id, [*map(Draft, texts), *map(Draft, pieces(note))], piece.number)
            self._hub.release(delivery, delay=0)

    def _refuse(self, delivery: Delivery, why: str) -> None:
        message = delivery.message
        with self._hub.transaction():
            self._hub.acknowledge(delivery, outcome=f"refused: {why}")
            if message.sender != HUB:
                sentence = f"Discord did not take message #{message.id}: {why}."
                self._hub.answer(message, sentence, message_type="error")


def _file_limit(client: "discord.Client", channel: int) -> int:
    import discord

    guild = getattr(client.get_channel(channel), "guild", None)
    return guild.filesize_limit if guild is not None else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES


def _pings(metadata: Mapping[str, Any]) -> "discord.AllowedMentions":
    """Nobody, but for those whom the sender names."""
    import discord

    asked = metadata.get("ping")
    numbers = [str(each) for each in asked] if isinstance(asked, list) else []
    people = [discord.Object(int(number)) for number in numbers if re.fullmatch("[0-9]{1,19}", number)]
    return discord.AllowedMentions(everyone=False, roles=False, replied_user=False, users=people or False)


def _embed(alert: Mapping[str, Any], text: str) -> "discord.Embed":
    import discord

    title = str(alert.get("title") or "")[:256] or None
    colour = _COLOURS.get(str(alert.get("severity")), _COLOURS["warning"])
    return discord.Embed(title=title, description=text, colour=colour)


def _uploads(attached: list[tuple[str, bytes]]) -> "list[discord.File]":
    import discord

    return [discord.File(io.BytesIO(content), filename=name) for name, content in attached]
