"""Tells the team of workers that die or are degraded, and are well again: kept until the hub has taken it."""

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from teamsup.hub import MessageHub, UnknownRecipient
from teamsup.hub.messages import NOT_CONFIGURED, PEOPLE, new_message_id

from . import deaths
from .deaths import Death, Row, Standing
from .degradation import Troubles
from .lifecycle import ALIVE
from .member import Member

MONITOR_BRIDGE = "monitor-bridge"
_NEWS_SECONDS = 24 * 3600.0
_TOLD = "told of deaths:"
_LASTING_SECONDS = 60.0


class News:
    """What is still to be told. That somebody cannot be told is one of the ``troubles``."""

    def __init__(self, hub: MessageHub, troubles: Troubles, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._troubles = troubles
        self._clock = clock
        self._waiting: list[tuple[str, str, bool]] = []
        """Ids, texts, and whether monitor-bridge tells people the same."""
        self._rows: dict[str, Row] = {}
        self._missing: set[str] = set()
        self._degraded: dict[str, tuple[float, bool]] = {}
        """Since when, and whether that was told."""

    def add(self, text: str, *, is_incident: bool = False) -> None:
        self._waiting.append((new_message_id(), text, is_incident))

    def add_death(self, name: str, death: Death) -> None:
        """Have a death told, with what belongs to it, when it is due."""
        self._rows[name] = deaths.follow(self._rows.get(name), death, self._clock())

    def pause(self) -> float:
        """Seconds until something becomes due. What is due already waits for the hub, and hurries nobody."""
        left = [row.due - self._clock() for row in self._rows.values() if row.untold]
        return min((seconds for seconds in left if seconds > 0), default=math.inf)

    def gather(self, members: Iterable[Member], *, is_watched: bool, optional: Collection[str] = ()) -> None:
        """Put into words what is due. ``is_watched``: monitor-bridge makes incidents of the others' crash loops;
        ``optional``: nobody has set these up, and that is no news."""
        for name in [
            name for name, row in self._rows.items() if name in optional and row.last.reason == NOT_CONFIGURED
        ]:
            del self._rows[name]
        workers = {member.name: member for member in members}
        standings = {name: self._standing(member) for name, member in workers.items()}
        well = {name for name, member in workers.items() if self._is_well(member)}
        watched = set(workers) - {MONITOR_BRIDGE} if is_watched else set()
        self._gather(standings, well, watched)

    def _gather(self, standings: Mapping[str, Standing], well: Collection[str], watched: Collection[str]) -> None:
        now = self._clock()
        for name in set(self._rows) - set(standings):
            del self._rows[name]
        for name in sorted(set(self._rows).intersection(well)):
            self._gather_recovery(name, standings[name], now, is_incident=name in watched)
        if not any(row.untold and row.due <= now for row in self._rows.values()):
            return
        told = [(name, row, standings[name]) for name, row in self._rows.items() if row.untold]
        for name, row, standing in told:
            self._rows[name] = deaths.tell(row, now, runs=standing.state in ALIVE)
        for is_incident in (False, True):
            several = [each for each in told if _is_incident(each[1], each[0] in watched) is is_incident]
            if several:
                text = deaths.report(*several[0], time.time()) if len(several) == 1 else ""
                self.add(text or deaths.digest(several, time.time()), is_incident=is_incident)

    def _gather_recovery(self, name: str, standing: Standing, now: float, *, is_incident: bool) -> None:
        row = self._rows[name]
        if row.well_at is None and (not row.untold or row.due <= now):
            self._rows[name] = deaths.recover(row, now)
            # Of a single death it was told that the worker was started again, and it was.
            if row.untold or row.was_left_dead or row.count > 1:
                text = deaths.recovery(name, row, standing)
                self.add(text, is_incident=_is_incident(row, is_incident))

    def _standing(self, member: Member) -> Standing:
        process = member.process
        next_try = None if process.due is None else time.time() + process.due - self._clock()
        return Standing(process.state, process.reason, member.started_at, next_try)

    def _is_well(self, member: Member) -> bool:
        """Whether its failures are forgotten."""
        ready_at = member.process.ready_at
        return ready_at is not None and self._clock() - ready_at >= member.program.policy.healthy_seconds

    def follow_degraded(self, reasons: Mapping[str, str], *, is_watched: bool) -> None:
        """Tell once that workers cannot do their work, if that lasts, and once that they can again.

        ``reasons`` are those of all that are degraded now; ``is_watched`` as in gather().
        """
        now = self._clock()
        for name, reason in reasons.items():
            since, is_told = self._degraded.setdefault(name, (now, False))
            if not is_told and now - since >= _LASTING_SECONDS:
                self._degraded[name] = since, True
                self.add(f"{name} runs and cannot do its work: {reason}", is_incident=is_watched)
        for name in set(self._degraded) - set(reasons):
            _, was_told = self._degraded.pop(name)
            if was_told:
                self.add(f"{name} is no longer degraded.", is_incident=is_watched)

    def tell(self, recipients: Collection[str]) -> None:
        """Raises StoreError; then nothing is lost, and what was told already is not told again."""
        for name in self._missing.difference(recipients):
            self._is_missing(name, sentence="")
        while self._waiting:
            message_id, text, is_incident = self._waiting[0]
            for recipient in recipients:
                if not (is_incident and recipient == PEOPLE):
                    self._send(recipient, text, f"{message_id}.{recipient}")
            del self._waiting[0]

    def _send(self, recipient: str, text: str, message_id: str) -> None:
        try:
            self._hub.send(
                recipient,
                text,
                message_type="notification",
                priority="high",
                message_id=message_id,
                expires_in=_NEWS_SECONDS,
            )
        except UnknownRecipient:
            sentence = f"Nobody named {recipient!r} is there to be told of a death. See told_of_deaths in teamsup.toml."
            self._is_missing(recipient, sentence)
        else:
            self._is_missing(recipient, sentence="")

    def _is_missing(self, name: str, sentence: str) -> None:
        """Note that somebody cannot be told; an empty sentence: that they can, or need not."""
        if sentence:
            self._missing.add(name)
            self._troubles.begin(f"{_TOLD} {name}", sentence)
        else:
            self._missing.discard(name)
            self._troubles.end(f"{_TOLD} {name}")


def _is_incident(row: Row, is_watched: bool) -> bool:
    """Whether monitor-bridge tells people of it. What is not started again it does not know as a loop."""
    return is_watched and row.is_loop and row.last.next_try_at is not None
