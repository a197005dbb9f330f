"""A message from Discord as received, and as the hub stores it. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import discord

from teamsup.terminal.formatting import format_duration

from .ids import created_at
from .markup import escape

_MAX_QUOTE = 300  # characters
_LATE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a message or press, and the channel, as Discord's ids."""

    user: int
    channel: int
    guild: int | None = None
    """None: a direct message."""
    parent: int | None = None
    """The channel of a thread."""
    roles: frozenset[int] = frozenset()
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attachment, with its address at Discord."""

    name: str
    size: int
    kind: str
    url: str


@dataclass(frozen=True, slots=True)
class Quotation:
    """A quoted message. Without a name it was forwarded from another channel."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A message of a person or of another bot, as received."""

    snowflake: int
    author: Author
    name: str
    text: str
    files: tuple[Attachment, ...] = ()
    quotations: tuple[Quotation, ...] = ()
    extras: tuple[str, ...] = ()
    """Lines about content that is neither text nor file."""
    mentions_bot: bool = False
    """Whether it mentions the bot."""
    knows_roles: bool = True
    """The roles of the author. Discord's history does not contain them."""
    replied_to: int | None = None
    """The message to which it is a reply."""
    edited_at: int | None = None
    """The time of the edit in microseconds, because two edits of a program can be close together."""

    @property
    def is_empty(self) -> bool:
        """Return whether it has no content for the team, such as an embed alone."""
        return not (self.text.strip() or self.files or self.quotations or self.extras)


@dataclass(frozen=True, slots=True)
class HubContent:
    """The content and metadata for the hub."""

    content: str
    metadata: dict[str, Any]


def author_of(user: discord.User | discord.Member, channel: int, guild: int | None, where: object) -> Author:
    """Return the author of a message, command or press. ``where`` is the channel as far as discord.py knows it."""
    parent = where.parent_id if isinstance(where, discord.Thread) else None
    return Author(user.id, channel, guild, parent, frozenset(role.id for role in getattr(user, "roles", ())), user.bot)


def parse_message(message: discord.Message, bot: int) -> InboundMessage | None:
    """Return the message; None for a message of the bot, of a webhook, or of Discord itself."""
    is_written = message.type in (discord.MessageType.default, discord.MessageType.reply)
    if not is_written or message.webhook_id is not None or message.author.id == bot:
        return None
    return InboundMessage(
        message.id,
        author_of(message.author, message.channel.id, message.guild.id if message.guild else None, message.channel),
        message.author.display_name,
        _strip_bot_mention(message.content, bot),
        tuple(
            Attachment(each.filename, each.size, each.content_type or "unknown type", each.url)
            for each in message.attachments
        ),
        tuple(_quotations(message)),
        tuple(_extras(message)),
        mentions_bot=any(user.id == bot for user in message.mentions),
        knows_roles=message.guild is None or isinstance(message.author, discord.Member),
        replied_to=_replied_message(message),
        edited_at=None if message.edited_at is None else round(message.edited_at.timestamp() * 1e6),
    )


def _strip_bot_mention(text: str, bot: int) -> str:
    """Return the text without the bot's name at its beginning."""
    return re.sub(rf"^\s*<@!?{bot}>[\s,:]*(?=\S)", "", text)


def _replied_message(message: discord.Message) -> int | None:
    is_reply = message.type == discord.MessageType.reply and message.reference is not None
    return message.reference.message_id if is_reply and message.reference is not None else None


def _quotations(message: discord.Message) -> list[Quotation]:
    found = [Quotation("", snapshot.content) for snapshot in message.message_snapshots]
    reference = message.reference
    if message.type == discord.MessageType.reply and reference is not None:
        if isinstance(reference.resolved, discord.Message):
            quoted = reference.resolved
            names = " ".join(f"[{each.filename}]" for each in quoted.attachments)
            found.append(Quotation(quoted.author.display_name, f"{quoted.content} {names}".strip()))
        else:
            found.append(Quotation("somebody", "a message that has been deleted"))
    return found


def _extras(message: discord.Message) -> Iterator[str]:
    for sticker in message.stickers:
        yield f"(sticker: {escape(sticker.name, 100)})"
    if message.poll is not None:
        answers = " / ".join(escape(answer.text, 100) for answer in message.poll.answers)
        yield f"(poll: {escape(str(message.poll.question), _MAX_QUOTE)}: {answers})"


def to_hub_content(inbound: InboundMessage, files: Sequence[str], now: float, *, before: str = "") -> HubContent:
    """Return the author's text, then lines of ours with other facts. ``files`` are such lines. If such lines follow,
    ``body_length`` in the metadata is the length of the author's text.
    """
    lines = [_format_quotation(quotation) for quotation in inbound.quotations]
    lines += [*inbound.extras, *files]
    late = int(now - created_at(inbound.snowflake))
    metadata: dict[str, Any] = {
        "author_name": inbound.name.encode("utf-8", "replace").decode(),
        "user": inbound.author.user,
    }
    if inbound.author.parent is not None:
        metadata["channel"] = inbound.author.parent  # a channel's route applies to its threads
    if late >= _LATE_SECONDS:
        lines.append(f"(written {format_duration(late)} ago)")
        metadata["late_seconds"] = late
    if inbound.edited_at is not None:
        metadata["edited"] = inbound.edited_at
    if lines:
        metadata["body_length"] = len(before) + len(inbound.text)
    content = before + "\n".join([inbound.text, *lines] if inbound.text else lines)
    return HubContent(content.encode("utf-8", "replace").decode(), metadata)


def _format_quotation(quotation: Quotation) -> str:
    name = escape(quotation.name, 100).replace("\n", " ")
    whose = f"in reply to {name}" if name else "forwarded"
    return f"({whose}:)\n> " + escape(quotation.text, _MAX_QUOTE).replace("\n", "\n> ")
