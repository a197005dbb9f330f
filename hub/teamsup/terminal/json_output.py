"""The output of ``--json``: an object with the name of the team. A list in it has a key in the plural.

Commands that print as things happen, such as ``read`` and ``chat``, print such an object in each line.
"""

import argparse
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

_HELP = "print JSON for programs"


def add_json_option(parser: argparse.ArgumentParser, *verbs: argparse.ArgumentParser) -> None:
    """Add ``--json`` to a command and to its verbs. It works before and after the verb."""
    parser.add_argument("--json", action="store_true", help=_HELP)
    for verb in verbs:
        verb.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=_HELP)


def print_json(team: str, /, **values: Any) -> None:  # noqa: ANN401
    """Print one object. Times become ISO 8601 texts with their zone, and objects with fields become objects."""
    print(json.dumps({"team": team, **values}, indent=2, ensure_ascii=False, default=_to_json), flush=True)  # noqa: T201


def print_json_line(team: str, /, **values: Any) -> None:  # noqa: ANN401
    """Print one object of a stream, in one line."""
    print(json.dumps({"team": team, **values}, ensure_ascii=False, default=_to_json), flush=True)  # noqa: T201


def print_result(team: str, text: str, /, *, as_json: bool, **values: Any) -> None:  # noqa: ANN401
    """Print what a command has done: a sentence, or with ``as_json`` the values and the sentence as ``text``."""
    if as_json:
        print_json(team, **values, text=text)
    else:
        print(text, flush=True)  # noqa: T201


def fields_of(value: object) -> dict[str, Any]:
    """Return the fields of an instance of a dataclass by their names."""
    return {name: getattr(value, name) for name in getattr(value, "__dataclass_fields__", ())}


def _to_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "__dataclass_fields__"):
        return fields_of(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
