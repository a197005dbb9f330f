"""The team's ``teamsup.toml``: every part of the team reads the sections that are its own."""

import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from .errors import CallerError, NotConfigured
from .team import Team

T = TypeVar("T")
_WORDS: dict[Any, str] = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}


class Settings:
    """The file as read once; without a file, every section has its defaults.

    Raises NotConfigured, naming the file and what is wrong, when it is no TOML.
    """

    def __init__(self, team: Team) -> None:
        self.path = team.configuration
        try:
            self.tables = tomllib.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            self.tables = {}
        except (OSError, ValueError) as error:
            raise NotConfigured(f"{self.path} cannot be read: {error}.") from error

    def section(self, name: str, kind: type[T]) -> T:
        """The section as ``kind``, a dataclass whose fields are the keys and whose defaults are the defaults.

        Raises NotConfigured for an unknown key, a value of the wrong type, and for what the dataclass itself refuses
        by a ValueError.
        """
        table = self.tables.get(name, {})
        if not isinstance(table, dict):
            raise NotConfigured(f"{self.path}: {name} must be a section, [{name}].")
        types = get_type_hints(kind)
        known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        values = {key: self._typed(name, key, value, types, known) for key, value in table.items()}
        try:
            return kind(**values)
        except (ValueError, CallerError) as error:
            raise NotConfigured(f"{self.path}: [{name}] {str(error).rstrip('.')}.") from error

    def check(self, sections: Mapping[str, type[Any]]) -> None:
        """Raises NotConfigured for the first thing wrong in any section, or a section of another name."""
        for name in self.tables:
            if name not in sections:
                raise NotConfigured(f"{self.path}: there is no section [{name}]; {_hint(name, list(sections))}")
            self.section(name, sections[name])

    def _typed(self, section: str, key: str, value: Any, types: Mapping[str, Any], known: list[str]) -> Any:  # noqa: ANN401
        if key not in known:
            raise NotConfigured(f"{self.path}: [{section}] has no key {key!r}; {_hint(key, known)}")
        wanted = types[key]
        if get_origin(wanted) is tuple:
            item = get_args(wanted)[0]
            if isinstance(value, list) and all(_fits(entry, item) for entry in value):
                return tuple(value)
            raise NotConfigured(f"{self.path}: [{section}] {key} must be a list, each entry {_WORDS[item]}.")
        if not _fits(value, wanted):
            raise NotConfigured(f"{self.path}: [{section}] {key} must be {_WORDS[wanted]}, not {value!r}.")
        return value


def _fits(value: object, wanted: type) -> bool:
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def _hint(name: str, known: list[str]) -> str:
    similar = difflib.get_close_matches(name, known, 1)
    return f"did you mean {similar[0]}?" if similar else f"known are {', '.join(known)}."
