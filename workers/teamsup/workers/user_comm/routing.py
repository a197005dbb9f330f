"""Who gets what a person writes: the first rule that fits. Pure."""

import functools
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from teamsup.hub import Agent
from teamsup.hub.checks import listed
from teamsup.hub.console import ADDRESSEE
from teamsup.hub.sections import RouteSection, UserCommSection

from ..patterns import Patterns

COMMANDS = ("help", "status", "agents", "ask", "alerts", "ack", "ps", "stop", "new", "decide", "trace", "history")

ASKED_OF_WORKERS = {
    "alerts": ("monitor-bridge", "alerts"),
    "ack": ("monitor-bridge", "ack"),
    "ps": ("supervisor", "status"),
}
"""Which command is what, said to which worker."""

_COMMAND = re.compile(r"/(?P<name>[a-zA-Z]+)(?:\s+(?P<rest>.*))?", re.DOTALL)
_MENTION = re.compile(r"@(?P<agent>\w[\w.-]*)[,:;]?\s*(?:(?:and|und|&)\s+(?=@))?")
LOOKED_AT = 4000
"""Characters in which a keyword or a pattern is looked for: a pattern can take long over a stranger's text."""

_GREETINGS = {
    "hello": "Hi there! 👋",
    "hi": "Hi there! 👋",
    "hey": "Hi there! 👋",
    "good morning": "Good morning! 👋",
    "good evening": "Good evening! 👋",
    "hallo": "Hallo! 👋",
    "guten tag": "Guten Tag! 👋",
    "guten morgen": "Guten Morgen! 👋",
    "moin": "Moin! 👋",
    "bonjour": "Bonjour ! 👋",
    "hola": "¡Hola! 👋",
    "ciao": "Ciao! 👋",
}


@dataclass(frozen=True)
class Say:
    """Said at once, by user_comm itself."""

    text: str


@dataclass(frozen=True)
class Refuse:
    """Said at once: nobody gets what the person wrote. A script's command ends with that exit code."""

    text: str
    exit_code: int = os.EX_DATAERR


@dataclass(frozen=True)
class Ask:
    """To be passed on to these agents."""

    agents: tuple[Agent, ...]
    text: str
    stays: bool = False
    """Whether the conversation stays with them: they were named, or meant by a word."""


@dataclass(frozen=True)
class Command:
    """Something that user_comm is to do or to tell."""

    name: str
    rest: str = ""


@dataclass(frozen=True)
class Rules:
    """What teamsup.toml says of it."""

    section: UserCommSection = field(default_factory=UserCommSection)
    routes: Sequence[RouteSection] = ()
    found: Collection[str] = ()
    """Which of the patterns fit the line: they are looked for before, as that may take a while."""

    @property
    def agents(self) -> set[str]:
        """Everybody to whom a rule may lead, folded."""
        named = [self.section.default_agent, *self.section.stand_ins.values(), *self.section.aliases.values()]
        named += [agent for route in self.routes for agent in route.agents]
        return {name.strip().lower() for name in named if name}


@dataclass(frozen=True)
class Place:
    """Where a person writes."""

    agents: tuple[str, ...] = ()
    """With whom the conversation stays."""
    channels: frozenset[int] = frozenset()
    """Discord's numbers of it: the channel's, and of a thread also that of its channel."""


def route(line: str, place: Place, rules: Rules, team: Sequence[Agent]) -> Say | Refuse | Ask | Command:
    """What to do with what a person wrote there. A rule whose agents are all unknown does not fit; nor does one that
    leads back to user_comm, which would ask itself for ever."""
    text = line.strip()
    known = {agent.name: agent for agent in team if agent.kind != "console" and agent.name != ADDRESSEE}
    if command := _COMMAND.fullmatch(text):
        return _command(command["name"].lower(), (command["rest"] or "").strip(), rules, known)
    if text.startswith("@") and (mention := _mention(text, rules, known)) is not None:
        return mention
    by_words = _by_words(text, rules)
    for names in (place.agents, by_words, _by_channel(place, rules), (rules.section.default_agent,)):
        if agents := _known(names, rules, known):
            return Ask(agents, text, stays=names is by_words)
    return _built_in(text)


