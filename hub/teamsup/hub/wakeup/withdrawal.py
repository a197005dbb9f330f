"""End deliveries that their reader has not claimed: the message is withdrawn, or was answered elsewhere."""

from ..engines.repetition import repeat
from ..models import Message
from ..session import HubSession
from ..tables import deliveries, delivery_states


def complete_unclaimed(session: HubSession, message: Message, outcome: str) -> bool:
    """Do the same as MessageHub.complete_unclaimed()."""
    now, store, me = session.clock(), session.store, session.agent

    def end() -> bool:
        with session.write() as db:
            ended = deliveries.complete_unclaimed(db, message, me, outcome, now)
            if ended and message.conversation_id is not None:
                session.ring_after_commit(me)
        return ended

    return repeat(store, end, lambda: me in delivery_states.ended_at(store.read, message, "done", now) or None)


def cancel(session: HubSession, message: Message, *, even_if_read: bool) -> list[str]:
    """Do the same as MessageHub.cancel()."""
    now, store = session.clock(), session.store

    def withdraw() -> list[str]:
        with session.write() as db:
            withdrawn = deliveries.cancel(db, message, even_if_read=even_if_read, now=now)
            session.ring_after_commit(*withdrawn)
        return withdrawn

    return repeat(store, withdraw, lambda: delivery_states.ended_at(store.read, message, "cancelled", now) or None)
