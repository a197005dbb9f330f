"""Mentions in agents' texts: ``@Name`` becomes a mention, and only people who take part are notified."""

import re
from collections.abc import Mapping

from teamsup.hub import MessageHub

from ..ids import channel_of

_MAX_SEARCHED = 200  # messages of a conversation
_CODE = r"(?P<code>(?P<fence>`{3,}|~{3,})[\s\S]*?(?:(?P=fence)|\Z)|`[^`\n]+`)"
_MENTION = re.compile(r"<@!?(\d{1,20})>", re.ASCII)


def find_participants(hub: MessageHub, conversation: str | None) -> dict[int, str]:
    """Return the people who have written in this conversation on Discord, each with the name that they used last.
    Blocks.

    Bots are left out: a mention could make two bots answer each other.
    """
    if channel_of(conversation) is None:
        return {}
    found = hub.queries.find(conversation=conversation, sender=hub.agent, limit=_MAX_SEARCHED)
    return {
        user: str(name)
        for each in found
        if isinstance(user := each.metadata.get("user"), int)
        and (name := each.metadata.get("author_name"))
        and not each.metadata.get("bot")
    }


def mention_people(text: str, people: Mapping[int, str]) -> str:
    """Return the text with a mention for each ``@Name`` of these people, outside of code. Leave a name unchanged if two
    of them have it. Pure.
    """
    by_name: dict[str, set[int]] = {}
    for user, name in people.items():
        by_name.setdefault(" ".join(name.split()).casefold(), set()).add(user)
    # A longer name comes first: "Ann Smith" before "Ann".
    names = "|".join(re.escape(name) for name in sorted(by_name, key=len, reverse=True) if name)
    if not names or "@" not in text:
        return text

    def to_mention(match: re.Match[str]) -> str:
        users = by_name.get((match["name"] or "").casefold(), set())
        return f"<@{next(iter(users))}>" if len(users) == 1 else match[0]

    return re.sub(rf"{_CODE}|(?<![\w<])@(?P<name>{names})(?!\w)", to_mention, text, flags=re.IGNORECASE)


def mentioned_people(text: str) -> set[int]:
    """Return the ids of the users whom a text mentions. Pure."""
    return {int(number) for number in _MENTION.findall(text)}
