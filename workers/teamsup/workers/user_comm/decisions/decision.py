"""A decision that an agent requests from people: the allowed requests, the answer that counts, and the due actions.
Pure.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from teamsup.config.people_protocol import MAX_OPTIONS
from teamsup.hub import CallerError, Message
from teamsup.hub.team import normalize_name
from teamsup.hub.validation import MAX_LISTED_NAMES, quote

GRACE_PERIOD = timedelta(seconds=10)
OBJECTION_PERIOD = timedelta(seconds=30)
"""A default that may permit something counts only if people have seen the decision for this many seconds."""
_MAX_OPTION_LENGTH = 80
_MAX_DECIDERS = 20
_MAX_ANSWER_LENGTH = 4000
_OPTION_NUMBER = re.compile(r"#?([1-9]\d?)[.)]?")
_ANY_NUMBER = re.compile(r"#?\d+[.)]?", re.ASCII)
_DISCORD_USER = re.compile(r"(?:discord:|<@!?)?(\d{1,19})>?", re.ASCII)

DecisionState = Literal["open", "decided", "defaulted", "expired", "undeliverable", "withdrawn"]


@dataclass(frozen=True, slots=True)
class DecisionSpec:
    """An agent's request for a decision."""

    options: tuple[str, ...] = ()
    """Empty if the answer is free text."""
    deciders: tuple[str, ...] = ()
    """The deciders: ``discord:NUMBER`` or the name of a person in a terminal. Empty if every person who may write to
    the team may decide.
    """
    default: str | None = None
    """The answer that counts when no person has decided by the deadline."""
    default_denies: bool = False
    """Whether the agent has declared that the default is a denial. The text alone does not tell: "no" to "Any
    objections?" is a permission.
    """

    @property
    def deciders_on_discord(self) -> tuple[int, ...]:
        return tuple(int(name[8:]) for name in self.deciders if name.startswith("discord:"))


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision and its outcome. Its number is the number of the message that requests it."""

    number: int
    message_id: str
    asked_by: str
    text: str
    priority: str
    asked_at: datetime
    spec: DecisionSpec
    deadline: datetime | None = None
    is_public: bool = False
    state: DecisionState = "open"
    answer: str | None = None
    decided_by_id: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    reminded_at: datetime | None = None

    @property
    def option_index(self) -> int | None:
        """Return the index of the chosen option, from 0."""
        options = self.spec.options
        return options.index(self.answer) if self.answer in options else None


@dataclass(frozen=True, slots=True)
class AcceptedAnswer:
    """An answer that counts."""

    answer: str


@dataclass(frozen=True, slots=True)
class InvalidAnswer:
    """An answer that does not count, and the reason."""

    reason: Literal["unknown", "closed", "not allowed", "own", "no such option"]


@dataclass(frozen=True, slots=True)
class DueAction:
    """The due action for an open decision, and the seconds until the next step."""

    final_state: DecisionState | None = None
    remind: bool = False
    seconds: float = math.inf


def parse_spec(message: Message, people: Mapping[str, Collection[str]] | None = None) -> DecisionSpec:
    """Return the request in the message. ``people`` maps a name to the persons who have it. Raise CallerError with a
    sentence for the agent.
    """
    options = _parse_options(message.metadata)
    default = message.metadata.get("default")
    if default is not None:
        if message.expires_at is None:
            raise CallerError("A default needs a deadline: set expires_in, in seconds.")
        if not isinstance(default, str) or not default.strip():
            raise CallerError("The default must be a text.")
        chosen = _match_option(options, default) if options else default.strip()
        if chosen is None:
            raise CallerError(f"The default {quote(default)} is not one of the options.")
        default = chosen
    denies = message.metadata.get("default_denies", False)
    if not isinstance(denies, bool):
        raise CallerError("default_denies must be true or false.")
    if denies and default is None:
        raise CallerError("default_denies needs a default.")
    deciders = _parse_deciders(message.metadata, people or {})
    if message.sender in deciders:
        raise CallerError("Nobody decides their own question. Name others as deciders.")
    return DecisionSpec(options, deciders, default, denies)


def evaluate(
    decision: Decision,
    person: str,
    words: str,
    on_discord: Collection[int] = (),
    *,
    is_agent: bool = False,
    is_own: bool = False,
) -> AcceptedAnswer | InvalidAnswer:
    """Return whether this answer counts. ``on_discord`` contains the users who may decide on Discord; it is empty for
    all.

    An agent may decide only if it is a named decider. ``is_own`` means that the answer comes from the asker, perhaps
    under another name. Such an answer does not count.
    """
    if decision.state != "open":
        return InvalidAnswer("closed")
    if is_own or is_asker(decision, person):
        return InvalidAnswer("own")
    if not may_decide(decision, person, on_discord) or (is_agent and person not in decision.spec.deciders):
        return InvalidAnswer("not allowed")
    options = decision.spec.options
    answer = _match_option(options, words) if options else words.strip()[:_MAX_ANSWER_LENGTH]
    return AcceptedAnswer(answer) if answer else InvalidAnswer("no such option")


def is_asker(decision: Decision, person: str) -> bool:
    return canonical_person(person) == canonical_person(decision.asked_by)


def may_decide(decision: Decision, person: str, on_discord: Collection[int] = ()) -> bool:
    if is_asker(decision, person):
        return False
    number = person.removeprefix("discord:")
    if number != person and on_discord and int(number) not in on_discord:
        return False
    names = {person, canonical_person(person)}
    return not decision.spec.deciders or any(
        name in (decider, f"console-{decider}") for name in names for decider in decision.spec.deciders
    )


def canonical_person(name: str) -> str:
    """Return the same name for all terminals and commands of a person."""
    return re.sub(r"-\d+$", "", name) if name.startswith("console-") else name


def match_answer(line: str, shown: Sequence[Decision], written: datetime) -> Decision | None:
    """Return the decision that a line answers. ``shown`` contains the decisions in the conversation, the last first.

    A decision that ended while the person was writing still matches.
    """
    meant = (
        each for each in shown if is_answerable(each, written) and _match_option(each.spec.options, line) is not None
    )
    return next(meant, None)


def find_mistyped(
    line: str, shown: Sequence[Decision], person: str, on_discord: Collection[int] = ()
) -> Decision | None:
    """Return the only open decision, if the line is a number that is not one of its options."""
    open_ones = [each for each in shown if each.state == "open" and may_decide(each, person, on_discord)]
    is_meant = len(open_ones) == 1 and open_ones[0].spec.options and _ANY_NUMBER.fullmatch(line.strip())
    return open_ones[0] if is_meant else None


def is_answerable(decision: Decision, at: datetime) -> bool:
    """Return whether the decision is open, or was open a moment ago."""
    return decision.state == "open" or (decision.decided_at or at) >= at - GRACE_PERIOD


def next_action(decision: Decision, now: datetime, first_reminder: float, shown_at: datetime | None) -> DueAction:
    """Return the due action. People are reminded until the deadline, and each interval is twice as long as the previous
    interval.

    If a default may permit something, people first have time to object. The default of a decision that no
    person has seen does not count.
    """
    left = math.inf if decision.deadline is None else (decision.deadline - now).total_seconds()
    if left <= 0:
        if decision.spec.default is None:
            return DueAction("undeliverable" if shown_at is None else "expired")
        if decision.spec.default_denies:
            return DueAction("defaulted")
        if shown_at is None:
            return DueAction("undeliverable")
        wait = (shown_at + OBJECTION_PERIOD - now).total_seconds()
        return DueAction("defaulted") if wait <= 0 else DueAction(seconds=wait)
    age = (now - decision.asked_at).total_seconds()
    reminded = 0.0 if decision.reminded_at is None else (decision.reminded_at - decision.asked_at).total_seconds()
    remind = age >= 2 * reminded + first_reminder
    following = (2 * age if remind else 2 * reminded) + first_reminder
    return DueAction(None, remind, min(left, following - age))


def _match_option(options: Sequence[str], words: str) -> str | None:
    """Return the option with this text, or the option with this number."""
    text = words.strip().casefold()
    for option in options:
        if option.casefold() == text:
            return option
    number = _OPTION_NUMBER.fullmatch(text)
    return options[int(number[1]) - 1] if number and int(number[1]) <= len(options) else None


def _parse_options(metadata: Mapping[str, object]) -> tuple[str, ...]:
    given = metadata.get("options")
    if given is None or given == []:
        return ()
    if not isinstance(given, list) or not all(isinstance(each, str | int | float) for each in given):
        raise CallerError("options must be a list of texts.")
    options = tuple(" ".join(str(each).split()) for each in given)
    if not 2 <= len(options) <= MAX_OPTIONS:
        raise CallerError(f"There must be 2 to {MAX_OPTIONS} options, or none for an answer in words.")
    if not all(0 < len(each) <= _MAX_OPTION_LENGTH for each in options):
        raise CallerError(f"Each option must have 1 to {_MAX_OPTION_LENGTH} characters.")
    if len({each.casefold() for each in options}) < len(options):
        raise CallerError("The options must differ.")
    return options


def _parse_deciders(metadata: Mapping[str, object], people: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    given = metadata.get("deciders") or []
    names = [given] if isinstance(given, str | int) else given
    if not isinstance(names, list) or len(names) > _MAX_DECIDERS:
        raise CallerError(f"deciders must be a list of at most {_MAX_DECIDERS} people.")
    known = {called.casefold(): meant for called, meant in people.items()}
    return tuple(_resolve_decider(each, known.get(str(each).strip().casefold(), ())) for each in names)


def _resolve_decider(name: object, people: Collection[str]) -> str:
    if len(people) > 1:
        raise CallerError(
            f"deciders: {quote(name)} may be {' or '.join(sorted(people)[:MAX_LISTED_NAMES])}; name one of these."
        )
    return next(iter(people), "") or _parse_decider(name)


def _parse_decider(name: object) -> str:
    if number := _DISCORD_USER.fullmatch(str(name).strip()):
        return f"discord:{number[1]}"
    try:
        return normalize_name(str(name))
    except CallerError as error:
        raise CallerError(
            f"deciders: {quote(name)} is not known; write the name of a person in a terminal, or discord:NUMBER."
        ) from error
