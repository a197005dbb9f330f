"""Route a person's message: the first matching rule decides. Pure, except for the memory of slow patterns."""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from teamsup.config.components import find_command, people_commands
from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import Agent
from teamsup.hub.errors import ExitCode
from teamsup.hub.validation import find_similar, list_names

from ...pattern_matcher import PatternMatcher
from ..outcome import ErrorReply, Reply
from ..sections import MessageRouteSection, UserCommSection

_COMMAND = re.compile(r"/(?P<name>[a-zA-Z][a-zA-Z0-9_-]*)(?:\s+(?P<rest>.*))?", re.DOTALL)
_MENTION = re.compile(r"@(?P<agent>\w[\w.-]*)[,:;]?\s*(?:(?:and|und|&)\s+(?=@))?")
_EVERYBODY = ("everyone", "here")
"""Discord's names for all people in a channel. No agent has such a name."""
_MAX_SEARCHED = 4000
"""The number of characters of a line that are searched. A pattern may be slow for an unknown person's text."""

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
class Forward:
    """Forward the text to these agents."""

    agents: tuple[Agent, ...]
    text: str
    sticky: bool = False
    """Whether the conversation is assigned to the agents, because the person named them or a keyword selected them."""


@dataclass(frozen=True)
class PersonCommand:
    """Run a command."""

    name: str
    arguments: str = ""


Route = Reply | ErrorReply | Forward | PersonCommand


@dataclass(frozen=True)
class RoutingRules:
    """The rules in teamsup.toml."""

    section: UserCommSection = field(default_factory=UserCommSection)
    routes: Sequence[MessageRouteSection] = ()

    @property
    def agents(self) -> set[str]:
        """Return all agents that a rule may select, in lower case."""
        named = [self.section.default_agent, *self.section.fallback_agents.values(), *self.section.aliases.values()]
        named += [agent for route in self.routes for agent in route.agents]
        return {name.strip().lower() for name in named if name}


@dataclass(frozen=True)
class Origin:
    """The place where a person writes."""

    assigned_agents: tuple[str, ...] = ()
    """The agents to which the conversation is assigned."""
    channels: frozenset[int] = frozenset()
    """The channel's ID on Discord; for a thread also the ID of its channel."""


def route_line(
    line: str, origin: Origin, rules: RoutingRules, team: Sequence[Agent], matcher: PatternMatcher | None = None
) -> Route:
    """Return the route of a person's line. A rule applies only if the team knows its agents. A person's line is
    never routed to user_comm itself. ``matcher`` remembers slow patterns.
    """
    text = line.strip()
    known = {agent.name: agent for agent in team if agent.kind != "console" and agent.name != USER_COMM}
    command = _COMMAND.fullmatch(text)
    # A text that is not one word of letters, such as /a_b, may also be a path.
    if command and (command["name"].isalpha() or find_command(command["name"].lower()) is not None):
        return _parse_command(command["name"].lower(), (command["rest"] or "").strip(), rules, known)
    if text.startswith("@") and (mention := _parse_mention(text, rules, known)) is not None:
        return mention
    if agents := _resolve_agents(origin.assigned_agents, rules, known):
        return Forward(agents, text)
    if agents := _resolve_agents(_match_text(text, rules, matcher or PatternMatcher()), rules, known):
        return Forward(agents, text, sticky=True)
    for names in (_match_channel(origin, rules), (rules.section.default_agent,)):
        if agents := _resolve_agents(names, rules, known):
            return Forward(agents, text)
    return _default_reply(text)


def is_only_word(text: str, word: str) -> bool:
    """Return whether the line is only this word, perhaps after "team"."""
    return _normalize(text).removeprefix("team ") == word


