"""A silence in Alertmanager for what somebody takes care of, so that it does not go on about it."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from .incident import Incident

_SECONDS = 10.0
_MOST_BYTES = 64 * 2**20


class NotSilenced(Exception):
    """Alertmanager did not do it; the text says why."""


def body(labels: Mapping[str, str], who: str, comment: str, now: datetime, seconds: float) -> dict[str, object]:
    """What Alertmanager's ``POST /api/v2/silences`` wants. Pure."""
    matchers = [
        {"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in sorted(labels.items())
    ]
    until = now + timedelta(seconds=seconds)
    return {
        "matchers": matchers,
        "startsAt": now.astimezone(UTC).isoformat(),
        "endsAt": until.astimezone(UTC).isoformat(),
        "createdBy": who[:200] or "teamsup",
        "comment": comment[:500],
    }


def post(url: str, silence: Mapping[str, object]) -> str:
    """Make it; its number. Blocks for some seconds at most. Raises NotSilenced."""
    said = _ask(f"{url.rstrip('/')}/api/v2/silences", json.dumps(silence).encode())
    return str(said.get("silenceID", "")) if isinstance(said, dict) else ""


def firing(url: str) -> list[dict[str, str]]:
    """The labels of all that fires there, silenced or not. Raises NotSilenced."""
    said = _ask(f"{url.rstrip('/')}/api/v2/alerts")
    found = [alert.get("labels") for alert in said if isinstance(alert, dict)] if isinstance(said, list) else []
    return [labels for labels in found if isinstance(labels, dict)]


def over(
    incidents: Sequence[Incident], fires: Sequence[Mapping[str, str]], seen: Collection[int]
) -> tuple[set[int], list[Incident]]:
    """Which of these fire there, and which have done so before and do no more: a silenced alert ends without a word.
    What never was seen there may only have another form there. Pure."""
    present = {frozenset(labels.items()) for labels in fires}
    here = {each.id for each in incidents if frozenset(each.labels.items()) in present}
    return here, [each for each in incidents if each.id in seen and each.id not in here]


def _ask(address: str, data: bytes | None = None) -> Any:  # noqa: ANN401 - any JSON
    import urllib.error  # both only for those who silence
    import urllib.request

    request = urllib.request.Request(address, data=data, headers={"Content-Type": "application/json"})  # noqa: S310 - SourceSection wants http
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return json.loads(answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        raise NotSilenced(f"it answered {error.code}") from error
    except (OSError, ValueError) as error:
        raise NotSilenced(str(getattr(error, "reason", error))) from error
