"""Renamed sub-commands: the old name is refused with the new one."""

import argparse
from typing import NoReturn


def add_renamed_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", old: str, new: str) -> None:
    """Refuse the verb ``old`` with its new name. No list of verbs shows it."""
    verbs.add_parser(old, add_help=False).add_argument("rest", nargs=argparse.REMAINDER, action=_Refusal, const=new)


class _Refusal(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        parser.error(f"this is called '{parser.prog.rpartition(' ')[0]} {self.const}' now")
