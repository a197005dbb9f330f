"""What may stand in the place of the last word of a command line. Pure, except for the names of a team."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from teamsup.terminal.candidates import Kind, kind_of

from .command_tree import help_of, options_of, values_of, verbs_of

Names = Callable[[Kind], Iterable[str]]
"""Return the names of a kind that there are now."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that fits, and what it means."""

    word: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """What fits. ``paths`` is FILE or FOLDER where the shell itself knows what there is."""

    candidates: list[Candidate]
    paths: Kind | None = None


@dataclass(slots=True)
class _Place:
    """Where a command line has come to."""

    parser: argparse.ArgumentParser
    values: list[argparse.Action]
    """What may still stand without an option."""
    awaiting: argparse.Action | None = None
    """The option whose value comes next."""
    are_options_over: bool = False
    given: set[str] = field(default_factory=set)
    """The options that stand there already."""


def complete(parser: argparse.ArgumentParser, words: Sequence[str], names: Names) -> Completion:
    """Return what fits in the place of the last of these words, which may be empty."""
    *before, last = words
    place = _follow(parser, before)
    if place.awaiting is not None:
        return _complete_value(place.awaiting, last, names)
    option, is_set, value = last.partition("=")
    if is_set and not place.are_options_over and (action := parser_option(place.parser, option)) is not None:
        found = _complete_value(action, value, names)
        return Completion([Candidate(f"{option}={each.word}", each.meaning) for each in found.candidates], found.paths)
    if last.startswith("-") and not place.are_options_over:
        return Completion(_fitting(_options(place), last))
    verbs = [Candidate(name, meaning) for name, meaning, _ in verbs_of(place.parser)]
    found = Completion([])
    if place.values:
        found = _complete_value(place.values[0], last, names)
    elif verbs:
        found = Completion(_fitting(verbs, last))
    if found.candidates or found.paths or place.are_options_over or last:
        return found
    return Completion(_options(place))


def _follow(parser: argparse.ArgumentParser, words: Sequence[str]) -> _Place:
    """Return where these words lead to. A word that is not understood changes nothing."""
    place = _Place(parser, values_of(parser))
    for word in words:
        if place.awaiting is not None:
            place.awaiting = None
        elif word == "--":
            place.are_options_over = True
        elif word.startswith("-") and len(word) > 1 and not place.are_options_over:
            action = parser_option(place.parser, word.partition("=")[0])
            if action is not None:
                place.given.update(action.option_strings)
                place.awaiting = None if action.nargs == 0 or "=" in word else action
        elif place.values:
            if place.values[0].nargs not in ("*", "+", argparse.REMAINDER):
                del place.values[0]
        else:
            for name, _, verb in verbs_of(place.parser):
                if name == word:
                    place = _Place(verb, values_of(verb))
    return place


def parser_option(parser: argparse.ArgumentParser, name: str) -> argparse.Action | None:
    return parser._option_string_actions.get(name)


def _options(place: _Place) -> list[Candidate]:
    """Return the options that do not stand there yet, each by its long name."""
    return [
        Candidate(action.option_strings[-1], help_of(place.parser, action))
        for action in options_of(place.parser)
        if not place.given & set(action.option_strings)
    ]


def _complete_value(action: argparse.Action, last: str, names: Names) -> Completion:
    kind = kind_of(action)
    if kind in (Kind.FILE, Kind.FOLDER):
        return Completion([], kind)
    known = action.choices if action.choices else names(kind) if kind else ()
    return Completion(_fitting([Candidate(str(each)) for each in known], last))


def _fitting(candidates: Iterable[Candidate], start: str) -> list[Candidate]:
    return [each for each in candidates if each.word.startswith(start)]
