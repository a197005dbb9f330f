"""Silence acknowledged alerts in Alertmanager."""

import asyncio
import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from teamsup.terminal.formatting import sanitize

from ..incidents.incident import Incident
from ..ingest.sources.payload import parse_time

_TIMEOUT_SECONDS = 10.0
_MAX_BYTES = 64 * 2**20
_OWN_COMMENT = re.compile(r"teamsup (?P<team>\S+): incident (?P<incident>\d{1,17}),")


class SilenceFailed(Exception):
    """Alertmanager did not accept the request. The text is the reason."""


def build_silence(
    labels: Mapping[str, str], who: str, comment: str, now: datetime, seconds: float
) -> dict[str, object]:
    """Return the body for Alertmanager's ``POST /api/v2/silences``. Pure."""
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


async def create_silence(url: str, silence: Mapping[str, object]) -> None:
    """Create the silence. Raise SilenceFailed."""
    await _request(url, "silences", "POST", json.dumps(silence).encode())


async def fetch_firing(url: str) -> list[tuple[str, dict[str, str]]]:
    """Return the fingerprints and labels of all firing alerts, silenced or not. Raise SilenceFailed."""
    alerts = _as_objects(await _request(url, "alerts"))
    return [(str(alert.get("fingerprint") or ""), labels) for alert in alerts if (labels := _labels_of(alert))]


async def fetch_start_time(url: str) -> datetime | None:
    """Return the start time of this Alertmanager, if it reports one. Raise SilenceFailed."""
    answer = await _request(url, "status")
    written = answer.get("uptime") if isinstance(answer, dict) else None
    try:
        return parse_time(written) if isinstance(written, str) else None
    except (ValueError, OverflowError):
        return None


async def list_own_silences(url: str, team: str) -> dict[str, tuple[int, dict[str, str]]]:
    """Return the active silences that monitor-bridge has made, each with its incident and its labels. Raise
    SilenceFailed.
    """
    found = {}
    for each in _as_objects(await _request(url, "silences")):
        status, number = each.get("status"), _OWN_COMMENT.match(str(each.get("comment")))
        is_active = isinstance(status, dict) and status.get("state") == "active"
        if is_active and number is not None and number["team"] == team:
            matched = {str(one.get("name")): str(one.get("value")) for one in _as_objects(each.get("matchers"))}
            found[str(each.get("id"))] = int(number["incident"]), matched
    return found


async def expire_silence(url: str, number: str) -> None:
    """End a silence. Raise SilenceFailed."""
    await _request(url, f"silence/{quote(number, safe='')}", "DELETE")


def build_comment(team: str, incident: Incident, who: str) -> str:
    """Return the comment that identifies monitor-bridge's silences."""
    return f"teamsup {team}: incident {incident.id}, acknowledged by {who}"


def compare_firing(
    incidents: Sequence[Incident], fires: Sequence[tuple[str, Mapping[str, str]]], seen: Collection[int]
) -> tuple[set[int], list[Incident]]:
    """Return the incidents that fire in Alertmanager, and those that have stopped. Pure.

    A silenced alert does not report its end. An alert that Alertmanager has never shown may have other labels.
    """
    known = {fingerprint for fingerprint, _ in fires if fingerprint}
    present = {frozenset(labels.items()) for _, labels in fires}
    here = {each.id for each in incidents if each.fingerprint in known or frozenset(each.labels.items()) in present}
    return here, [each for each in incidents if each.id in seen and each.id not in here]


def _as_objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _labels_of(alert: Mapping[str, Any]) -> dict[str, str]:
    labels = alert.get("labels")
    return {str(name): str(value) for name, value in labels.items()} if isinstance(labels, dict) else {}


async def _request(url: str, what: str, method: str = "GET", data: bytes | None = None) -> Any:  # noqa: ANN401 - any JSON
    """Send a request. Raise SilenceFailed if Alertmanager fails or is slow."""
    import aiohttp  # only silences need it

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)) as session,
            session.request(
                method,
                f"{url.rstrip('/')}/api/v2/{what}",
                data=data,
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
            ) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise SilenceFailed(f"it answered {answer.status}")
            content = bytearray()
            async for part in answer.content.iter_any():
                content += part
                if len(content) > _MAX_BYTES:
                    raise SilenceFailed("its answer is too large")
    except TimeoutError as error:
        raise SilenceFailed(f"it did not answer within {_TIMEOUT_SECONDS:g} s") from error
    except aiohttp.InvalidURL as error:  # the error's own text may contain a password
        raise SilenceFailed("silence_url is not an address") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise SilenceFailed(sanitize(reason)[:200]) from error
    try:
        return await asyncio.to_thread(json.loads, content) if content.strip() else None
    except (ValueError, RecursionError) as error:
        raise SilenceFailed("its answer is not JSON: is this Alertmanager?") from error
