"""A message from Discord, as it was received, and as the hub stores it. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import discord

from teamsup.terminal.formatting import format_duration, sanitize, to_single_line

from .ids import created_at
from .inbound.message_text import describe_component, describe_embed, name_mentions
from .markup import escape

_MAX_QUESTION = 300  # characters of a poll's question
_MAX_QUOTE = 12_000  # characters: a text has up to 4,000, and embeds have up to 6,000
_LATE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a message or press, and the channel, as Discord's ids."""

    user: int
    channel: int
    guild: int | None = None
    """None for a direct message."""
    parent: int | None = None
    """The channel of a thread."""
    roles: frozenset[int] = frozenset()
    is_bot: bool = False
    webhook: int | None = None
    """The webhook that wrote the message. Its sender may choose any name and picture."""
    application: int | None = None
    """The application that made the webhook."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attachment, with its address at Discord."""

    name: str
    size: int
    kind: str
    url: str
    is_quoted: bool = False
    """Whether it belongs to a quoted message."""
    is_voice: bool = False
    """Whether it is a voice message."""


@dataclass(frozen=True, slots=True)
class Quotation:
    """A quoted message, and its relation to the quoting message."""

    relation: str
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
    """Lines about content other than text and files."""
    mentions_bot: bool = False
    """Whether it mentions the bot."""
    mentions_others: bool = False
    """Whether it mentions other people. A reply that notifies its recipient counts as a mention."""
    replies_to_bot: bool = False
    is_own_thread: bool = False
    """Whether the bot has opened the thread, for an answer."""
    knows_roles: bool = True
    """Whether the author's roles are known. Discord's history does not contain them."""
    replied_to: int | None = None
    """The message that it replies to."""
    thread: str = ""
    """The name of its thread; empty outside of threads."""
    edited_at: int | None = None
    """The time of the edit in microseconds, because two edits of a program can be close together."""

    @property
    def is_empty(self) -> bool:
        """Return whether the message has no content for the team."""
        return not (self.text.strip() or self.files or self.quotations or self.extras)


@dataclass(frozen=True, slots=True)
class HubContent:
    """The content and metadata for the hub."""

    content: str
    metadata: dict[str, Any]


def author_of(user: discord.User | discord.Member, channel: int, guild: int | None, where: object) -> Author:
    """Return the author of a message, command or press. ``where`` is discord.py's object for the channel."""
    parent = where.parent_id if isinstance(where, discord.Thread) else None
    return Author(user.id, channel, guild, parent, frozenset(role.id for role in getattr(user, "roles", ())), user.bot)


def parse_message(message: discord.Message, bot: int) -> InboundMessage | None:
    """Return the message, or None if the bot or Discord itself wrote it."""
    is_written = message.type in (discord.MessageType.default, discord.MessageType.reply)
    if not is_written or message.author.id == bot:
        return None
    author = author_of(message.author, message.channel.id, message.guild.id if message.guild else None, message.channel)
    if message.webhook_id is not None:
        author = replace(author, is_bot=True, webhook=message.webhook_id, application=message.application_id)
    own_roles = [role.id for role in _mentioned_roles(message) if role.tags is not None and role.tags.bot_id == bot]
    quoted = _quoted_message(message)
    others = (*_mentioned_roles(message), *message.mentions)  # Discord mentions the author of a quoted message too
    text = _strip_bot_mention(_text_of(message, with_embeds=author.is_bot), bot, own_roles)
    return InboundMessage(
        message.id,
        author,
        message.author.display_name,
        _name_mentions(text, message),
        tuple(_attachments(message)),
        tuple(_quotations(message)),
        tuple(_extras(message)),
        mentions_bot=bool(own_roles) or any(user.id == bot for user in message.mentions),
        mentions_others=any(each.id not in (bot, author.user, *own_roles) for each in others),
        replies_to_bot=quoted is not None and quoted.author.id == bot,
        is_own_thread=isinstance(message.channel, discord.Thread) and message.channel.owner_id == bot,
        knows_roles=message.guild is None or isinstance(message.author, discord.Member),
        replied_to=_replied_message(message),
        thread=message.channel.name if isinstance(message.channel, discord.Thread) else "",
        edited_at=None if message.edited_at is None else round(message.edited_at.timestamp() * 1e6),
    )


def _text_of(message: discord.Message | discord.MessageSnapshot, *, with_embeds: bool = True) -> str:
    """Return the text of a message: its content, its components and its embeds, in the order in which Discord shows
    them. Previews of links are left out, because the author did not write them."""
    # discord.py sets this attribute only if Discord sends it.
    components = (text for each in getattr(message, "components", ()) for text in describe_component(each))
    embeds = [describe_embed(each) for each in message.embeds if each.type == "rich"] if with_embeds else []
    return "\n".join(filter(None, (message.content, *components, *embeds)))


