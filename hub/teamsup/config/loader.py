"""Load the team's ``teamsup.toml``. Each part of the team reads its own sections."""

import collections.abc
import json
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from teamsup.hub.errors import CallerError, NotConfigured
from teamsup.hub.team import CONFIGURATION_VARIABLE as CONFIGURATION_VARIABLE
from teamsup.hub.team import Team, check_owner
from teamsup.hub.validation import find_similar

from .renamed import describe_renamed_key, describe_renamed_section

T = TypeVar("T")
_TYPE_NAMES: dict[Any, str] = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}
_DUPLICATE_SECTION = re.compile(r"Cannot declare (\(.+\)) twice")
"""Python's message for a common mistake: a section is added below the commented one of ``teamsup init``."""


class Config:
    """The configuration, read once: from ``tables``, else from the supervisor, else from the file, else the defaults.
    Raise NotConfigured, with the file and the mistake, if it is not TOML.
    """

    def __init__(self, team: Team, tables: Mapping[str, Any] | None = None) -> None:
        self.path = team.configuration
        if tables is None:
            tables = _load_accepted(team)
        if tables is None:
            tables = load_file(team, must_exist=False)
        self.tables = tables

    def section(self, name: str, kind: type[T]) -> T:
        """Return the section as ``kind``, a dataclass of its keys and their defaults.

        Raise NotConfigured for an unknown key, a value of the wrong type, or a ValueError of the dataclass itself.
        """
        return self._parse_section(name, self._find_table(name), kind)

    def sections_of(self, name: str, kind: type[T]) -> dict[str, T]:
        """Return the sections [name.X], by X. Raise the errors of section()."""
        return {part: self.subsection(name, part, kind) for part in self.names_of(name)}

    def names_of(self, name: str) -> list[str]:
        """Return the X of the sections [name.X]."""
        return list(self._find_table(name))

    def subsection(self, name: str, part: str, kind: type[T]) -> T:
        """Return the section [name.part]. Raise the errors of section()."""
        return self._parse_section(f"{name}.{part}", self._find_table(name, part), kind)

    def check_section_names(self, known: list[str]) -> None:
        """Raise NotConfigured for a section of another name."""
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
        types = get_type_hints(kind)
        known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        values = {key: self._parse_value(name, key, value, types, known) for key, value in table.items()}
        try:
            return kind(**values)
        except (ValueError, CallerError) as error:
            raise NotConfigured(f"{self.path}: [{name}] {str(error).rstrip('.')}.") from error

    def _parse_value(self, section: str, key: str, value: Any, types: Mapping[str, Any], known: list[str]) -> Any:  # noqa: ANN401
        if key not in known:
            hint = describe_renamed_key(section, key)
            hint = hint or f"[{section}] has no key {key!r}; {_suggest_name(key, known)}"
            raise NotConfigured(f"{self.path}: {hint}")
        wanted, otherwise = types[key], ""
        if get_origin(wanted) in (UnionType, Union):
            choices = [part for part in get_args(wanted) if part is not NoneType]
            otherwise = ", or one text" if str in choices[1:] else ""
            wanted = type(value) if type(value) in choices else choices[0]
        if get_origin(wanted) is Literal:
            if value in get_args(wanted):
                return value
            choice = ", ".join(f'"{choice}"' for choice in get_args(wanted))
            raise NotConfigured(f"{self.path}: [{section}] {key} must be one of {choice}, not {value!r}.")
        if isinstance(wanted, type) and is_dataclass(wanted):
            if not isinstance(value, dict):
                raise NotConfigured(f"{self.path}: [{section}] {key} must be a table, {{ … }}.")
            return self._parse_section(f"{section}.{key}", value, wanted)
        if get_origin(wanted) is collections.abc.Mapping:
            if isinstance(value, dict) and all(isinstance(entry, str) for entry in value.values()):
                return value
            raise NotConfigured(f'{self.path}: [{section}] {key} must be a table of texts, {{ NAME = "text" }}.')
        if get_origin(wanted) is tuple:
            item = get_args(wanted)[0]
            if isinstance(value, list) and all(_has_type(entry, item) for entry in value):
                return tuple(value)
            entry = _TYPE_NAMES[item]
            raise NotConfigured(f"{self.path}: [{section}] {key} must be a list, each entry {entry}{otherwise}.")
        if not _has_type(value, wanted):
            raise NotConfigured(f"{self.path}: [{section}] {key} must be {_TYPE_NAMES[wanted]}, not {value!r}.")
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
    """Return the configuration that the supervisor handed to this process; None if there is none."""
    # Only for a process of this team, because a worker may also read the configuration of another team.
    if os.environ.get(CONFIGURATION_VARIABLE) != str(team.accepted_configuration):
        return None
    try:
        return dict(json.loads(team.accepted_configuration.read_text("utf-8"))["tables"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _has_type(value: object, wanted: type) -> bool:
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def _suggest_name(name: str, known: list[str]) -> str:
    similar = find_similar(name, known)
    return f"did you mean {similar}?" if similar else f"known are {', '.join(known)}."
