"""Programs that send alerts, each in the form of its vendor: first that a problem began, then that it is over."""

import asyncio
import contextlib
import http.client
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from helpers.support import run_foreign_sql
from helpers.vendor_payloads import load_payload
from teamsup.hub import Team

from .book import Book

_RETRY_SECONDS = 1.0
NONCE = re.compile(r"alert-\d+\b")
Payload = Mapping[str, Any]


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _alertmanager(nonce: str, *, is_firing: bool) -> Payload:
    whole = load_payload("alertmanager_firing.json")
    whole["alerts"][0]["labels"]["instance"] = nonce
    return _name_alert(whole, nonce, is_firing=is_firing)


def _grafana(nonce: str, *, is_firing: bool) -> Payload:
    return _name_alert(load_payload("grafana_firing.json"), nonce, is_firing=is_firing)


def _name_alert(whole: dict[str, Any], nonce: str, *, is_firing: bool) -> Payload:
    """Return the payload with its first alert only, under this name. Grafana writes as Alertmanager does."""
    alert = whole["alerts"][0]
    alert["labels"]["alertname"] = nonce
    alert |= {"fingerprint": nonce, "startsAt": _now()}
    whole |= {"alerts": [alert], "groupKey": nonce}
    if not is_firing:
        whole["status"] = alert["status"] = "resolved"
        alert["endsAt"] = _now()
    return whole


def _uptime_kuma(nonce: str, *, is_firing: bool) -> Payload:
    whole = load_payload("uptime_kuma_down.json")
    number = int(nonce.split("-")[1])
    whole["monitor"] |= {"id": number, "name": nonce}
    whole["heartbeat"] |= {"monitorID": number, "status": int(not is_firing)}
    whole["heartbeat"]["time"] = whole["heartbeat"]["localDateTime"] = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"[:23]
    return dict(whole)


def _healthchecks(nonce: str, *, is_firing: bool) -> Payload:
    whole = load_payload("healthchecks_down.json")
    status = "down" if is_firing else "up"
    whole |= {"code": nonce, "status": status, "now": _now()}
    whole["check"] |= {"name": nonce, "slug": nonce, "status": status}
    return dict(whole)


def _pagerduty(nonce: str, *, is_firing: bool) -> Payload:
    whole = load_payload("pagerduty_event.json")
    whole |= {"event_action": "trigger" if is_firing else "resolve", "dedup_key": nonce}
    whole["payload"] |= {"summary": nonce, "source": nonce, "component": nonce, "group": nonce, "timestamp": _now()}
    return dict(whole)


def _opsgenie(nonce: str, *, is_firing: bool) -> Payload:
    whole = load_payload("opsgenie_create.json")
    whole["action"] = "Create" if is_firing else "Close"
    milliseconds = int(datetime.now(UTC).timestamp() * 1000)
    whole["alert"] |= {"alertId": nonce, "alias": nonce, "message": nonce, "entity": nonce}
    whole["alert"] |= {"createdAt": milliseconds, "updatedAt": milliseconds}
    return dict(whole)


def _plain(nonce: str, *, is_firing: bool) -> Payload:
    return {"title": nonce, "key": nonce, "status": "firing" if is_firing else "resolved", "severity": "critical"}


MAKERS: Mapping[str, Callable[..., Payload]] = {
    "alertmanager": _alertmanager,
    "grafana": _grafana,
    "uptime_kuma": _uptime_kuma,
    "healthchecks": _healthchecks,
    "pagerduty": _pagerduty,
    "opsgenie": _opsgenie,
    "plain": _plain,
}
KINDS = tuple(MAKERS)


class AlertSources:
    """All sources together. As Alertmanager does, they repeat what got no 200."""

    def __init__(self, team: Team, port: int) -> None:
        self.book = Book("alerts")
        self.repeated = 0
        self._known: dict[str, asyncio.Event] = {}
        self._team = team
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    def begin_problem(self) -> None:
        """Send the beginning of a problem, and its end once the agent knows the beginning."""
        number = len(self.book.sent) + 1
        nonce = f"alert-{number}"
        self._known[nonce] = asyncio.Event()
        self.book.begin(nonce)
        task = asyncio.create_task(self._live_through(nonce, KINDS[number % len(KINDS)]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def is_acknowledged(self, nonce: str) -> bool:
        return nonce not in self._known or self._known[nonce].is_set()

    def acknowledge(self, nonce: str) -> None:
        """Note that the agent has read it and acted."""
        self._known[nonce].set()

    async def _live_through(self, nonce: str, kind: str) -> None:
        await self._post_until_stored(kind, MAKERS[kind](nonce, is_firing=True))
        self.book.confirm(nonce)
        # If it ended before the agent has read it, its beginning would be withdrawn.
        await self._known[nonce].wait()
        await self._post_until_stored(kind, MAKERS[kind](nonce, is_firing=False))

    async def _post_until_stored(self, kind: str, payload: Payload) -> None:
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if await asyncio.to_thread(self._post, kind, json.dumps(payload)) == 200:
                    return
            self.repeated += 1
            await asyncio.sleep(_RETRY_SECONDS)

    def _post(self, kind: str, body: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", f"/{kind}", body.encode(), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def look(self) -> None:
        """Note which incidents are over: one that is in the table twice is doubled."""
        known = {(each.nonce, each.carrier) for each in self.book.answers}
        rows = run_foreign_sql(
            self._team, "SELECT id, title, state FROM incidents WHERE state = 'resolved' ORDER BY id"
        )
        for number, title, _ in rows:
            found = NONCE.search(title)
            if found and (found[0], str(number)) not in known:
                self.book.answer(found[0], str(number))

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