def _parse_command(name: str, rest: str, rules: RoutingRules, known: Mapping[str, Agent]) -> Route:
    if find_command(name) is None:
        known_names = ", ".join(f"/{command.name}" for command in people_commands())
        return ErrorReply(f"There is no command /{name}. The commands are: {known_names}.")
    if name != "ask":
        return PersonCommand(name, rest)
    agent, _, text = rest.removeprefix("@").partition(" ")
    if not agent:
        return ErrorReply("Name an agent: /ask AGENT your text")
    return _default_reply(text) if agent.lower() == USER_COMM else _forward_to([agent], text.strip(), rules, known)


def _parse_mention(text: str, rules: RoutingRules, known: Mapping[str, Agent]) -> Route | None:
    """Read the agents at the start of the line. An unknown second name belongs to the text."""
    names: dict[str, None] = {}
    at = 0
    while match := _MENTION.match(text, at):
        name = match["agent"].rstrip(".").lower()
        if name in _EVERYBODY:
            at = match.end()
            continue
        if names and name not in names and not _resolve_agents([name], rules, known):
            break
        names[name] = None
        at = match.end()
    if not names:
        return None
    return (
        _default_reply(text[at:]) if [*names] == [USER_COMM] else _forward_to([*names], text[at:].strip(), rules, known)
    )


def _forward_to(
    names: Sequence[str], text: str, rules: RoutingRules, known: Mapping[str, Agent]
) -> ErrorReply | Forward:
    agents = _resolve_agents(names, rules, known)
    if not _resolve_agents(names[:1], rules, known):
        called = names[0].lower()
        near = find_similar(called, [*known, *(alias.lower() for alias in rules.section.aliases)])
        guess = f" Did you mean @{near}?" if near else ""
        text = f"There is no agent named {called} here.{guess} Known agents: {list_names([*known]) or 'none'}."
        return ErrorReply(text, ExitCode.UNKNOWN)
    if not text:
        called = " ".join(f"@{agent.name}" for agent in agents)
        return ErrorReply(
            f"What is your message to {' and '.join(agent.name for agent in agents)}? Write: {called} your text"
        )
    return Forward(agents, text, sticky=True)


def _resolve_agents(names: Sequence[str], rules: RoutingRules, known: Mapping[str, Agent]) -> tuple[Agent, ...]:
    aliases = {alias.strip().lower(): name for alias, name in rules.section.aliases.items()}
    folded = dict.fromkeys(aliases.get(name.strip().lower(), name).strip().lower() for name in names)
    return tuple(known[name] for name in folded if name in known)


def _match_text(text: str, rules: RoutingRules, matcher: PatternMatcher) -> Sequence[str]:
    looked_at = text[:_MAX_SEARCHED]
    for each in rules.routes:
        if any(_compile_keyword(word).search(looked_at) for word in each.keywords):
            return each.agents
        if each.pattern and matcher.start_search().matches(each.pattern, looked_at, ignore_case=True):
            return each.agents
    return ()


def describe_slow_pattern(rules: RoutingRules, patterns: PatternMatcher) -> str:
    """Return a note for a person about a slow pattern, or an empty text."""
    if not patterns.slow_pattern or patterns.slow_pattern not in [route.pattern for route in rules.routes]:
        return ""
    return f"the pattern {patterns.slow_pattern!r} takes too long, so it does not always apply"


def _match_channel(origin: Origin, rules: RoutingRules) -> Sequence[str]:
    return next((each.agents for each in rules.routes if origin.channels.intersection(each.channels)), ())


@functools.cache
def _compile_keyword(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def _default_reply(text: str) -> Reply | PersonCommand:
    for name in ("help", "status", "agents"):
        if is_only_word(text, name):
            return PersonCommand(name)
    words = _normalize(text)
    for greeting, answer in _GREETINGS.items():
        if words == greeting or (words.startswith(greeting + " ") and len(words.split()) <= 4):
            return Reply(answer)
    return PersonCommand("help", "I can greet, and I know these:")


def _normalize(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text[:_MAX_SEARCHED].lower()).split())
