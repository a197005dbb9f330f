"""The words that fit as the last word of a command line. Pure, except for the names of a team."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from teamsup.terminal.candidates import Kind, kind_of

from .known_commands import help_of, options_of, values_of, verbs_of

Names = Callable[[Kind], Iterable[str]]
"""A function that returns the present names of a kind."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that fits, and its meaning."""

    word: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """The words that fit. ``paths`` is FILE or FOLDER if the shell itself completes a path."""

    candidates: list[Candidate]
    paths: Kind | None = None


class _Position:
    """The parser and the arguments that may come next, after some words of a command line."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser
        self.values = values_of(parser)
        """The arguments that may still follow without an option."""
        self.awaiting: argparse.Action | None = None
        """The option whose value comes next."""
        self.are_options_over = False
        self.given: set[str] = set()
        """The options of the words so far."""

    def advance(self, word: str) -> None:
        """Move past one more word. Ignore a word that is not understood."""
        if self.awaiting is not None:
            self.awaiting = None
        elif word == "--":
            self.are_options_over = True
        elif word.startswith("-") and len(word) > 1 and not self.are_options_over:
            action = _find_option(self.parser, word.partition("=")[0])
            if action is not None:
                self.given.update(action.option_strings)
                self.awaiting = None if action.nargs == 0 or "=" in word else action
        elif self.values:
            if self.values[0].nargs not in ("*", "+", argparse.REMAINDER):
                del self.values[0]
        else:
            for name, _, verb in verbs_of(self.parser):
                if name == word:
                    self.parser, self.values = verb, values_of(verb)


def complete(parser: argparse.ArgumentParser, words: Sequence[str], names: Names) -> Completion:
    """Return the words that can replace the last of these words, which may be empty."""
    *before, last = words
    position = _Position(parser)
    for word in before:
        position.advance(word)
    if position.awaiting is not None:
        return _complete_value(position.awaiting, last, names)
    option, is_set, value = last.partition("=")
    if is_set and not position.are_options_over and (action := _find_option(position.parser, option)) is not None:
        found = _complete_value(action, value, names)
        return Completion([Candidate(f"{option}={each.word}", each.meaning) for each in found.candidates], found.paths)
    if last.startswith("-") and not position.are_options_over:
        return Completion(_fitting(_options(position), last))
    verbs = [Candidate(name, meaning) for name, meaning, _ in verbs_of(position.parser)]
    found = Completion([])
    if position.values:
        found = _complete_value(position.values[0], last, names)
    elif verbs:
        found = Completion(_fitting(verbs, last))
    if found.candidates or found.paths or position.are_options_over or last:
        return found
    return Completion(_options(position))


def _find_option(parser: argparse.ArgumentParser, name: str) -> argparse.Action | None:
    return parser._option_string_actions.get(name)


def _options(position: _Position) -> list[Candidate]:
    """Return the options that were not given yet, each by its long name."""
    return [
        Candidate(action.option_strings[-1], help_of(position.parser, action))
        for action in options_of(position.parser)
        if not position.given & set(action.option_strings)
    ]


def _complete_value(action: argparse.Action, last: str, names: Names) -> Completion:
    kind = kind_of(action)
    if kind in (Kind.FILE, Kind.FOLDER):
        return Completion([], kind)
    known = action.choices if action.choices else names(kind) if kind else ()
    return Completion(_fitting([Candidate(str(each)) for each in known], last))


def _fitting(candidates: Iterable[Candidate], start: str) -> list[Candidate]:
    return [each for each in candidates if each.word.startswith(start)]
