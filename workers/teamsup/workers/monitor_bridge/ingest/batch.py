"""Store requests in the hub, and answer each request only when it is stored. Requests that arrive together share a
transaction.

A request with very many alerts is stored in parts. If a later part fails, the source repeats the request, and the
alerts of the first parts count twice.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from teamsup.hub import MessageHub
from teamsup.hub.errors import SchemaTooNew, StoreBusy, StoreCorrupt, StoreFull, StoreReadOnly

from ..incidents.alert import Alerts

StoreAlerts = Callable[[str, Alerts], None]
"""Stores the alerts of a request, or raises StoreError and stores nothing. It may block. It is called in a transaction.
"""
PrepareAlerts = Callable[[Alerts], Alerts]
"""Prepares alerts before the transaction, because the preparation may take a while."""

_BATCH_SIZE = 200
"""The approximate number of alerts in a transaction. It is limited because other writers wait for the end."""
_MAX_QUEUED = 1000
"""The maximum number of waiting requests."""
_STORE_FAILURES = (SchemaTooNew, StoreBusy, StoreCorrupt, StoreFull, StoreReadOnly)
"""Errors that are not caused by the request: every other request would fail too."""


class QueueFull(Exception):
    """Too many requests wait; the source must try again."""


class _RolledBack(Exception):
    """Roll back a rehearsal."""


@dataclass(frozen=True, slots=True)
class _QueuedRequest:
    source: str
    alerts: Alerts
    stored: asyncio.Future[None]


class BatchWriter:
    """Passes requests to ``store`` on a thread, in the order of arrival."""

    def __init__(self, hub: MessageHub, store: StoreAlerts, prepare: PrepareAlerts) -> None:
        self._hub = hub
        self._store_alerts = store
        self._prepare = prepare
        self._queue: list[_QueuedRequest] = []
        self._writer_task: asyncio.Task[None] | None = None

    async def store(self, source: str, alerts: Alerts) -> None:
        """Wait until the request is stored. Raise StoreError, QueueFull or an error of ``store``; then nothing is
        stored.
        """
        if len(self._queue) >= _MAX_QUEUED:
            raise QueueFull
        waiting = _QueuedRequest(source, alerts, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._writer_task is None:
            self._writer_task = asyncio.create_task(self._write_queue())
        await waiting.stored

    async def dry_run(self, source: str, alerts: Alerts) -> None:
        """Run store(), and undo it. Raise the errors of store()."""
        await asyncio.to_thread(self._dry_run, source, alerts)

    def _dry_run(self, source: str, alerts: Alerts) -> None:
        with contextlib.suppress(_RolledBack):
            prepared = self._prepare(alerts)
            with self._hub.transaction():
                self._store_alerts(source, prepared)
                raise _RolledBack

    async def drain(self) -> None:
        """Store all waiting requests."""
        if self._writer_task is not None:
            await self._writer_task

    async def _write_queue(self) -> None:
        try:
            while batch := self._next_batch():
                for waiting, error in zip(batch, await asyncio.to_thread(self._store_batch, batch), strict=True):
                    # The client may have left; its alerts are stored anyway.
                    if waiting.stored.done():
                        continue
                    if error is None:
                        waiting.stored.set_result(None)
                    else:
                        waiting.stored.set_exception(error)
        finally:
            self._writer_task = None

    def _next_batch(self) -> list[_QueuedRequest]:
        count = alerts = 0
        for waiting in self._queue:
            alerts += len(waiting.alerts)
            if count and alerts > _BATCH_SIZE:
                break
            count += 1
        batch, self._queue = self._queue[:count], self._queue[count:]
        return batch

    def _store_batch(self, batch: list[_QueuedRequest]) -> list[Exception | None]:
        if len(batch) == 1:
            return [self._store_in_parts(batch[0].source, batch[0].alerts, _BATCH_SIZE)]
        if error := self._store_in_transaction([(each.source, each.alerts) for each in batch]):
            return (
                [error] * len(batch)
                if isinstance(error, _STORE_FAILURES)
                else [self._store_batch([each])[0] for each in batch]
            )
        return [None] * len(batch)

    def _store_in_parts(self, source: str, alerts: Alerts, size: int) -> Exception | None:
        """Store a large request in several transactions, as far as possible. Return the first error."""
        failed: Exception | None = None
        for begin in range(0, max(len(alerts), 1), size):
            part = alerts[begin : begin + size]
            error = self._store_in_transaction([(source, part)])
            if isinstance(error, _STORE_FAILURES):
                return error
            if error is not None and len(part) > 1:
                error = self._store_in_parts(source, part, 1)
            failed = failed or error
        return failed

    def _store_in_transaction(self, all_alerts: Sequence[tuple[str, Alerts]]) -> Exception | None:
        try:
            prepared = [(source, self._prepare(alerts)) for source, alerts in all_alerts]
            with self._hub.transaction():
                for source, alerts in prepared:
                    self._store_alerts(source, alerts)
        except Exception as error:
            return error
        return None
