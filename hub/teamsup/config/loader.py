"""Load the team's ``teamsup.toml``. Each part of the team reads its own sections."""

import collections.abc
import json
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from teamsup.hub.errors import CallerError, NotConfigured
from teamsup.hub.team import CONFIGURATION_VARIABLE as CONFIGURATION_VARIABLE
from teamsup.hub.team import Team, check_owner
from teamsup.hub.validation import find_similar

from .keys import SectionKey, keys_of
from .renamed import describe_renamed_key, describe_renamed_section

T = TypeVar("T")
_TYPE_NAMES: dict[Any, str] = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}
_DUPLICATE_SECTION = re.compile(r"Cannot declare (\(.+\)) twice")
"""Python's message when a section exists twice, a common mistake: ``teamsup init`` has already written some headers."""


class Config:
    """The configuration, read once: from ``tables``, or from the supervisor, or from the file, or the defaults, in this
    order. Raise NotConfigured, with the file and the mistake, if it is not TOML.
    """

    def __init__(self, team: Team, tables: Mapping[str, Any] | None = None) -> None:
        self.path = team.configuration
        if tables is None:
            tables = _load_accepted(team)
        if tables is None:
            tables = load_file(team, must_exist=False)
        self.tables = tables

    def section(self, name: str, kind: type[T]) -> T:
        """Return the section as an object of ``kind``, a dataclass with its keys and their defaults.

        Raise NotConfigured for an unknown key, a value of the wrong type, or a ValueError of the dataclass itself.
        """
        return self._parse_section(name, self._find_table(name), kind)

    def sections_of(self, name: str, kind: type[T]) -> dict[str, T]:
        """Return the sections [name.X], by X. Raise the errors of section()."""
        return {part: self.subsection(name, part, kind) for part in self.names_of(name)}

    def names_of(self, name: str) -> list[str]:
        """Return the names X of the sections [name.X]."""
        return list(self._find_table(name))

    def subsection(self, name: str, part: str, kind: type[T]) -> T:
        """Return the section [name.part]. Raise the errors of section()."""
        return self._parse_section(f"{name}.{part}", self._find_table(name, part), kind)

    def check_section_names(self, known: list[str]) -> None:
        """Raise NotConfigured for a section with an unknown name."""
        for name in self.tables:
            if name not in known:
                hint = describe_renamed_section(name)
                hint = hint or f"there is no section [{name}]; {_suggest_name(name, known)}"
                raise NotConfigured(f"{self.path}: {hint}")

    def _find_table(self, *names: str) -> dict[str, Any]:
        table: Any = self.tables
        for name in names:
            table = table.get(name, {})
        if not isinstance(table, dict):
            label = ".".join(names)
            raise NotConfigured(f"{self.path}: {label} must be a section, [{label}].")
        return table

    def _parse_section(self, name: str, table: Mapping[str, Any], kind: type[T]) -> T:
        keys = keys_of(kind)
        values = {key: self._parse_value(name, key, value, keys) for key, value in table.items()}
        for key in keys.values():
            if key.is_required and key.name not in values:
                raise NotConfigured(f"{self.path}: [{name}] needs {key.name}, such as {key.name} = {key.example}")
        try:
            return kind(**values)
        except (ValueError, CallerError) as error:
            raise NotConfigured(f"{self.path}: [{name}] {str(error).rstrip('.')}.") from error

    def _parse_value(self, section: str, name: str, value: Any, keys: Mapping[str, SectionKey]) -> Any:  # noqa: ANN401
        if name not in keys:
            hint = describe_renamed_key(section, name)
            hint = hint or f"[{section}] has no key {name!r}; {_suggest_name(name, list(keys))}"
            raise NotConfigured(f"{self.path}: {hint}")
        key = keys[name]
        choices = choices_of(key.type)
        wanted = next((each for each in choices if each is type(value)), choices[0])
        if isinstance(wanted, type) and is_dataclass(wanted):
            if not isinstance(value, dict):
                raise NotConfigured(f"{self.path}: [{section}] {name} must be a table, {{ … }}.")
            return self._parse_section(f"{section}.{name}", value, wanted)
        try:
            parsed = _parse_plain(value, wanted, is_text_enough=str in choices[1:])
            key.check(parsed)
        except ValueError as error:
            raise NotConfigured(f"{self.path}: [{section}] {name} {error}.") from error
        return parsed


def choices_of(kind: Any) -> list[Any]:  # noqa: ANN401 - a type
    """Return the types that a value may have, without None."""
    if get_origin(kind) in (UnionType, Union):
        return [part for part in get_args(kind) if part is not NoneType]
    return [kind]


def _parse_plain(value: Any, wanted: Any, *, is_text_enough: bool) -> Any:  # noqa: ANN401
    """Return the value, as a tuple if it is a list. Raise ValueError if it has another type."""
    if get_origin(wanted) is collections.abc.Mapping:
        item = get_args(wanted)[1]
        if isinstance(value, dict) and all(_has_type(entry, item) for entry in value.values()):
            return value
        entries = "texts" if item is str else f"values, each {_name_type(item)}"
        raise ValueError(f'must be a table of {entries}, {{ NAME = "text" }}')
    if get_origin(wanted) is tuple:
        item = get_args(wanted)[0]
        if isinstance(value, list) and all(_has_type(entry, item) for entry in value):
            return tuple(value)
        raise ValueError(f"must be a list, each entry {_name_type(item)}{', or one text' if is_text_enough else ''}")
    if not _has_type(value, wanted):
        raise ValueError(f"must be {_name_type(wanted)}, not {value!r}")
    return value


def _describe_duplicate(found: re.Match[str]) -> str:
    section = ".".join(re.findall(r"'([^']*)'", found[1]))
    return f"the section [{section}] appears twice, write all its keys in one"


def load_file(team: Team, *, must_exist: bool = True) -> dict[str, Any]:
    """Return the current content of teamsup.toml.

    Raise NotConfigured when it is missing but required, is not TOML, or another user may write it.
    """
    check_owner(team.configuration)
    try:
        return tomllib.loads(team.configuration.read_text("utf-8"))
    except FileNotFoundError:
        if not must_exist:
            return {}
        raise NotConfigured(f"There is no {team.configuration}. Write it with: teamsup init") from None
    except tomllib.TOMLDecodeError as error:
        reason = _DUPLICATE_SECTION.sub(_describe_duplicate, str(error))
        raise NotConfigured(f"{team.configuration} cannot be read: {reason}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise NotConfigured(f"{team.configuration} cannot be read: {error}.") from error


def _load_accepted(team: Team) -> dict[str, Any] | None:
    """Return the configuration that the supervisor has passed to this process, or None."""
    # The variable is valid only for its own team, because a worker may also read the configuration of another team.
    if os.environ.get(CONFIGURATION_VARIABLE) != str(team.accepted_configuration):
        return None
    try:
        return dict(json.loads(team.accepted_configuration.read_text("utf-8"))["tables"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _name_type(kind: Any) -> str:  # noqa: ANN401
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(kind))
    return _TYPE_NAMES[kind]


def _has_type(value: object, wanted: Any) -> bool:  # noqa: ANN401
    if get_origin(wanted) is Literal:
        return value in get_args(wanted)
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def _suggest_name(name: str, known: list[str]) -> str:
    similar = find_similar(name, known)
    return f"did you mean {similar}?" if similar else f"known are {', '.join(known)}."
