"""Handle a payload: store its alerts, and keep unreadable parts for a person."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import aiohttp

from teamsup.hub import MessageHub, StoreError

from ..incidents.alert import Alert, Alerts
from ..incidents.incident_table import last_received_by_source
from ..source_section import SourceSection, stale_after
from . import body
from .amazon_signature import AmazonSignatures, CertificateUnavailable
from .batch import BatchWriter, QueueFull
from .rejected import NewRejectedPayload, insert_rejected, list_rejected
from .sources import InvalidPayload, UnreadablePart, WebhookRequest, aws_sns, parse
from .sources.oracle_cloud import confirmation_link
from .sources.payload import as_object
from .traffic import SourceTraffic

_CONFIRM_TIMEOUT_SECONDS = 10
_LOG_INTERVAL_SECONDS = 60.0
_GROUP_KINDS = ("alertmanager", "grafana")
"""Kinds of sources that send each group of problems separately and repeatedly."""
_SMALL_BYTES = 64 * 2**10
"""Bytes. For a payload of up to this size, parsing takes less time than the start of a thread."""

ConfirmLink = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """The outcome of a request: the answer to its source, and the part that is kept for a person."""

    status: int
    sentence: str
    rejected: tuple[NewRejectedPayload, ...] = ()


class SourceLog:
    """Warnings about sources, each at most once a minute, because any client could fill the log with them."""

    def __init__(self) -> None:
        self.logger = logging.getLogger("monitor-bridge")
        self._logged_at: dict[tuple[str, str], float] = {}

    def warn(self, source: str, what: str) -> None:
        """Log a warning, unless a warning with the same beginning was logged in the last minute."""
        now, about = time.monotonic(), (source, what[:20])
        if now - self._logged_at.get(about, -_LOG_INTERVAL_SECONDS) >= _LOG_INTERVAL_SECONDS:
            self._logged_at[about] = now
            self.logger.warning("source %s: %s", source, what)


class PayloadReceiver:
    """Parses payloads, stores their alerts, and keeps unreadable payloads."""

    def __init__(
        self,
        hub: MessageHub,
        writer: BatchWriter,
        sources: Mapping[str, SourceSection],
        log: SourceLog,
        confirm: ConfirmLink | None = None,
        signatures: AmazonSignatures | None = None,
    ) -> None:
        self._hub = hub
        self._writer = writer
        self._log = log
        self._confirm = confirm or confirm_link
        self._mappings = {name: source.mapping for name, source in sources.items()}
        self._signatures = signatures or AmazonSignatures()
        self._kinds = {name: source.kind for name, source in sources.items()}
        known = {name: at for name, at in last_received_by_source(hub).items() if name in sources}
        self.traffic = SourceTraffic(known)
        self._rejected_at = {each.source: _seconds(each.last_at) for each in reversed(list_rejected(hub))}
        """The time of each source's last rejected payload, in Unix seconds. Sources whose payloads are readable again
        are removed.
        """
        self._repeats = {name: stale_after(source) for name, source in sources.items() if source.kind in _GROUP_KINDS}

    @property
    def rejected_note(self) -> str:
        """Return the sources with unreadable payloads, for people, or an empty text."""
        names = ", ".join(sorted(self._rejected_at.keys() & self._kinds.keys()))
        return f"some payloads of {names} could not be read: teamsup alerts rejected" if names else ""

    async def receive(self, request: WebhookRequest, sent: body.RequestBody) -> IngestOutcome:
        """Store the alerts of a payload, and keep its unreadable parts. Raise StoreError or QueueFull."""
        outcome = await self._process(request, sent)
        if outcome.rejected:
            await self._reject(request.source, outcome.rejected)
        return outcome

    async def _process(self, request: WebhookRequest, sent: body.RequestBody) -> IngestOutcome:
        name = request.source

        def rejected(status: int, reason: str, sentence: str = "") -> IngestOutcome:
            return IngestOutcome(status, sentence or reason, (NewRejectedPayload(reason, sent.data),))

        if sent.is_truncated and not request.path:
            size = f"larger than {body.MAX_BYTES // 2**20} MiB"
            reason = f"The payload is {size}; this is its beginning."
            return rejected(200, reason, f"It is {size}. Only its beginning is kept, for a person.")
        try:
            if self._kinds[name] == "oracle_cloud" and (link := confirmation_link(request)) is not None:
                return await self._confirm_subscription(name, link)
            if self._kinds[name] == "aws_sns":
                envelope = as_object(body.parse_json(sent.data))
                await self._signatures.check(envelope)
                if (link := aws_sns.confirmation_link(envelope)) is not None:
                    return await self._confirm_subscription(name, link)
            is_small = len(sent.data) <= _SMALL_BYTES
            alerts, unreadable = (
                self._parse(request, sent.data)
                if is_small
                else await asyncio.to_thread(self._parse, request, sent.data)
            )
            return await self._store(name, alerts, unreadable)
        except InvalidPayload as error:
            return rejected(400, str(error))
        except CertificateUnavailable as error:
            self._log.warn(name, f"its signature could not be checked, and it must try again: {error}")
            return IngestOutcome(503, "Its signature could not be checked")
        except (StoreError, QueueFull):
            raise
        except Exception as error:
            # We have a bug in reading or storing, so a person should see the payload.
            self._log.logger.exception("a payload of %s could not be handled", name)
            return rejected(500, f"It could not be handled: {type(error).__name__}.", "It could not be handled.")

    def _parse(self, request: WebhookRequest, data: bytes) -> tuple[Alerts, tuple[NewRejectedPayload, ...]]:
        """Return the alerts of a payload, and its unreadable parts. Raise InvalidPayload."""
        content = body.decode_text(data) if request.path else body.parse_json(data)
        whole = WebhookRequest(request.source, content, request.headers, request.path, self._mappings[request.source])
        found = parse(self._kinds[request.source], whole)
        unreadable = tuple(_to_rejected(each) for each in found if isinstance(each, UnreadablePart))
        alerts = tuple(each for each in found if not isinstance(each, UnreadablePart))
        if unreadable and not alerts:
            raise InvalidPayload(unreadable[0].reason)
        return alerts, unreadable

    async def _store(self, name: str, alerts: Alerts, unreadable: tuple[NewRejectedPayload, ...]) -> IngestOutcome:
        if is_read_again := not unreadable and self._is_read_again(name):
            alerts = (*alerts, _unreadable_alert(name))
        await self._writer.store(name, alerts)
        self._record_received(name)
        if unreadable:
            sentence = f"Stored, except for {len(unreadable)} that could not be read: {unreadable[0].reason}"
            return IngestOutcome(200, sentence, unreadable)
        if is_read_again and self._is_read_again(name):  # nothing was rejected since
            del self._rejected_at[name]
        return IngestOutcome(200, "Stored.")

    def _is_read_again(self, name: str) -> bool:
        """Return whether a readable payload proves that all payloads are readable again. A readable group proves this
        only after some time, because a rejected group would have come again by then.
        """
        last = self._rejected_at.get(name)
        return last is not None and not 0 <= time.time() - last < self._repeats.get(name, 0.0)

    async def _confirm_subscription(self, name: str, link: str) -> IngestOutcome:
        if await self._confirm(link):
            self._log.logger.info("the subscription of %s is confirmed", name)
            return IngestOutcome(200, "Confirmed.")
        self._log.warn(name, "its subscription could not be confirmed")
        return IngestOutcome(503, "It could not be confirmed")

    async def _reject(self, name: str, rejected: tuple[NewRejectedPayload, ...]) -> None:
        """Keep payloads for a person, and raise an alert about them. Raise StoreError or QueueFull."""
        await asyncio.to_thread(insert_rejected, self._hub, name, rejected)
        self._record_received(name)
        reason = rejected[0].reason
        self._log.warn(name, f"a payload was refused and kept: {reason}")
        self._rejected_at[name] = time.time()
        try:
            await self._writer.store(name, (_unreadable_alert(name, reason),))
        except (StoreError, QueueFull):
            raise
        except Exception:
            self._log.logger.exception("cannot report that a payload of %s was rejected", name)

    def _record_received(self, name: str) -> None:
        self.traffic.record(name, time.time())


async def confirm_link(link: str) -> bool:
    """Call an address without following redirects. Return whether it succeeded."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_CONFIRM_TIMEOUT_SECONDS)) as session,
            session.get(link, allow_redirects=False) as answer,
        ):
            return 200 <= answer.status < 300
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return False


def _to_rejected(unreadable: UnreadablePart) -> NewRejectedPayload:
    try:
        part = json.dumps(unreadable.part, ensure_ascii=False)
    except (RecursionError, ValueError):
        part = ""
    return NewRejectedPayload(unreadable.reason, part.encode("utf-8", "replace"))


def _unreadable_alert(name: str, reason: str = "") -> Alert:
    """Return the alert about unreadable payloads of a source. Such payloads may hide any problem. Without a reason,
    return the end of the alert.
    """
    title = f"Some payloads of {name} could not be read" if reason else f"All payloads of {name} can be read again"
    text = f"{reason} Show it with: teamsup alerts rejected" if reason else ""
    return Alert(name, "refused", bool(reason), title, text=text, subject="refused", reuses_fingerprint=True)


def _seconds(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()
