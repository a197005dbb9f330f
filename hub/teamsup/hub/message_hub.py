"""MessageHub: eight verbs to send and to read, and the verbs that support them."""

import functools
import math
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from .engines.engine import Durability, Row, Values
from .engines.repetition import repeat, repeated
from .engines.statements import SELECT_BY_MESSAGE_ID
from .engines.stored_json import decode_metadata
from .errors import InvalidValue, StoreError, TeamsupError
from .models import ONLINE, Agent, AgentKind, Delivery, Message, WakeStep
from .presence import Presence
from .queries import Queries
from .session import HubSession
from .tables import agents, deliveries, delivery_states, messages
from .tables.messages import NewMessage, ReplyOptions, SendOptions
from .tables.row_values import message_from_row
from .team import Team
from .timestamps import format_time
from .validation import check_text, check_type
from .wake_ladder import WakeLadder
from .wakeup import withdrawal
from .wakeup.mailbox import AgentMailbox
from .wakeup.question import wait_for_answer

if TYPE_CHECKING:
    from .maintenance import Maintenance

LEASE_SECONDS = 60.0
BROADCAST_EXPIRY_SECONDS = 86400.0


class MessageHub:
    """The team's messages, as one agent sees them.

    Threads may share it; a process that forks must open its own. It raises CallerError when the request is wrong, and
    StoreError when the database failed and stored nothing.

    ``team`` is a name (by default $TEAMSUP_TEAM or "default") or a Team. An unknown name raises UnknownTeam, unless
    ``create`` makes that team. ``agent`` is the sender and reader; without it
    the hub is read-only. ``durability``: with "full" a finished send survives a power loss; with "normal" it survives
    only the death of the process, which is faster. ``clock`` returns Unix seconds. ``model`` means that a language
    model sends. Its sends are limited (RateLimited, ReplyLoop), because models may repeat themselves.

    ``queries`` reads the past and changes nothing. ``maintenance`` and ``wake_ladder`` are for tools and workers.
    """

    def __init__(
        self,
        team: str | Team | None = None,
        agent: str | None = None,
        *,
        durability: Durability = "full",
        clock: Callable[[], float] = time.time,
        model: bool = False,
        create: bool = False,
    ) -> None:
        self.team = team if isinstance(team, Team) else Team.named(team).require(create=create)
        self._session = HubSession(self.team, agent, durability, clock)
        self._presence = Presence(self._session)
        self._reader_id = os.urandom(4).hex()
        self._mailbox = AgentMailbox(self._session, self._presence, self._reader_id)
        self._is_model = model
        self.queries = Queries(self._session)
        self.wake_ladder = WakeLadder(self._session)

    @functools.cached_property
    def maintenance(self) -> "Maintenance":
        """The verbs for tools and workers that maintain the store. Raise StoreError if they cannot be loaded."""
        try:
            from .maintenance import Maintenance  # most processes only send and read
        except OSError as error:  # no descriptor is left
            raise StoreError(f"The maintenance of {self.team.database} cannot be loaded: {error.strerror}.") from error
        return Maintenance(self._session, self.queries)

    def send(self, recipient: str, content: str, **options: Unpack[SendOptions]) -> Message:
        """Store a message for one known agent; when this returns it is on disk.

        Options: ``message_type`` ("message"), ``priority`` (low, "normal", high, urgent), ``metadata``, ``message_id``,
        ``conversation_id``, ``reply_to``, ``expires_in``. A second send with the same ``message_id`` changes nothing.
        ``reply_to`` is the message_id that this answers. A message that is unclaimed after ``expires_in`` seconds is
        not delivered.

        Raise UnknownRecipient; InvalidMessage: empty, over 256 KiB with its metadata, or no such priority;
        MessageConflict: that message_id has other content; UnknownMessage: no message to reply to;
        ReplyLoop: two agents have answered each other more than 8 times.
        """
        return self._insert(self._new_message(recipient, content, **options))

    def ask(self, recipient: str, content: str, timeout: float = 60.0, **options: Unpack[SendOptions]) -> Message:
        """Send a question, and return the answer, which may be of type "error". Other messages stay unread. Raise the
        errors of send(), and NoAnswer after ``timeout`` seconds: then the question expires, if it is unread.
        """
        options.setdefault("expires_in", timeout)
        return wait_for_answer(self._session, self.send(recipient, content, **options), timeout)

    def reply(self, delivery: Delivery, content: str, **options: Unpack[ReplyOptions]) -> Message:
        """Answer a delivery and end it, in one transaction.

        Raise StaleLease, and send nothing, when the lease is lost.
        """
        check_type("delivery", delivery, Delivery)
        answer = self._new_answer(delivery.message, content, **options)

        def end_and_answer() -> Message:
            with self._session.write_leased(delivery):
                self.acknowledge(delivery, outcome="answered")
                return self._insert(answer, known_only=False)

        return repeat(self._session.store, end_and_answer, lambda: self._find_stored(answer))

    def broadcast(self, content: str, *, message_id: str | None = None, **options: Unpack[ReplyOptions]) -> Message:
        """Store a message for every agent that was present within seven days, except the sender, consoles and the
        supervisor. Raise the errors of send(). An agent that was enrolled in these days and was never present gets it
        too. After ``expires_in`` seconds, by default a day, no agent can claim it.
        """
        options.setdefault("expires_in", BROADCAST_EXPIRY_SECONDS)
        return self._insert(self._new_message(None, content, message_id=message_id, **options))

    def claim(self, limit: int = 1, *, lease: float = LEASE_SECONDS, read: bool = True) -> list[Delivery]:
        """Lease up to ``limit`` deliveries for ``lease`` seconds, the most urgent first.

        A conversation is read in order: its next message comes after the end of its predecessor. ``read=False`` is for
        a program that forwards to the reader; it calls mark_read when the reader has the message.
        """
        return self._mailbox.claim(limit, lease, read=read)

    def listen(self, timeout: float = math.inf, *, lease: float = LEASE_SECONDS) -> Iterator[Delivery]:
        """Claim one delivery after another, until none has arrived for ``timeout`` seconds.

        Wait for another program that holds the store, and log that once. Raise StoreBusy when it has held the store for
        ``timeout`` seconds.
        """
        return self._mailbox.listen(timeout, lease)

    def acknowledge(self, delivery: Delivery, *, outcome: str | None = None) -> None:
        """End a delivery as done. Raise StaleLease when the lease is lost."""
        now = self._session.clock()

        def end() -> bool:
            with self._session.write_leased(delivery) as db:
                deliveries.acknowledge(db, delivery, outcome, now)
                if delivery.message.conversation_id is not None:
                    self._session.ring_after_commit(self.agent)
            return True

        store = self._session.store
        repeat(store, end, lambda: delivery_states.is_acknowledged(store.read, delivery, now) or None)

    def release(self, delivery: Delivery, *, error: str | None = None, delay: float | None = None) -> None:
        """Return a delivery to the queue, for any reader of this agent. Raise StaleLease.

        With an ``error`` it comes back after ``delay`` seconds, by default after an exponential backoff. After 5 failed
        attempts it is a dead letter, and its sender is notified. Without an error the attempt does not count.
        """
        self._mailbox.release(delivery, error, delay)

    def wait(self, timeout: float = math.inf, *, step: WakeStep | None = None) -> bool:
        """Block until a delivery is claimable, at most ``timeout`` seconds; return whether one is. With a ``step``,
        block until wake_ladder.take_wake_step() has a delivery for that step.
        """
        return self._mailbox.wait(timeout, step)

    def listen_async(
        self, timeout: float = math.inf, *, lease: float = LEASE_SECONDS, look_seconds: float | None = None
    ) -> AsyncGenerator[Delivery, None]:
        """Do the same as listen() on an event loop. Commits do not block the loop. Without a doorbell, look once in
        ``look_seconds``, by default each second.
        """
        return self._mailbox.listen_async(timeout, lease, look_seconds)

    async def wait_async(self, timeout: float = math.inf) -> bool:  # noqa: ASYNC109 - the same verb as wait()
        """Do the same as wait() without blocking the event loop."""
        return await self._mailbox.wait_async(timeout)

    def next_due(self) -> float:
        """Return the Unix second of this mailbox's next deadline; -inf if a delivery is claimable now."""
        return self._mailbox.find_next_due()

    def answer(
        self, message: Message, content: str, *, message_id: str | None = None, **options: Unpack[ReplyOptions]
    ) -> Message:
        """Send to the sender of ``message``, in its conversation and by default with its priority.

        If that sender is not enrolled, such as a shell script, the answer is kept for it. Raise the errors of send().
        """
        return self._insert(self._new_answer(message, content, message_id=message_id, **options), known_only=False)

    def _new_answer(
        self, message: Message, content: str, message_id: str | None = None, **options: Unpack[ReplyOptions]
    ) -> NewMessage:
        check_type("message", message, Message)
        options["priority"] = options.get("priority") or message.priority
        return self._new_message(
            message.sender,
            content,
            conversation_id=message.conversation_id,
            reply_to=message.message_id,
            answered_id=message.id,
            message_id=message_id,
            **options,
        )

    @repeated
    def mark_read(self, delivery: Delivery) -> None:
        """Mark a delivery as read that was claimed with ``read=False``. Raise StaleLease."""
        with self._session.write(durable=False) as db:
            deliveries.mark_read(db, delivery, self._session.clock())

    @repeated
    def extend(self, delivery: Delivery, lease: float = LEASE_SECONDS) -> None:
        """Keep a delivery for ``lease`` seconds from now. Raise StaleLease."""
        with self._session.write_leased(delivery, durable=False) as db:
            deliveries.extend_lease(db, delivery, lease, self._session.clock())

    def complete_unclaimed(self, message: Message, *, outcome: str) -> bool:
        """End this agent's delivery of a message as done, without a claim. Return whether it was still unread."""
        return withdrawal.complete_unclaimed(self._session, message, outcome)

    def cancel(self, message_id: str, *, even_if_read: bool = False) -> list[str]:
        """Withdraw a message from all recipients that have not read it, or from all that have not ended it. Return the
        recipients that no longer get it. The next call of a reader that holds it raises StaleLease.
        Raise UnknownMessage.
        """
        return withdrawal.cancel(self._session, self.queries.message(message_id), even_if_read=even_if_read)

    @property
    def agent(self) -> str:
        """The agent of this hub. Raise InvalidName if the hub has none."""
        return self._session.agent

    def register(self, kind: AgentKind = "agent", status: str = ONLINE, **metadata: Any) -> None:  # noqa: ANN401
        """Enroll this agent with its kind, and mark it online. Metadata is any JSON; ``note`` is for people."""
        self._presence.record_heartbeat(kind, status, metadata)

    def heartbeat(self, status: str = ONLINE, **metadata: Any) -> None:  # noqa: ANN401 - any JSON value
        """Report that this agent still works. ``note`` is for people. Metadata replaces the earlier metadata.
        ``heartbeat("degraded", note="why")`` reports that it runs but cannot do its work.
        """
        self._presence.record_heartbeat(None, status, metadata or None)

    @repeated
    def enroll(self, name: str, kind: AgentKind = "agent") -> None:
        """Make an agent known before it first takes part, so that others can write to it."""
        with self._session.write(durable=False, shared=True) as db:
            agents.enroll(db, name, kind)

    def agents(self) -> list[Agent]:
        """Return all known agents, by name."""
        return self._select_agents(None)

    def find_agent(self, name: str) -> Agent | None:
        """Return the agent of this name, or None."""
        return next(iter(self._select_agents(check_text("name", name).strip().lower())), None)

    def transaction(self) -> AbstractContextManager[object]:
        """Store every send and acknowledgement inside, or none; doorbells ring afterwards. Other writers wait until the
        end. Raise StoreError if it took longer than 10 s.
        """
        return self._session.write()

    def query(self, sql: str, values: Values = ()) -> list[Row]:
        """Read a table that a worker keeps in the team's database."""
        return self._session.store.read(check_text("sql", sql), values)

    def execute(self, sql: str, values: Values = ()) -> int:
        """Change a table of a worker, in the open or in a new transaction. Return the number of changed rows. Raise
        StoreUncertain if a server did not confirm the change.
        """
        return repeat(self._session.store, lambda: self._execute(check_text("sql", sql), values))

    def _execute(self, sql: str, values: Values) -> int:
        with self._session.write() as db:
            try:
                return db.execute(sql, values).rowcount
            except (UnicodeError, OverflowError) as error:
                raise InvalidValue(f"A value cannot be stored: {error}.") from error

    def start_watcher(self) -> bool:
        """Watch for foreign writers for the whole team from now on. Return False if another process already does."""
        return self._session.start_watcher()

    def data_version(self) -> int:
        """Return a number that changes with every commit."""
        return self._session.store.data_version()

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A delivery that cannot be released now returns when its lease ends.
        with suppress(TeamsupError):
            if not self._session.is_anonymous:
                is_failure = kind is not None and issubclass(kind, Exception)
                self._leave(f"{self.agent} ended with {kind.__name__}" if kind and is_failure else None)
        self.close()

    def _leave(self, why: str | None) -> None:
        """Release this agent's deliveries and go offline. ``why`` is the error that ended this program."""
        held = deliveries.leased_to(self._session.store.read, self.agent, self._reader_id)
        if held or self._presence.last_heartbeat_at is not None:
            with self._session.write() as db:
                now = self._session.clock()
                for message, attempts in held:
                    notified = deliveries.return_to_queue(db, message, self.agent, attempts, now, error=why)
                    self._session.ring_after_commit(self.agent, *notified)
                self._presence.end(db)

    def _new_message(
        self, recipient: str | None, content: str, answered_id: int | None = None, **options: Unpack[SendOptions]
    ) -> NewMessage:
        given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        return NewMessage(
            sender=self.agent,
            sender_kind=self._presence.kind or "agent",
            is_rate_limited=self._is_model,
            recipient=recipient,
            content=content,
            answered_id=answered_id,
            **given,
        )

    def _insert(self, message: NewMessage, *, known_only: bool = True) -> Message:
        def store() -> Message:
            # The limits of a model's messages also count messages of its other programs.
            with self._session.write(shared=not message.is_rate_limited) as db:
                stored = messages.insert_message(db, message, self._session.clock(), known_only=known_only)
                self._session.mark_offered_after_commit(stored, messages.recipients_of(db, stored))
                return stored

        return repeat(self._session.store, store, lambda: self._find_stored(message))

    def _find_stored(self, message: NewMessage) -> Message | None:
        rows = self._session.store.read(SELECT_BY_MESSAGE_ID, (message.identity,) * 2)
        return message_from_row(rows[0]) if rows else None

    def _select_agents(self, name: str | None) -> list[Agent]:
        rows = self._session.store.read(agents.SELECT_AGENTS, {"name": name, "now": format_time(self._session.clock())})
        return [agents.agent_from_row(row, decode_metadata(row["metadata"])) for row in rows]
