"""People: a person's identity, the conversations in which user_comm can reach them, and the form of an agent's text for
them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from teamsup.hub import Message, MessageHub
from teamsup.hub.models import MAX_MESSAGE_BYTES
from teamsup.terminal.console import SESSION_AGENT, is_temporary, person_name
from teamsup.terminal.formatting import prefix_speaker, sanitize

from ..protocol import GATEWAY, NAMED_PEOPLE_KEY, PAIRED_KEY, SOURCE_KEY
from .classification import split_context
from .routing.live_rules import DiscordAccess

_MAX_NAME = 100
_SPARE_BYTES = 1024
_FORWARDED_KEYS = ("alert", "commands", "files", "person", "ping", NAMED_PEOPLE_KEY)


def person_of(message: Message) -> str:
    """Return the person who wrote the message: ``discord:NUMBER``, or the name of their console.

    Only the gateway may name a person other than the sender.
    """
    user = message.metadata.get("user")
    if message.sender == GATEWAY and isinstance(user, int):
        return f"discord:{user}"
    # No agent has a name with a colon, but a foreign program may write such a name.
    return message.sender.replace(":", "-")


def session_of(message: Message) -> str:
    """Return the agent whose Claude Code session ran the command, or an empty text if a person ran it."""
    return str(message.metadata.get(SESSION_AGENT) or "")


def name_of(message: Message) -> str:
    """Return the name of the person, in one short line. Only the gateway may give a name other than the sender's."""
    name = (message.sender == GATEWAY and message.metadata.get("author_name")) or message.sender
    return shorten(sanitize(str(name)), _MAX_NAME) or message.sender


def display_name_of(message: Message) -> str:
    """Return the name of a person who decides: ``ann`` for ``console-ann-4711``."""
    name = name_of(message)
    return name if message.sender == GATEWAY else person_name(name)


def is_from_person(hub: MessageHub, message: Message) -> bool:
    """Return whether a person wrote the message. For a forgotten console of a command, the name decides."""
    sender = hub.find_agent(message.sender)
    known = message.sender.startswith("console-") if sender is None else sender.kind == "console"
    return known or message.sender == GATEWAY


def is_same_session(hub: MessageHub, *names: str) -> bool:
    """Return whether these are agents of one Claude Code session. Subagents share its server."""
    agents = [hub.find_agent(name) for name in names]
    pids = {agent.metadata.get("pid") if agent is not None and agent.kind == "agent" else None for agent in agents}
    return len(pids) == 1 and None not in pids


def is_known_decider(hub: MessageHub, decider: str, access: DiscordAccess) -> bool:
    """Return whether a named decider can decide at present."""
    number = decider.removeprefix("discord:")
    if number == decider:
        return any(hub.find_agent(name) is not None for name in (decider, f"console-{decider}"))
    if access.deciders and int(number) not in access.deciders:
        return False
    # Only Discord knows the users with a listed role, or in a listed channel.
    if access.roles or access.channels or access.guilds or int(number) in access.users:
        return True
    gateway = hub.find_agent(GATEWAY)
    paired = None if gateway is None else gateway.metadata.get(PAIRED_KEY)
    return isinstance(paired, list) and int(number) in paired


def announcement_recipients(hub: MessageHub, *, home: bool) -> list[str]:
    """Return the recipients of announcements: every console, which keeps them for its person, and with ``home`` the
    gateway.

    Leave out consoles that exist for a single question, because people do not read them later.
    """
    agents = hub.agents()
    found = [agent.name for agent in agents if agent.kind == "console" and not is_temporary(agent)]
    return found + [agent.name for agent in agents if home and agent.name == GATEWAY]


def attribute_to_sender(message: Message, recipient: str, *, about: str = "") -> str:
    """Put the sender and the subject before the content, and cut the result to the limit of a message.

    Indent further lines, so that none looks like the line of another sender. Mark urgent messages for Discord; a
    terminal marks them itself.
    """
    urgent = "❗ " if message.priority == "urgent" and recipient == GATEWAY else ""
    return truncate_to_limit(
        urgent + prefix_speaker(f"{message.sender}{about}", message.content), forwarded_metadata(message), message
    )


def truncate_to_limit(text: str, metadata: Mapping[str, Any], source: Message) -> str:
    """Return the part of the text that fits into one message with this metadata. The source message keeps the whole
    text.
    """
    room = max(0, MAX_MESSAGE_BYTES - _SPARE_BYTES - len(json.dumps(dict(metadata), ensure_ascii=False).encode()))
    cut = text.encode()[:room].decode(errors="ignore")
    return text if cut == text else f"{cut}\n… (cut; all of it is in message #{source.id})"


def format_command_output(text: str, recipient: str) -> str:
    """Return a command's output in a form whose columns stay aligned on Discord too."""
    if recipient != GATEWAY or "\n" not in text:
        return text
    inside = text.replace("```", "'''")
    return f"```\n{inside}\n```"


def forwarded_metadata(message: Message) -> dict[str, Any]:
    """Return the metadata for people's programs, such as buttons, with the source message."""
    return {SOURCE_KEY: message.message_id} | {
        key: message.metadata[key] for key in _FORWARDED_KEYS if key in message.metadata
    }


def shorten(text: str, characters: int) -> str:
    """Return the text as one line of at most this many characters."""
    line = " ".join(text.split())
    return line if len(line) <= characters else line[: characters - 1].rstrip() + "…"


def quote_messages(messages: Sequence[Message], me: str, characters: int = 300) -> str:
    """Return the messages, a line each, with their authors. A line of user_comm names the agent whose text
    it forwards.
    """
    return "\n".join(
        f"> {'' if message.sender == me else name_of(message) + ': '}{shorten(split_context(message)[0], characters)}"
        for message in messages
    )
