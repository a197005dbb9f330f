"""The output of ``--json``: one object with the name of the team. A list has a key in the plural, such as "messages".

Commands that print as things happen, such as ``read`` and ``chat``, print one object in each line instead.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any


def print_json(team: str, **values: Any) -> None:  # noqa: ANN401
    """Print one object. Times become ISO 8601 texts with their zone, and objects with fields become objects."""
    print(json.dumps({"team": team, **values}, indent=2, ensure_ascii=False, default=_to_json), flush=True)  # noqa: T201


def print_json_line(**values: Any) -> None:  # noqa: ANN401
    """Print one object of a stream, in one line."""
    print(json.dumps(values, ensure_ascii=False, default=_to_json), flush=True)  # noqa: T201


def _to_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
