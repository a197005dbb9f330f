"""Verbs of a command, such as ``teamsup hub stats``. The old name of a renamed verb is refused; the error says
the new name."""

import argparse
from collections.abc import Callable
from typing import Any, NoReturn


def add_verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, run: Callable[..., Any]
) -> argparse.ArgumentParser:
    """Add a verb. Its parser sets ``arguments.verb`` to ``run``."""
    verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    verb.set_defaults(verb=run)
    return verb


def add_renamed_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", old: str, new: str) -> None:
    """Refuse the verb ``old`` with its new name. No list of verbs shows it."""
    verbs.add_parser(old, add_help=False).add_argument("rest", nargs=argparse.REMAINDER, action=_Refusal, const=new)


class _Refusal(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        parser.error(f"this is called '{parser.prog.rpartition(' ')[0]} {self.const}' now")
