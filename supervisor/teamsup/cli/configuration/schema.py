"""The JSON Schema of teamsup.toml: editors complete and check the file with it."""

import collections.abc
import json
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from teamsup.config.components import installed_components
from teamsup.config.keys import SectionKey
from teamsup.config.loader import choices_of
from teamsup.hub import Team

from .described_sections import DescribedKey, DescribedSection, describe_sections

SCHEMA_FILE = "teamsup.schema.json"
"""The name of the file with the schema. The first line of teamsup.toml names it."""
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def make_schema() -> dict[str, Any]:
    """Return the schema, of draft 7, for the installed components. It refuses every unknown section and key."""
    sections = {each.name: _describe_section(each) for each in describe_sections()}
    for component in installed_components().values():
        if component.fault:
            # A component that cannot be loaded cannot name its keys.
            sections.setdefault(component.name, {"description": component.fault})
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "teamsup.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": sections,
    }


def write_schema(team: Team) -> Path:
    """Write the schema beside teamsup.toml, and return its file. Raise OSError."""
    file = team.folder / SCHEMA_FILE
    new = file.with_suffix(".new")
    new.write_text(render_schema(), "utf-8")
    return new.replace(file)


def is_schema_old(team: Team) -> bool:
    """Return whether the schema beside teamsup.toml is outdated. Return False if there is no such file."""
    try:
        return (team.folder / SCHEMA_FILE).read_text("utf-8") != render_schema()
    except (OSError, UnicodeDecodeError):
        return False


def render_schema() -> str:
    """Return the schema as a text of JSON."""
    return json.dumps(make_schema(), indent=2, ensure_ascii=False) + "\n"


def _describe_section(section: DescribedSection) -> dict[str, Any]:
    table: dict[str, Any] = {"type": "object", "description": section.text, "additionalProperties": False}
    if required := [each.key.name for each in section.keys if each.key.is_required]:
        table["required"] = required
    table["properties"] = {each.key.name: _describe_key(each) for each in section.keys}
    if section.is_group:
        return {"type": "object", "description": section.text, "additionalProperties": table}
    return table


def _describe_key(each: DescribedKey) -> dict[str, Any]:
    unit = f"In {each.unit}, {each.range}." if each.unit else ""
    found: dict[str, Any] = {"description": " ".join(filter(None, (each.meaning, unit)))}
    if each.key.default is not None:
        found["default"] = list(each.key.default) if isinstance(each.key.default, tuple) else each.key.default
    if each.table is not None:
        return found | _describe_section(each.table)
    kinds = [_describe_type(kind, each.key) for kind in choices_of(each.key.type)]
    return found | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds})


def _describe_type(kind: Any, key: SectionKey) -> dict[str, Any]:  # noqa: ANN401 - a type
    origin = get_origin(kind)
    if origin is Literal:
        return {"enum": list(get_args(kind))}
    if origin is tuple:
        return {"type": "array", "items": _describe_type(get_args(kind)[0], key)}
    if origin is collections.abc.Mapping:
        return {"type": "object", "additionalProperties": _describe_type(get_args(kind)[1], key)}
    assert not is_dataclass(kind)  # noqa: S101 - a table was described before
    found: dict[str, Any] = {"type": _TYPES[kind]}
    if key.pattern is not None and kind is str:
        found["pattern"] = f"^(?:{key.pattern.pattern})$"
    if key.number is None or kind not in (int, float):
        return found
    low = "exclusiveMinimum" if key.number.is_above else "minimum"
    found |= {low: key.number.least, "maximum": key.number.most}
    return {"anyOf": [{"const": 0}, found]} if key.number.or_zero else found
