"""What every verb of the hub stands on: the team's store, in whose name, and bells rung after a commit."""

import functools
import math
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from .engines.signal_safety import signal_safe
from .engines.sqlite.store import Durability, Store
from .errors import InvalidName, InvalidValue, TeamsupError
from .models import AgentKind, Message
from .tables import agents as presence
from .tables import clock_step, deliveries, messages
from .team import Team
from .validation import check_text
from .wakeup.doorbell import Doorbells
from .wakeup.watcher import Watcher

SqlValues = tuple[Any, ...] | dict[str, Any]


@dataclass(slots=True)
class CommitEffects:
    """What one transaction sends: whose bells ring after it, and which deliveries, by message and recipient."""

    agents_to_ring: set[str] = field(default_factory=set)
    new_deliveries: list[tuple[int, str]] = field(default_factory=list)


class HubSession:
    """The open hub of one agent, or of somebody who only looks."""

    def __init__(
        self,
        team: str | Team | None = None,
        agent: str | None = None,
        *,
        durability: Durability = "full",
        clock: Callable[[], float] = time.time,
        model: bool = False,
    ) -> None:
        self.team = team if isinstance(team, Team) else Team.named(team)
        self._agent = None if agent is None else presence.normalize_agent_name(agent)
        self._clock = clock
        self._is_model = model
        self._clock_recorded_at = self._clock_checked_at = -math.inf
        self._kind: AgentKind | None = None
        self._reader_id = os.urandom(4).hex()
        """With what the tokens of our leases begin."""
        self._last_heartbeat_at: str | None = None
        """When we last said that we are here."""
        self._presence_valid_until = self._listening_valid_until = -math.inf
        self._doorbells = Doorbells(self.team.run)
        self._effects = CommitEffects()
        self.team.create()
        self._store = Store(self.team.database, durability, self.team.run)
        self._watcher = Watcher(self.team)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What cannot be given back now comes back when its lease ends.
        with suppress(TeamsupError):
            self._end_session(
                f"{self._agent} ended with {kind.__name__}" if isinstance(error, Exception) and kind else None
            )
        self.close()

    def _end_session(self, why: str | None) -> None:
        """Give back what we hold and say goodbye; ``why`` is the error that has ended us."""
        if self._agent is None:
            return
        held = deliveries.leased_to(self._store.read, self._agent, self._reader_id)
        if held or self._last_heartbeat_at is not None:
            with self._write() as db:
                now = self._clock()
                for message, attempts in held:
                    told = deliveries.return_to_queue(db, message, self._agent, attempts, now, error=why)
                    self._ring_after_commit(self._agent, *told)
                if self._last_heartbeat_at is not None:
                    presence.mark_offline_since(db, self._agent, self._last_heartbeat_at)

    def close(self) -> None:
        self._watcher.stop()
        self._store.close()

    @property
    def agent(self) -> str:
        """In whose name this hub speaks. Raises InvalidName when it was opened without one."""
        if self._agent is None:
            raise InvalidName("This hub was opened to read only. Give it an agent's name to take part.")
        return self._agent

    def transaction(self) -> AbstractContextManager[object]:
        """Everything sent and acknowledged inside is stored together or not at all; bells ring afterwards.

        Raises StoreError when it took longer than 10 s. Other writers wait meanwhile.
        """
        return self._write()

    def query(self, sql: str, values: SqlValues = ()) -> list[sqlite3.Row]:
        """Read a table that a worker keeps in the team's database."""
        return self._store.read(check_text("sql", sql), values)

    def execute(self, sql: str, values: SqlValues = ()) -> int:
        """Change such a table, in the transaction that is open or in one of its own; how many rows that were."""
        check_text("sql", sql)
        with self._write() as db:
            try:
                return db.execute(sql, values).rowcount
            except (UnicodeError, OverflowError) as error:
                raise InvalidValue(f"A value cannot be stored: {error}.") from error

    @signal_safe
    def _write(
        self, *, durable: bool = True, longest: float | None = None, patience: float = 0.0
    ) -> Generator[sqlite3.Connection, None, None]:
        """A transaction, then the bells, then the disk: a reader may begin while the writer's fsync goes on.

        ``durable=False`` is for what may be lost with the power: presence, and leases, which would only end earlier.
        ``longest`` in seconds is for maintenance that was announced, ``patience`` for who may wait longer for others.
        """
        if self._store.is_in_transaction():
            yield from self._store.transact()
            return
        news = CommitEffects()
        yield from self._store.transact(
            functools.partial(self._begin_transaction, news), self._mark_offered, longest, patience
        )
        self._doorbells.ring(news.agents_to_ring)
        if durable:
            self._store.flush()
        self._store.checkpoint_if_long()

    def _begin_transaction(self, news: CommitEffects, db: sqlite3.Connection) -> None:
        self._effects = news
        self._record_clock(db)

    def _mark_offered(self, db: sqlite3.Connection) -> None:
        """Note which of the sent messages ring a bell that is up."""
        if self._effects.new_deliveries:
            up = self._doorbells.agents_listening(self._effects.agents_to_ring)
            deliveries.mark_offered(db, [sent for sent in self._effects.new_deliveries if sent[1] in up], self._clock())

    def _record_clock(self, db: sqlite3.Connection) -> None:
        """Put right, once a second, what a step of the clock or a foreign program has set too far ahead."""
        now = self._clock()
        if abs(now - self._clock_recorded_at) >= clock_step.CHECK_INTERVAL_SECONDS:
            clock_step.record_time(db, self._agent, now)
            messages.limit_counters(db)
            self._clock_recorded_at = now

    def _clock_went_back(self) -> bool:
        """Whether the next write has something to put right."""
        now = self._clock()
        if abs(now - self._clock_checked_at) < clock_step.CHECK_INTERVAL_SECONDS:
            return False
        if clock_step.went_back(self._store.read_on_writer(clock_step.SELECT_CLOCK_MARK, {})[0][0], now):
            return True
        self._clock_checked_at = now
        return False

    def _mark_offered_after_commit(self, message: Message, recipients: Iterable[str]) -> None:
        self._effects.new_deliveries += [(message.id, recipient) for recipient in recipients]
        self._ring_after_commit(*recipients)

    def _ring_after_commit(self, *agents: str) -> None:
        self._effects.agents_to_ring.update(agents)