def is_alone(text: str, word: str) -> bool:
    """Whether a line says nothing but that word, to the team perhaps."""
    return _words(text).removeprefix("team ") == word


def _command(name: str, rest: str, rules: Rules, known: Mapping[str, Agent]) -> Say | Refuse | Ask | Command:
    if name not in COMMANDS:
        return Refuse(f"There is no command /{name}. Known are: {', '.join('/' + each for each in COMMANDS)}.")
    if name != "ask":
        return Command(name, rest)
    agent, _, text = rest.removeprefix("@").partition(" ")
    if not agent:
        return Refuse("Whom shall I ask? Write: /ask AGENT your text")
    return _built_in(text) if agent.lower() == ADDRESSEE else _to([agent], text.strip(), rules, known)


def _mention(text: str, rules: Rules, known: Mapping[str, Agent]) -> Say | Refuse | Ask | Command | None:
    """The agents named at the start. A second name that nobody has belongs to the text."""
    names: dict[str, None] = {}
    at = 0
    while match := _MENTION.match(text, at):
        name = match["agent"].rstrip(".").lower()
        if names and name not in names and not _known([name], rules, known):
            break
        names[name] = None
        at = match.end()
    if not names:
        return None
    return _built_in(text[at:]) if [*names] == [ADDRESSEE] else _to([*names], text[at:].strip(), rules, known)


def _to(names: Sequence[str], text: str, rules: Rules, known: Mapping[str, Agent]) -> Refuse | Ask:
    agents = _known(names, rules, known)
    if not _known(names[:1], rules, known):
        text = f"There is no agent named {names[0].lower()} here. Known are: {listed([*known]) or 'none'}."
        return Refuse(text, os.EX_NOUSER)
    if not text:
        called = " ".join(f"@{agent.name}" for agent in agents)
        return Refuse(f"What shall I tell {' and '.join(agent.name for agent in agents)}? Write: {called} your text")
    return Ask(agents, text, stays=True)


def _known(names: Sequence[str], rules: Rules, known: Mapping[str, Agent]) -> tuple[Agent, ...]:
    aliases = {alias.strip().lower(): name for alias, name in rules.section.aliases.items()}
    folded = dict.fromkeys(aliases.get(name.strip().lower(), name).strip().lower() for name in names)
    return tuple(known[name] for name in folded if name in known)


def _by_words(text: str, rules: Rules) -> Sequence[str]:
    looked_at = text[:LOOKED_AT]
    for each in rules.routes:
        if any(_keyword(word).search(looked_at) for word in each.keywords):
            return each.agents
        if each.pattern in rules.found:
            return each.agents
    return ()


def with_found(rules: Rules, line: str, patterns: Patterns) -> Rules:
    """The rules, with the patterns noted that this line fits."""
    wanted = dict.fromkeys(route.pattern for route in rules.routes if route.pattern)
    if not wanted:
        return rules
    text, search = line.strip()[:LOOKED_AT], patterns.search()
    return replace(rules, found=frozenset(each for each in wanted if search.fits(each, text, ignore_case=True)))


def trouble(rules: Rules, patterns: Patterns) -> str:
    """What a person should mend of the patterns."""
    if not patterns.slow or patterns.slow not in [route.pattern for route in rules.routes]:
        return ""
    return f"the pattern {patterns.slow!r} takes too long to look for, so it does not always count"


def _by_channel(place: Place, rules: Rules) -> Sequence[str]:
    return next((each.agents for each in rules.routes if place.channels.intersection(each.channels)), ())


@functools.cache
def _keyword(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def _built_in(text: str) -> Say | Command:
    for name in ("help", "status", "agents"):
        if is_alone(text, name):
            return Command(name)
    words = _words(text)
    for greeting, answer in _GREETINGS.items():
        if words == greeting or (words.startswith(greeting + " ") and len(words.split()) <= 4):
            return Say(answer)
    return Command("help", "I can greet, and I know these:")


def _words(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text[:LOOKED_AT].lower()).split())
