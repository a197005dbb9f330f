"""Notify the team of crashed and degraded workers, and of their recovery. Keep each notice until the hub has stored
it.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime

from teamsup.config.components import CommandHook
from teamsup.hub import Agent, MessageHub, UnknownRecipient
from teamsup.hub.models import NOT_CONFIGURED, new_message_id
from teamsup.status.crash import Crash
from teamsup.status.degradation import is_optional
from teamsup.status.process_state import ALIVE

from ..processes.managed_process import ManagedProcess
from . import crashes
from .crashes import CrashSeries, WorkerCondition
from .troubles import Troubles

_EXPIRES_SECONDS = 24 * 3600.0
_CAUSE_PREFIX = "crash notification:"
_MIN_DEGRADED_SECONDS = 60.0


class CrashNotifier:
    """Keeps notices until they are sent. Reports a missing recipient to ``troubles``."""

    def __init__(self, hub: MessageHub, troubles: Troubles, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._troubles = troubles
        self._clock = clock
        self._pending: list[tuple[str, str, bool]] = []
        """Ids, texts, and whether the worker that watches the team also reports this."""
        self._series: dict[str, CrashSeries] = {}
        self._missing_recipients: set[str] = set()
        self._degraded: dict[str, tuple[float, bool]] = {}
        """For each worker, the time since which it is degraded, and whether that was reported."""

    def enqueue(self, text: str, *, is_incident: bool = False) -> None:
        self._pending.append((new_message_id(), text, is_incident))

    def record_crash(self, name: str, crash: Crash) -> None:
        """Record a crash. It is reported when due, together with other crashes of its series."""
        self._series[name] = crashes.add_crash(self._series.get(name), crash, self._clock())

    def next_report_in(self) -> float:
        """Return the seconds until a report is due. A report that waits for the hub does not count."""
        left = [series.report_at - self._clock() for series in self._series.values() if series.unreported]
        return min((seconds for seconds in left if seconds > 0), default=math.inf)

    def collect_all(
        self,
        workers: Collection[ManagedProcess],
        agents: Mapping[str, Agent],
        degradation_of: Callable[[ManagedProcess], str],
        hook: CommandHook | None,
    ) -> None:
        """Write the due reports about crashed and degraded workers. ``agents`` are those in the hub."""
        watching = None if hook is None else agents.get(hook.worker)
        watcher = watching.name if watching is not None and watching.is_present(datetime.now(UTC)) else None
        optional = {name for name, agent in agents.items() if is_optional(agent)}
        self.collect(workers, watcher=watcher, optional=optional)
        reasons = {worker.name: reason for worker in workers if (reason := degradation_of(worker))}
        self.track_degraded(reasons, is_watched=watcher is not None)

    def collect(
        self, workers: Iterable[ManagedProcess], *, watcher: str | None, optional: Collection[str] = ()
    ) -> None:
        """Write the due reports.

        ``watcher`` is the worker that turns crash loops of other workers into incidents, if it is present. An
        unconfigured ``optional`` worker is not reported.
        """
        for name in [
            name for name, series in self._series.items() if name in optional and series.last.reason == NOT_CONFIGURED
        ]:
            del self._series[name]
        by_name = {worker.name: worker for worker in workers}
        conditions = {name: self._condition_of(worker) for name, worker in by_name.items()}
        well = {name for name, worker in by_name.items() if self._has_recovered(worker)}
        watched = set() if watcher is None else set(by_name) - {watcher}
        self._collect(conditions, well, watched)

    def _collect(
        self, conditions: Mapping[str, WorkerCondition], well: Collection[str], watched: Collection[str]
    ) -> None:
        now = self._clock()
        for name in set(self._series) - set(conditions):
            del self._series[name]
        for name in sorted(set(self._series).intersection(well)):
            self._collect_recovery(name, conditions[name], now, is_incident=name in watched)
        if not any(series.unreported and series.report_at <= now for series in self._series.values()):
            return
        unreported = [(name, series, conditions[name]) for name, series in self._series.items() if series.unreported]
        for name, series, condition in unreported:
            self._series[name] = crashes.mark_reported(series, now, runs=condition.state in ALIVE)
        for is_incident in (False, True):
            several = [each for each in unreported if _is_incident(each[1], each[0] in watched) is is_incident]
            if several:
                text = crashes.describe(*several[0], time.time()) if len(several) == 1 else ""
                self.enqueue(text or crashes.describe_several(several, time.time()), is_incident=is_incident)

    def _collect_recovery(self, name: str, condition: WorkerCondition, now: float, *, is_incident: bool) -> None:
        series = self._series[name]
        if series.recovered_at is None and (not series.unreported or series.report_at <= now):
            self._series[name] = crashes.mark_recovered(series, now)
            # The report of a single crash has said that the worker starts again. So its recovery needs no report.
            if series.unreported or series.was_down or series.count > 1:
                text = crashes.describe_recovery(name, series, condition)
                self.enqueue(text, is_incident=_is_incident(series, is_incident))

    def _condition_of(self, worker: ManagedProcess) -> WorkerCondition:
        process = worker.process
        next_try = None if process.due is None else time.time() + process.due - self._clock()
        return WorkerCondition(process.state, process.reason, worker.started_at, next_try)

    def _has_recovered(self, worker: ManagedProcess) -> bool:
        """Return whether the worker has run long enough for its failures to be forgotten."""
        ready_at = worker.process.ready_at
        return ready_at is not None and self._clock() - ready_at >= worker.program.policy.healthy_seconds

    def track_degraded(self, reasons: Mapping[str, str], *, is_watched: bool) -> None:
        """Report lasting degradation once, and the recovery once. ``reasons`` has all degraded workers; ``is_watched``
        has the same meaning as in collect().
        """
        now = self._clock()
        for name, reason in reasons.items():
            since, is_reported = self._degraded.setdefault(name, (now, False))
            if not is_reported and now - since >= _MIN_DEGRADED_SECONDS:
                self._degraded[name] = since, True
                self.enqueue(f"{name} runs and cannot do its work: {reason}", is_incident=is_watched)
        for name in set(self._degraded) - set(reasons):
            _, was_reported = self._degraded.pop(name)
            if was_reported:
                self.enqueue(f"{name} is no longer degraded.", is_incident=is_watched)

    def send_pending(self, recipients: Collection[str], informed: Collection[str] = ()) -> None:
        """Send the reports. Raise StoreError; after that no report is lost or sent twice.

        The recipients in ``informed`` get incidents from the worker that watches the team, so they do not get reports
        of the same.
        """
        for name in self._missing_recipients.difference(recipients):
            self._note_recipient(name, sentence="")
        while self._pending:
            message_id, text, is_incident = self._pending[0]
            for recipient in recipients:
                if not (is_incident and recipient in informed):
                    self._send(recipient, text, f"{message_id}.{recipient}")
            del self._pending[0]

    def _send(self, recipient: str, text: str, message_id: str) -> None:
        try:
            self._hub.send(
                recipient,
                text,
                message_type="notification",
                priority="high",
                message_id=message_id,
                expires_in=_EXPIRES_SECONDS,
            )
        except UnknownRecipient:
            sentence = f"There is no agent {recipient!r} to notify of a crash. See notify_on_crash in teamsup.toml."
            self._note_recipient(recipient, sentence)
        else:
            self._note_recipient(recipient, sentence="")

    def _note_recipient(self, name: str, sentence: str) -> None:
        """Record that a recipient cannot be notified; an empty sentence clears that."""
        if sentence:
            self._missing_recipients.add(name)
            self._troubles.begin(f"{_CAUSE_PREFIX} {name}", sentence)
        else:
            self._missing_recipients.discard(name)
            self._troubles.end(f"{_CAUSE_PREFIX} {name}")


def _is_incident(series: CrashSeries, is_watched: bool) -> bool:
    """Return whether the watcher notifies people of this crash. A worker that is not started again does not cause an
    incident.
    """
    return is_watched and series.is_loop and series.last.next_try_at is not None
