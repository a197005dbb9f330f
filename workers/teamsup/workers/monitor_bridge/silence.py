"""A silence in Alertmanager for what somebody takes care of, so that it does not go on about it."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

_SECONDS = 10.0
_MOST_BYTES = 64 * 1024


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
    request = urllib.request.Request(  # noqa: S310 - the address is of http, see SourceSection
        f"{url.rstrip('/')}/api/v2/silences",
        data=json.dumps(silence).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            said = json.loads(answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        raise NotSilenced(f"it answered {error.code}") from error
    except (OSError, ValueError) as error:
        raise NotSilenced(str(getattr(error, "reason", error))) from error
    return str(said.get("silenceID", "")) if isinstance(said, dict) else ""
