"""JSON that other programs read too: taken strictly, and written anew in the style that it had."""

import json
import math
import os
import re
from typing import Any

from teamsup.hub import CallerError

_WORDS: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}
_INDENTATION = re.compile(r'\n([ \t]*)"')
_BLANK_BEHIND_A_COLON = re.compile(r'\{\s*"(?:[^"\\]|\\.)*"\s*:\s')


class InvalidJson(CallerError):
    """A file that is no JSON, or has something else where we look for ours."""

    exit_code = os.EX_DATAERR


class Document:
    """The text of one file, and its value. Raises InvalidJson, which names the file."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        try:
            self.value: Any = json.loads(
                text.removeprefix("\ufeff"), object_pairs_hook=_object, parse_float=_number, parse_constant=_number
            )
        except json.JSONDecodeError as error:
            why = "JSON knows no comments" if error.doc.startswith(("//", "/*"), error.pos) else error.msg
            raise InvalidJson(f"{name}, line {error.lineno}, column {error.colno}: {why}.") from None
        except (ValueError, RecursionError) as error:
            raise InvalidJson(f"{name}: {error}.") from None

    def expect(self, kind: type, *path: str) -> None:
        """Raises InvalidJson when something of another kind stands at the end of the path."""
        found = self.value
        for key in path:
            if key not in found:
                return
            found = found[key]
        if not isinstance(found, kind):
            raise InvalidJson(f"{self.name}: {'.'.join(path) or 'the whole'} is not {_WORDS[kind]}.")

    def changed_to(self, value: Any) -> str:  # noqa: ANN401 - JSON
        """The text of another value, with the same indentation, line ends, and blanks before and behind."""
        body = self.text.strip("\ufeff \t\r\n")
        before, _, behind = self.text.partition(body)
        if '"' in body and "\n" not in body:
            separators = (", ", ": ") if _BLANK_BEHIND_A_COLON.match(body) else (",", ":")
            return before + json.dumps(value, separators=separators, ensure_ascii=False) + behind
        found = _INDENTATION.search(body)
        text = json.dumps(value, indent=found[1] if found else 2, ensure_ascii=False)
        return before + (text.replace("\n", "\r\n") if "\r\n" in self.text else text) + behind


def new_text(value: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {key!r} stands twice in one object")
        made[key] = value
    return made


def _number(text: str) -> float:
    """Python would read NaN and Infinity, make 1e999 infinite, and write them again."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no finite number")
    return number
