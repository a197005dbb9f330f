"""What vendors send, and what is made of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from teamsup.workers.monitor_bridge.incidents.alert import Alert
from teamsup.workers.monitor_bridge.ingest.sources import InvalidPayload, ParsedAlerts, WebhookRequest, parse

PAYLOADS = Path(__file__).parents[1] / "workers" / "monitor_bridge" / "ingest" / "payloads"


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, 1e300, -1e-300, 1768471200000, "x" * 5000, "\ud83d", "0", "[" * 50])
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=12,
)
DEEP_JSON: Any = "deep"
for _ in range(500):
    DEEP_JSON = {"a": [DEEP_JSON]}


def load_payload(name: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads((PAYLOADS / name).read_text("utf-8"))


def parse_payload(kind: str, body: object, *path: str) -> ParsedAlerts:
    return parse(kind, WebhookRequest("here", body, path=path))


def parse_alert(kind: str, body: object, *path: str) -> Alert:
    (only,) = parse_payload(kind, body, *path)
    assert isinstance(only, Alert)
    return only


def parse_error(kind: str, body: object, *path: str) -> str:
    with pytest.raises(InvalidPayload) as refused:
        parse_payload(kind, body, *path)
    return str(refused.value)


def change_payload(name: str, *keys: str | int, value: object) -> Any:  # noqa: ANN401 - JSON
    """A payload, changed in one place."""
    whole = place = load_payload(name)
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
            place[key] = data.draw(ANY_JSON | st.just(DEEP_JSON))
            return
        place = place[key]
