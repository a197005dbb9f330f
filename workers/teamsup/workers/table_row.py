"""Rows of a component's tables as dataclasses."""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from teamsup.hub.engines.engine import Row
from teamsup.hub.timestamps import parse_time

T = TypeVar("T")

_PARSERS: dict[object, Callable[[Any], object]] = {bool: bool, datetime | None: parse_time}


def read_row(kind: type[T], row: Row, **given: object) -> T:
    """Return a dataclass whose fields have the values of the columns with the same names. Other fields have the
    ``given`` values.
    """
    values = dict(given)
    for each in fields(kind):  # type: ignore[arg-type]
        if each.name not in given:
            value = row[each.name]
            values[each.name] = _PARSERS[each.type](value) if each.type in _PARSERS else value
    return kind(**values)
