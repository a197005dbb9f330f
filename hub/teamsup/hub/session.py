"""The base of all verbs: the team's store, the agent, and the doorbells that ring after a commit."""

import functools
import math
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from .engines.choice import open_engine
from .engines.engine import Durability, Transaction
from .engines.signal_safety import signal_safe
from .errors import InvalidName
from .models import Delivery, Message
from .tables import clock_step, deliveries
from .team import Team, normalize_agent_name
from .validation import check_type
from .wakeup.doorbell import Doorbell, Doorbells, open_doorbell
from .wakeup.watcher import Watcher


@dataclass(slots=True)
class CommitEffects:
    """The effects of one transaction: doorbells that ring after it, and offered deliveries by message and recipient."""

    agents_to_ring: set[str] = field(default_factory=set)
    new_deliveries: list[tuple[int, str]] = field(default_factory=list)


class HubSession:
    """The open database of one agent, or of a reader without a name. The parts of a MessageHub share it."""

    def __init__(self, team: Team, agent: str | None, durability: Durability, clock: Callable[[], float]) -> None:
        self.team = team
        self.clock = clock
        self._agent = None if agent is None else normalize_agent_name(agent)
        self._clock_recorded_at = self._clock_checked_at = -math.inf
        self._effects = CommitEffects()
        self._doorbells = Doorbells(team.run)
        team.create()
        self.store = open_engine(team, durability)
        self._watcher = Watcher(team, self.store)

    def close(self) -> None:
        self._watcher.stop()
        self.store.close()

    @property
    def agent(self) -> str:
        """The agent of this hub. Raise InvalidName if the hub has none."""
        if self._agent is None:
            raise InvalidName("This hub was opened to read only. Give it an agent's name to take part.")
        return self._agent

    @property
    def is_anonymous(self) -> bool:
        return self._agent is None

    def reads_expired(self, message: Message) -> bool:
        """Return whether this program's component also reads this message after its expiry."""
        own = self.store.own_tables
        return own is not None and own.component == self.agent and own.reads_expired(message)

    def start_watcher(self) -> bool:
        """Watch for foreign writers for the whole team from now on. Return False if another process already does."""
        self.store.data_version()  # raises for a file that must not be opened
        return self._watcher.start_if_free()

    def write_leased(self, delivery: Delivery, *, durable: bool = True) -> AbstractContextManager[Transaction]:
        """Begin a transaction about a delivery whose lease this reader has.

        While the store is busy, wait for as long as the lease lasts, so that finished work is not repeated.
        """
        check_type("delivery", delivery, Delivery)
        left = delivery.lease_expires_at.timestamp() - self.clock()
        return self.write(durable=durable, busy_seconds=left, shared=True)

    def open_doorbell(self) -> AbstractContextManager[Doorbell]:
        """Bind a doorbell of this agent until the ``with`` block ends. Raise StoreError."""
        return open_doorbell(self.team.run, self.agent)

    @signal_safe
    def write(
        self,
        *,
        durable: bool = True,
        longest: float | None = None,
        busy_seconds: float = 0.0,
        shared: bool = False,
    ) -> Generator[Transaction, None, None]:
        """Run a transaction, then ring the doorbells, then flush the disk. So a reader can begin during the writer's
        fsync.

        ``durable=False`` is for presence and leases, which a power loss may undo. ``longest`` in seconds is for
        announced maintenance; ``busy_seconds`` is for a caller that may wait longer. ``shared`` is for a single verb:
        see Engine.transact().
        """
        if self.store.is_in_transaction():
            yield from self.store.transact()
            return
        effects = CommitEffects()
        begin = functools.partial(self._begin_transaction, effects)
        yield from self.store.transact(begin, self._mark_offered, longest, busy_seconds, shared=shared)
        self._doorbells.ring(effects.agents_to_ring)
        self.store.ring_elsewhere(effects.agents_to_ring)
        if durable:
            self.store.flush()
        self.store.tidy_up()

    def ring_after_commit(self, *agents: str) -> None:
        self._effects.agents_to_ring.update(agents)

    def mark_offered_after_commit(self, message: Message, recipients: Iterable[str]) -> None:
        self._effects.new_deliveries.extend((message.id, recipient) for recipient in recipients)
        self.ring_after_commit(*recipients)

    def clock_went_back(self) -> bool:
        """Return whether the next write must correct times."""
        now = self.clock()
        if abs(now - self._clock_checked_at) < clock_step.CHECK_INTERVAL_SECONDS:
            return False
        if clock_step.went_back(self.store.read_on_writer(clock_step.SELECT_CLOCK_MARK, {})[0][0], now):
            return True
        self._clock_checked_at = now
        return False

    def _begin_transaction(self, effects: CommitEffects, db: Transaction) -> None:
        self._effects = effects
        self._record_clock(db)

    def _mark_offered(self, db: Transaction) -> None:
        """Record the sent messages that ring a bound doorbell."""
        if self._effects.new_deliveries:
            up = self._doorbells.agents_listening(self._effects.agents_to_ring)
            deliveries.mark_offered(db, [sent for sent in self._effects.new_deliveries if sent[1] in up], self.clock())

    def _record_clock(self, db: Transaction) -> None:
        """Correct, once a second, values that a clock step or a foreign program has set too far ahead."""
        now = self.clock()
        if abs(now - self._clock_recorded_at) >= clock_step.CHECK_INTERVAL_SECONDS:
            clock_step.record_time(db, self._agent, now)
            self.store.correct_values(db)
            self._clock_recorded_at = now
