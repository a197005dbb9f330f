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

from . import clock_step, deliveries, presence, sending
from .checks import check_text
from .doorbell import Bells
from .errors import InvalidName, InvalidValue, TeamsupError
from .messages import Kind, Message
from .scope import scoped
from .store import Durability, Store
from .team import Team
from .watcher import Watcher

Values = tuple[Any, ...] | dict[str, Any]


@dataclass(slots=True)
class News:
    """What one transaction sends: whose bells ring after it, and which deliveries, by message and recipient."""

    to_ring: set[str] = field(default_factory=set)
    sent: list[tuple[int, str]] = field(default_factory=list)


class HubBase:
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
        self._agent = None if agent is None else presence.agent_name(agent)
        self._clock = clock
        self._is_model = model
        self._clock_noted = self._clock_looked = -math.inf
        self._kind: Kind | None = None
        self._reader = os.urandom(4).hex()
        """With what the tokens of our leases begin."""
        self._said_at: str | None = None
        """When we last said that we are here."""
        self._seen_until = self._listens_until = -math.inf
        self._bells = Bells(self.team.run)
        self._news = News()
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
            self._leave(f"{self._agent} ended with {kind.__name__}" if isinstance(error, Exception) and kind else None)
        self.close()

    def _leave(self, why: str | None) -> None:
        """Give back what we hold and say goodbye; ``why`` is the error that has ended us."""
        if self._agent is None:
            return
        held = deliveries.held_by(self._store.read, self._agent, self._reader)
        if held or self._said_at is not None:
            with self._write() as db:
                now = self._clock()
                for message, attempts in held:
                    told = deliveries.give_back(db, message, self._agent, attempts, now, error=why)
                    self._ring_later(self._agent, *told)
                if self._said_at is not None:
                    presence.say_goodbye(db, self._agent, self._said_at)

    def close(self) -> None:
        self._watcher.stop()
        self._store.close()

    @property
    def agent(self) -> str:
        """In whose name this hub speaks. Raises InvalidName when it was opened without one."""
        if self._agent is None:
            raise InvalidName("This hub was opened to look only; give it an agent's name to take part.")
        return self._agent

    def transaction(self) -> AbstractContextManager[object]:
        """Everything sent and acknowledged inside is stored together or not at all; bells ring afterwards.

        Raises StoreError when it took longer than 10 s. Other writers wait meanwhile.
        """
        return self._write()

    def rows(self, sql: str, values: Values = ()) -> list[sqlite3.Row]:
        """Read a table that a worker keeps in the team's database."""
        return self._store.read(check_text("sql", sql), values)

    def change(self, sql: str, values: Values = ()) -> int:
        """Change such a table, in the transaction that is open or in one of its own; how many rows that were."""
        check_text("sql", sql)
        with self._write() as db:
            try:
                return db.execute(sql, values).rowcount
            except (UnicodeError, OverflowError) as error:
                raise InvalidValue(f"A value cannot be stored: {error}.") from error

    @scoped
    def _write(
        self, *, durable: bool = True, longest: float | None = None, patience: float = 0.0
    ) -> Generator[sqlite3.Connection, None, None]:
        """A transaction, then the bells, then the disk: a reader may begin while the writer's fsync goes on.

        ``durable=False`` is for what may be lost with the power: presence, and leases, which would only end earlier.
        ``longest`` in seconds is for maintenance that was announced, ``patience`` for who may wait longer for others.
        """
        if self._store.is_writing():
            yield from self._store.transact()
            return
        news = News()
        yield from self._store.transact(functools.partial(self._begin, news), self._offer, longest, patience)
        self._bells.ring(news.to_ring)
        if durable:
            self._store.flush()
        self._store.trim_log()

    def _begin(self, news: News, db: sqlite3.Connection) -> None:
        self._news = news
        self._follow_clock(db)

    def _offer(self, db: sqlite3.Connection) -> None:
        """Note which of the sent messages ring a bell that is up."""
        if self._news.sent:
            up = self._bells.listening(self._news.to_ring)
            deliveries.offer(db, [sent for sent in self._news.sent if sent[1] in up], self._clock())

    def _follow_clock(self, db: sqlite3.Connection) -> None:
        """Put right, once a second, what a step of the clock or a foreign program has set too far ahead."""
        now = self._clock()
        if abs(now - self._clock_noted) >= clock_step.LOOK_SECONDS:
            clock_step.follow(db, self._agent, now)
            sending.bound_counters(db)
            self._clock_noted = now

    def _clock_went_back(self) -> bool:
        """Whether the next write has something to put right."""
        now = self._clock()
        if abs(now - self._clock_looked) < clock_step.LOOK_SECONDS:
            return False
        if clock_step.went_back(self._store.look(clock_step.MARK, {})[0][0], now):
            return True
        self._clock_looked = now
        return False

    def _offer_later(self, message: Message, recipients: Iterable[str]) -> None:
        self._news.sent += [(message.id, recipient) for recipient in recipients]
        self._ring_later(*recipients)

    def _ring_later(self, *agents: str) -> None:
        self._news.to_ring.update(agents)