def _name_mentions(text: str, message: discord.Message) -> str:
    """Return the text with a name beside each mentioned user, role and channel whose name is known."""
    names = {user.id: f"@{user.display_name}" for user in message.mentions}
    names |= {role.id: f"@{role.name}" for role in _mentioned_roles(message)}
    names |= {channel.id: f"#{channel.name}" for channel in message.channel_mentions}
    return name_mentions(text, names) if names else text


def _mentioned_roles(message: discord.Message) -> Sequence[discord.Role]:
    """Return the mentioned roles. discord.py sets this attribute only if Discord sends it."""
    return getattr(message, "role_mentions", ())


def _strip_bot_mention(text: str, bot: int, roles: Sequence[int]) -> str:
    """Return the text without a mention of the bot or of the bot's role at its beginning."""
    names = "|".join([f"@!?{bot}", *(f"@&{role}" for role in roles)])
    return re.sub(rf"^\s*<(?:{names})>[\s,:]*(?=\S)", "", text)


def _replied_message(message: discord.Message) -> int | None:
    is_reply = message.type == discord.MessageType.reply and message.reference is not None
    return message.reference.message_id if is_reply and message.reference is not None else None


def _attachments(message: discord.Message) -> Iterator[Attachment]:
    """Yield the attachments of a message, and those of the message that it forwards or quotes."""
    yield from map(_to_attachment, message.attachments)
    for snapshot in message.message_snapshots:
        yield from map(_to_attachment, snapshot.attachments)
    if (quoted := _quoted_message(message)) is not None:
        yield from quoted_attachments(quoted)


def quoted_attachments(quoted: discord.Message) -> Iterator[Attachment]:
    """Yield the attachments of a quoted message."""
    for each in (*quoted.attachments, *(each for found in quoted.message_snapshots for each in found.attachments)):
        yield replace(_to_attachment(each), is_quoted=True)


def _to_attachment(attachment: discord.Attachment) -> Attachment:
    name = attachment.filename
    if attachment.title:
        # Discord keeps only ASCII in the name, and the other letters in the title.
        name = attachment.title + (f".{name.rpartition('.')[2]}" if "." in name else "")
    kind, is_voice = attachment.content_type or "unknown type", attachment.is_voice_message()
    return Attachment(name, attachment.size, kind, attachment.url, is_voice=is_voice)


def _quoted_message(message: discord.Message) -> discord.Message | None:
    if message.type != discord.MessageType.reply or message.reference is None:
        return None
    return message.reference.resolved if isinstance(message.reference.resolved, discord.Message) else None


def _quotations(message: discord.Message) -> Iterator[Quotation]:
    for snapshot in message.message_snapshots:
        yield Quotation("forwarded", _text_of(snapshot))
    if (quoted := _quoted_message(message)) is not None:
        yield quote(quoted, "in reply to")
    elif message.type == discord.MessageType.reply and message.reference is not None:
        is_deleted = isinstance(message.reference.resolved, discord.DeletedReferencedMessage)
        what = "a message that has been deleted" if is_deleted else "a message that Discord does not show"
        yield Quotation("in reply to somebody", what)


def quote(quoted: discord.Message, relation: str) -> Quotation:
    """Return the quotation of a message. Its relation names the author."""
    names = " ".join(f"[{each.name}]" for each in quoted_attachments(quoted))
    forwarded = (_text_of(each) for each in quoted.message_snapshots)
    text = _name_mentions(_text_of(quoted), quoted)
    author = to_single_line(quoted.author.display_name, 100)
    return Quotation(f"{relation} {author}", " ".join(filter(None, (text, *forwarded, names))))


def _extras(message: discord.Message) -> Iterator[str]:
    for sticker in (*message.stickers, *(each for found in message.message_snapshots for each in found.stickers)):
        yield f"(sticker: {escape(sticker.name, 100)})"
    if message.poll is not None:
        answers = " / ".join(escape(answer.text, 100) for answer in message.poll.answers)
        yield f"(poll: {escape(str(message.poll.question), _MAX_QUESTION)}: {answers})"


def to_hub_content(inbound: InboundMessage, files: Sequence[str], now: float, *, before: str = "") -> HubContent:
    """Return the author's text, then the gateway's lines about other facts, such as ``files``. With such lines,
    ``body_length`` in the metadata is the length of the author's text.
    """
    lines = [f"(in the thread {to_single_line(inbound.thread, 100)})"] if inbound.thread else []
    lines += [_format_quotation(quotation) for quotation in inbound.quotations]
    lines += [*inbound.extras, *files]
    late = int(now - created_at(inbound.snowflake))
    metadata: dict[str, Any] = {
        "author_name": inbound.name.encode("utf-8", "replace").decode(),
        "user": inbound.author.user,
    }
    if inbound.author.is_bot:
        metadata["bot"] = True
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
    """Return the quotation. A mark before each line distinguishes quoted lines from the gateway's own lines."""
    text = sanitize(quotation.text.replace("\r", ""))
    shown = text if len(text) <= _MAX_QUOTE else text[:_MAX_QUOTE] + "…"
    return f"({quotation.relation}:)\n> " + shown.replace("\n", "\n> ")
