"""What user_comm does with a line that a person wrote. Decided here, done by the daemon."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from teamsup.hub import Agent, Message
from teamsup.hub.wording import presence

_GREETINGS = {
    "hello": "Hi there! 👋",
    "hi": "Hi there! 👋",
    "hey": "Hi there! 👋",
    "good morning": "Good morning! 👋",
    "hallo": "Hallo! 👋",
    "moin": "Moin! 👋",
    "bonjour": "Bonjour ! 👋",
    "hola": "¡Hola! 👋",
    "ciao": "Ciao! 👋",
}
_MENTION = re.compile(r"@(?P<agent>[\w][\w.-]*)[:,]?(?:\s+(?P<text>.*))?", re.DOTALL)

HELP = """\
help            this text
status          how the team is
agents          who is in the team
@AGENT TEXT     pass TEXT on to AGENT; its answer comes back here"""


@dataclass(frozen=True)
class Answer:
    """Said at once, by user_comm itself."""

    text: str


@dataclass(frozen=True)
class Relay:
    """To be passed on to an agent."""

    agent: Agent
    text: str


def decide(line: str, agents: Sequence[Agent], now: datetime) -> Answer | Relay:
    """What to do with one line of a person."""
    text = line.strip()
    if mention := _MENTION.fullmatch(text):
        return _mention(mention["agent"].rstrip(".").lower(), (mention["text"] or "").strip(), agents)
    words = " ".join(re.sub(r"[^\w\s]", " ", text.lower()).split())
    match words.removeprefix("team "):
        case "help":
            return Answer(HELP)
        case "status":
            return Answer(status(agents, now))
        case "agents":
            return Answer(roster(agents, now))
    for greeting, answer in _GREETINGS.items():
        if words == greeting or (words.startswith(greeting + " ") and len(words.split()) <= 4):
            return Answer(answer)
    return Answer("I can greet, and I know these:\n" + HELP)


def own_words(message: Message) -> tuple[str, str]:
    """What a person wrote, and what the gateway has added: what it answers, what is attached, how late it comes."""
    words = message.metadata.get("words")
    if not isinstance(words, int) or not 0 <= words <= len(message.content):
        return message.content, ""
    return message.content[:words], message.content[words:]


def roster(agents: Sequence[Agent], now: datetime) -> str:
    """Everybody but people's consoles, a line each."""
    lines = [_line(agent, now) for agent in agents if agent.kind != "console"]
    return "\n".join(lines) or "Nobody is here yet."


def status(agents: Sequence[Agent], now: datetime) -> str:
    """How the daemons are and where messages wait."""
    lines = [_line(agent, now) for agent in agents if agent.kind in ("daemon", "supervisor")]
    waiting = [f"{agent.name} {agent.unread}" for agent in agents if agent.unread and agent.kind != "console"]
    lines.append("unread: " + (", ".join(waiting) if waiting else "none"))
    return "\n".join(lines)


def _mention(name: str, text: str, agents: Sequence[Agent]) -> Answer | Relay:
    known: Mapping[str, Agent] = {agent.name: agent for agent in agents if agent.kind != "console"}
    if name not in known:
        return Answer(f"There is no agent named {name} here. Known are: {', '.join(known) or 'none'}.")
    if not text:
        return Answer(f"What shall I tell {name}? Write: @{name} your text")
    return Relay(known[name], text)


def _line(agent: Agent, now: datetime) -> str:
    return f"{agent.name}: {presence(agent, now)}" + (f" ({agent.note})" if agent.note else "")
