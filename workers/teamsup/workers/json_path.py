"""Paths into JSON, such as ``$.alert.name``, and the mapping of a payload that such paths make. Pure."""

import re
from collections.abc import Mapping
from typing import Any

MAPPING_KEYS = ("each", "title", "key", "status", "resolved", "severity", "text", "group", "labels", "link", "at")
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d{1,6})\]|\['([^']{1,100})'\]")
_MAX_STEPS = 20


def parse_path(path: str) -> tuple[str | int, ...]:
    """Return the steps of ``$.a['b c'][0]``: names and numbers. Raise ValueError."""
    steps: list[str | int] = []
    end = 1
    while path.startswith("$") and (found := _STEP.match(path, end)):
        steps.append(int(found[2]) if found[2] else found[1] or found[3])
        end = found.end()
    if not path.startswith("$") or end != len(path) or len(steps) > _MAX_STEPS:
        raise ValueError(f'{path!r} is not a path such as "$.alert.name" or "$.alerts[0][\'my name\']"')
    return tuple(steps)


def find_value(steps: tuple[str | int, ...], value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the value at a path, or None."""
    for step in steps:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Raise ValueError unless each key is known, each path can be read, and there is a title."""
    for key, text in mapping.items():
        if key not in MAPPING_KEYS:
            raise ValueError(f"mapping: there is no {key!r}; known are {', '.join(MAPPING_KEYS)}")
        if text.startswith("$") or key in ("each", "labels"):
            parse_path(text)
    if not mapping.get("title"):
        raise ValueError('mapping needs a title, such as { title = "$.alert.name" }')
