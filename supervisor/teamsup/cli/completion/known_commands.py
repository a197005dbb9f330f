"""All commands and their verbs, as the parser knows them. The man page and the completion of a shell are made from
them.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from ..command_line import COMMANDS, build_parser
from ..component_commands import find_commands, summarize


@dataclass(frozen=True, slots=True)
class Command:
    """A command or a verb. ``words`` are its words after ``teamsup``."""

    words: tuple[str, ...]
    summary: str
    parser: argparse.ArgumentParser

    @property
    def runs(self) -> bool:
        """Whether it can be used without a verb."""
        return all(not each.required for each in self.parser._actions if isinstance(each, argparse._SubParsersAction))


def summaries() -> dict[str, str]:
    """Return the summary of each command, including those of components, without importing them."""
    return {**COMMANDS, **{name: summarize(points) for name, points in find_commands(COMMANDS).items()}}


def all_commands() -> Iterator[Command]:
    """Yield each command, followed by its verbs. This imports all commands."""
    for name, summary in summaries().items():
        for _, _, parser in verbs_of(build_parser([name])):
            yield from _below(Command((name,), summary, parser))


def _below(command: Command) -> Iterator[Command]:
    yield command
    for verb, summary, parser in verbs_of(command.parser):
        yield from _below(Command((*command.words, verb), summary, parser))


def verbs_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Yield the name, the summary and the parser of each verb. Leave out a renamed verb, which does not
    have a summary.
    """
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {each.dest: each.help or "" for each in action._choices_actions}
            for name, verb in action.choices.items():
                if verb.add_help:
                    yield name, summaries.get(name, ""), verb


def values_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the arguments without an option, in their order, without the verb."""
    return [
        each for each in parser._actions if not each.option_strings and not isinstance(each, argparse._SubParsersAction)
    ]


def options_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the options that help shows."""
    return [each for each in parser._actions if each.option_strings and each.help != argparse.SUPPRESS]


def help_of(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Return the text about an argument, as help shows it."""
    return " ".join(parser._get_formatter()._expand_help(action).split()) if action.help else ""
