"""Objects that are stored as JSON, which foreign programs may have written."""

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidValue
from ..validation import MAX_QUOTED_CHARACTERS

_SURROGATE = re.compile("[\ud800-\udfff]")


def encode_metadata(metadata: Mapping[str, Any]) -> str:
    """Return the metadata of an agent as JSON; replace lone surrogates. Raise InvalidValue."""
    try:
        text = json.dumps(dict(metadata), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValue(f"The metadata is not valid JSON: {str(error)[:MAX_QUOTED_CHARACTERS]}.") from error
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def decode_metadata(text: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Return the stored JSON object, without lone surrogates; empty if another value is stored."""
    if text == "{}":
        return {}
    try:
        value = json.loads(text)
        if "\\ud" in str(text).lower():
            value = json.loads(_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", json.dumps(value, ensure_ascii=False)))
    except (TypeError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def metadata_text(text: Any, key: str) -> str | None:  # noqa: ANN401
    """Return one value of a stored JSON object as text, or None. A value that is not text is returned as JSON."""
    if text == "{}":
        return None
    value = _decode_last(text).get(key)
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# Keep the last object, because a query asks for several keys of one row.
_decode_last = functools.lru_cache(maxsize=1)(decode_metadata)
