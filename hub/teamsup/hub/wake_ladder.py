"""The wake ladder: the unread messages that an agent must still learn of, and the next step for each. Only reading ends
it."""

from .engines.engine import Row
from .engines.repetition import repeat, repeated
from .engines.statements import IS_CLAIMABLE, SELECT_ANY_CLAIMABLE
from .errors import InvalidValue
from .models import Message, WakeStep
from .session import HubSession
from .tables import clock_step
from .tables.row_values import message_from_row
from .timestamps import format_time
from .validation import check_seconds, check_text, check_type

_TAKE_WAKE_STEP = f"""
    UPDATE deliveries SET wake_steps = wake_steps | :step, offered_at = coalesce(offered_at, :now)
    WHERE {IS_CLAIMABLE} AND wake_steps & :steps = 0 RETURNING message, rank
"""  # noqa: S608

# The cross join keeps SQLite from reading all messages: it reads only those of open deliveries.
_SELECT_OVERDUE_UNREAD = """
    SELECT m.*, d.recipient AS mailbox FROM deliveries AS d CROSS JOIN messages AS m
    WHERE m.id = d.message AND d.done_at IS NULL AND d.state = 'ready' AND d.sender_notified_at IS NULL
      AND m.sender = :me AND m.recipient IS NOT NULL AND (m.created_at <= :before OR m.created_at > :ahead)
      AND {is_wanted} ORDER BY d.message
"""
_IS_FOR_AGENT = "d.recipient IN (SELECT lower(agent_name) FROM agent_status WHERE kind = 'agent')"
_IS_FOR_RECIPIENT = "d.recipient = :recipient"


class WakeLadder:
    """The verbs of programs that wake agents."""

    def __init__(self, session: HubSession) -> None:
        self._session = session
        self._store = session.store
        self._clock = session.clock
        self._write = session.write

    def take_wake_step(self, step: WakeStep) -> list[Message]:
        """Take this step for the agent's unread messages. Return those that had not reached the step, in the order of
        reading.

        The caller announces them to the agent. For each step, a message is returned only once.
        """
        check_type("step", step, WakeStep)
        now, steps = format_time(self._clock()), int(step.ended_by)
        values = {"me": self._session.agent, "now": now, "step": int(step), "steps": steps}
        if not self._store.read(SELECT_ANY_CLAIMABLE, values):
            return []

        def take() -> list[Row | None]:
            with self._write(durable=False) as db:
                taken = db.execute(_TAKE_WAKE_STEP, values).fetchall()
                taken.sort(key=lambda row: (row["rank"], row["message"]))  # RETURNING returns rows in any order
                return [
                    db.execute("SELECT * FROM messages WHERE id = ?", (row["message"],)).fetchone() for row in taken
                ]

        # If it was not confirmed, a later step announces the messages.
        return [message_from_row(row) for row in repeat(self._store, take) if row is not None]

    @repeated
    def reset_wake_steps(self) -> None:
        """Announce unread messages again from the first step, for a new reader."""
        with self._write(durable=False) as db:
            db.execute(
                "UPDATE deliveries SET wake_steps = 0 WHERE recipient = ? AND state = 'ready' AND wake_steps > 0",
                (self._session.agent,),
            )

    def overdue_unread(self, seconds: float, recipient: str | None = None) -> list[tuple[Message, str]]:
        """Return messages of this agent that were unread for this many seconds, each with its recipient. ``recipient``
        selects one recipient, which may also be a daemon or a person.

        They are returned again until mark_sender_notified().
        """
        check_seconds("seconds", seconds, least=0)
        now = self._clock()
        # If the sender's clock was ahead, the time of waiting is unknown.
        ahead = format_time(now + clock_step.TOLERANCE_SECONDS)
        values = {"me": self._session.agent, "before": format_time(now - seconds), "ahead": ahead}
        is_wanted = _IS_FOR_AGENT
        if recipient is not None:
            is_wanted, values["recipient"] = _IS_FOR_RECIPIENT, check_text("recipient", recipient).lower()
        rows = self._store.read(_SELECT_OVERDUE_UNREAD.format(is_wanted=is_wanted), values)
        return [(message_from_row(row), str(row["mailbox"])) for row in rows]

    @repeated
    def mark_sender_notified(self, *still_unread: tuple[Message, str]) -> None:
        """Record that the sender of these messages was notified that they are unread."""
        at = format_time(self._clock())
        try:
            notified = [(at, message.id, check_text("agent", agent)) for message, agent in still_unread]
        except (TypeError, ValueError, AttributeError) as error:
            raise InvalidValue("mark_sender_notified() takes the result of overdue_unread().") from error
        with self._write(durable=False) as db:
            db.executemany("UPDATE deliveries SET sender_notified_at = ? WHERE message = ? AND recipient = ?", notified)
