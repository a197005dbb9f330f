"""What vendors send, and what is made of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from teamsup.workers.monitor_bridge.alert import Alert
from teamsup.workers.monitor_bridge.sources import PARSERS, BadPayload, Parsed, Request

PAYLOADS = Path(__file__).parent / "workers" / "monitor_bridge" / "payloads"


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
