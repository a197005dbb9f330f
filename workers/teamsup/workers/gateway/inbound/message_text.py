"""Turn content that Discord shows in other forms into text: embeds, Components V2, mentions. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import discord

from teamsup.terminal.formatting import to_single_line

_MAX_NAME = 64
_MENTION = re.compile(r"<(?:@!?|@&|#)(\d{1,20})>", re.ASCII)


def describe_embed(embed: discord.Embed) -> str:
    """Return the texts and addresses of an embed, a line each."""
    head = " ".join(filter(None, (embed.title, f"<{embed.url}>" if embed.url else "")))
    fields = (f"{field.name}: {field.value}" for field in embed.fields)
    pictures = (f"(picture: {each.url})" for each in (embed.image, embed.thumbnail) if each.url)
    lines = (embed.author.name, head, embed.description, *fields, *pictures, embed.footer.text)
    return "\n".join(line for line in lines if line)


def describe_component(component: Any) -> Iterator[str]:  # noqa: ANN401 - one of discord.py's many classes
    """Yield the texts, labels and addresses of a component and of the components in it."""
    match component:
        case discord.TextDisplay():
            yield component.content
        case discord.SectionComponent():
            for each in (*component.children, component.accessory):
                yield from describe_component(each)
        case discord.ThumbnailComponent():
            yield _describe_media("picture", component.description, component.media.url)
        case discord.MediaGalleryComponent():
            yield from (_describe_media("picture", item.description, item.media.url) for item in component.items)
        case discord.FileComponent():
            yield _describe_media("file", component.name, component.media.url)
        case discord.Button():
            label = " ".join(filter(None, (component.label, f"<{component.url}>" if component.url else "")))
            yield f"[{label}]" if label else ""
        case discord.SelectMenu():
            yield "[" + " / ".join(option.label for option in component.options) + "]" if component.options else ""
        case discord.Container() | discord.ActionRow():
            for each in component.children:
                yield from describe_component(each)


def _describe_media(what: str, name: str | None, url: str) -> str:
    return f"({what}: {name}, {url})" if name else f"({what}: {url})"


def name_mentions(text: str, names: Mapping[int, str]) -> str:
    """Return the text with the name beside each mention of a known user, role or channel."""

    def add_name(match: re.Match[str]) -> str:
        name = to_single_line(names.get(int(match[1]), ""), _MAX_NAME)
        return f"{match[0]} ({name})" if name else match[0]

    return _MENTION.sub(add_name, text)
