"""Turn content that Discord shows in other forms into text: embeds, Components V2, mentions. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import discord

from teamsup.terminal.formatting import to_single_line

_MAX_NAME = 64
_MENTION = re.compile(r"<(?:@!?|@&|#)(\d{1,20})>", re.ASCII)


def text_of(message: discord.Message | discord.MessageSnapshot, *, with_embeds: bool = True) -> str:
    """Return the text of a message: its content, its components and its embeds, in the order in which Discord shows
    them. Previews of links are left out, because the author did not write them."""
    # discord.py sets this attribute only if Discord sends it.
    components = getattr(message, "components", ())
    embeds = [describe_embed(each) for each in message.embeds if each.type == "rich"] if with_embeds else []
    return "\n".join(filter(None, (message.content, *_describe_components(components), *embeds)))


def describe_embed(embed: discord.Embed) -> str:
    """Return the texts and addresses of an embed, a line each."""
    head = " ".join(filter(None, (embed.title, f"<{embed.url}>" if embed.url else "")))
    fields = (f"{field.name}: {field.value}" for field in embed.fields)
    pictures = (f"(picture: {each.url})" for each in (embed.image, embed.thumbnail) if each.url)
    lines = (embed.author.name, head, embed.description, *fields, *pictures, embed.footer.text)
    return "\n".join(line for line in lines if line)


def _describe_components(components: Iterable[Any]) -> Iterator[str]:
    """Yield the texts, labels and addresses of components, also of nested ones."""
    for each in components:
        match each:
            case discord.TextDisplay():
                yield each.content
            case discord.SectionComponent():
                yield from _describe_components((*each.children, each.accessory))
            case discord.ThumbnailComponent():
                yield _describe_media("picture", each.description, each.media.url)
            case discord.MediaGalleryComponent():
                yield from (_describe_media("picture", item.description, item.media.url) for item in each.items)
            case discord.FileComponent():
                yield _describe_media("file", each.name, each.media.url)
            case discord.Button():
                label = " ".join(filter(None, (each.label, f"<{each.url}>" if each.url else "")))
                yield f"[{label}]" if label else ""
            case discord.SelectMenu():
                yield "[" + " / ".join(option.label for option in each.options) + "]" if each.options else ""
            case discord.Container() | discord.ActionRow():
                yield from _describe_components(each.children)


def _describe_media(what: str, name: str | None, url: str) -> str:
    return f"({what}: {name}, {url})" if name else f"({what}: {url})"


def name_mentions(text: str, names: Mapping[int, str]) -> str:
    """Return the text with the name beside each mention of a known user, role or channel."""

    def add_name(match: re.Match[str]) -> str:
        name = to_single_line(names.get(int(match[1]), ""), _MAX_NAME)
        return f"{match[0]} ({name})" if name else match[0]

    return _MENTION.sub(add_name, text)


def mentioned_roles(message: discord.Message) -> Sequence[discord.Role]:
    """Return the mentioned roles. discord.py sets this attribute only if Discord sends it."""
    return getattr(message, "role_mentions", ())


def mentioned_names(message: discord.Message) -> dict[int, str]:
    """Return the names of the mentioned users, roles and channels that discord.py knows, by id."""
    found = {user.id: f"@{user.display_name}" for user in message.mentions}
    found |= {role.id: f"@{role.name}" for role in mentioned_roles(message)}
    return found | {channel.id: f"#{channel.name}" for channel in message.channel_mentions}
