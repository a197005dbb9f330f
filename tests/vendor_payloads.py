"""What vendors send, and what is made of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from teamsup.workers.monitor_bridge.alert import Alert
from teamsup.workers.monitor_bridge.sources import PARSERS, BadPayload, Parsed, Request

PAYLOADS = Path(__file__).parent / "workers" / "monitor_bridge" / "payloads"


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, 1e300, -1e-300, 1768471200000, "x" * 5000, "\ud83d", "0", "[" * 50])
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=12,
)
DEEP: Any = "deep"
for _ in range(500):
    DEEP = {"a": [DEEP]}


def payload(name: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads((PAYLOADS / name).read_text("utf-8"))


def news(kind: str, body: object, *path: str) -> Parsed:
    return PARSERS[kind](Request("here", body, path=path))


def alert(kind: str, body: object, *path: str) -> Alert:
    (only,) = news(kind, body, *path)
    assert isinstance(only, Alert)
    return only


def refusal(kind: str, body: object, *path: str) -> str:
    with pytest.raises(BadPayload) as refused:
        news(kind, body, *path)
    return str(refused.value)


def with_change(name: str, *keys: str | int, value: object) -> Any:  # noqa: ANN401 - JSON
    """A payload, changed in one place."""
    whole = place = payload(name)
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return whole


def change_somewhere(data: st.DataObject, whole: Any) -> None:  # noqa: ANN401 - JSON
    """Put anything into any place of it."""
    place = whole
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(ANYTHING | st.just(DEEP))
            return
        place = place[key]
