"""Read without changes: messages, their states, and mailboxes."""

import os
from contextlib import suppress

from .engines.sqlite.migrations import SCHEMA_VERSION
from .errors import InvalidMessage, InvalidValue, UnknownMessage
from .models import DeadLetter, DeliveryState, Message, Stats
from .session import HubSession
from .tables import delivery_states
from .tables import messages as sending
from .tables import search as search_index
from .tables.agents import OPEN_TO_READERS
from .tables.row_values import message_from_row
from .team import normalize_name
from .timestamps import format_time, parse_time
from .validation import check_count, check_text, quote

_ID_DIGITS = 19


class Queries:
    """The verbs that change nothing."""

    def __init__(self, session: HubSession) -> None:
        self._session = session
        self._store = session.store
        self._clock = session.clock

    def message(self, message_id: str) -> Message:
        """Return the message with that message_id; for ``#12`` or ``12`` return the message whose ``id`` is 12. Raise
        UnknownMessage.
        """
        check_text("message_id", message_id)
        rows = self._store.read(sending.SELECT_BY_MESSAGE_ID, (message_id,))
        if not rows and (number := message_id.removeprefix("#")).isdecimal() and len(number) < _ID_DIGITS:
            rows = self._store.read("SELECT * FROM messages WHERE id = ?", (int(number),))
        if not rows:
            raise UnknownMessage(f"There is no message {quote(message_id)}.")
        return message_from_row(rows[0])

    def trace(self, message_id: str) -> list[DeliveryState]:
        """Return the state of a message for each of its recipients. Raise UnknownMessage."""
        rows = self._store.read(delivery_states.SELECT_STATES, (self.message(message_id).id,))
        return [delivery_states.state_from_row(row) for row in rows]

    def peek(self, limit: int = 10) -> list[Message]:
        """Return the deliveries that a claim would return now, and leave them unread."""
        rows = self._store.read(
            delivery_states.SELECT_CLAIMABLE,
            {"me": self._session.agent, "now": format_time(self._clock()), "limit": check_count("limit", limit)},
        )
        return [message_from_row(row) for row in rows]

    def history(self, agent: str | None = None, *, limit: int = 50, before: int | None = None) -> list[Message]:
        """Return the newest ``limit`` messages, the oldest of them first; with ``agent`` only those that it sent or
        received.

        ``before`` is the ``id`` of a message: continue from there into the past.
        """
        rows = self._store.read(
            "SELECT * FROM messages WHERE (:before IS NULL OR id < :before)"
            " AND (:agent IS NULL OR sender = :agent OR recipient = :agent) ORDER BY id DESC LIMIT :limit",
            {
                "before": None if before is None else check_count("before", before, least=-(2**63)),
                "agent": None if agent is None else normalize_name(agent),
                "limit": check_count("limit", limit),
            },
        )
        return [message_from_row(row) for row in reversed(rows)]

    def conversation(self, conversation_id: str, *, limit: int = 50) -> list[Message]:
        """Return the newest ``limit`` messages of a conversation, the oldest of them first."""
        rows = self._store.read(
            "SELECT * FROM messages WHERE conversation_id = ? ORDER BY id DESC LIMIT ?",
            (check_text("conversation_id", conversation_id), check_count("limit", limit)),
        )
        return [message_from_row(row) for row in reversed(rows)]

    def find(
        self,
        *,
        reply_to: str | None = None,
        conversation: str | None = None,
        sender: str | None = None,
        recipient: str | None = None,
        message_type: str | None = None,
        after: int | None = None,
        before: int | None = None,
        unread: bool = False,
        limit: int | None = None,
    ) -> list[Message]:
        """Return the messages that match all arguments, in the order of storing; with ``limit`` only the newest.

        ``after`` and ``before`` are the ``id`` of a message. ``unread`` means that a recipient has not claimed it yet.
        Raise InvalidValue without ``reply_to`` and ``conversation``, because that would read all messages.
        """
        if reply_to is None and conversation is None:
            raise InvalidValue("find needs reply_to or conversation.")
        wanted = {
            "reply_to": reply_to,
            "conversation_id": conversation,
            "sender": sender,
            "recipient": recipient,
            "message_type": message_type,
        }
        given = {column: check_text(column, value) for column, value in wanted.items() if value is not None}
        conditions = [f"{column} = :{column}" for column in given]
        if after is not None:
            conditions.append("id > :after")
        if before is not None:
            conditions.append("id < :before")
        if unread:
            conditions.append("EXISTS (SELECT 1 FROM deliveries WHERE message = messages.id AND state = 'ready')")
        rows = self._store.read(
            f"SELECT * FROM messages WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT :limit",  # noqa: S608
            given | {"after": after, "before": before, "limit": -1 if limit is None else check_count("limit", limit)},
        )
        return [message_from_row(row) for row in reversed(rows)]

    def versions(self, message_id: str, *, sender: str | None = None) -> list[Message]:
        """Return the message of that id and those whose ids begin with it and a colon, in the order of storing."""
        first = check_text("message_id", message_id)
        rows = self._store.read(
            "SELECT * FROM messages WHERE (message_id = :first OR (message_id > :from AND message_id < :to))"
            " AND (CAST(:sender AS TEXT) IS NULL OR sender = :sender) ORDER BY id",
            {"first": first, "from": f"{first}:", "to": f"{first};", "sender": sender},
        )
        return [message_from_row(row) for row in rows]

    def search(self, words: str, *, limit: int = 20) -> list[Message]:
        """Return the newest ``limit`` messages whose content has all of these words, the newest first.

        The first search indexes everything, later ones only new messages. Raise InvalidMessage without words, and
        StoreError if this Python's SQLite lacks FTS5.
        """
        if not check_text("words", words).strip():
            raise InvalidMessage("There is nothing to search for.")
        search_index.refresh(self._store)
        rows = self._store.read(
            "SELECT m.* FROM messages_fts AS f JOIN messages AS m ON m.id = f.rowid WHERE messages_fts MATCH ?"
            " ORDER BY f.rowid DESC LIMIT ?",
            (search_index.to_fts_query(words), check_count("limit", limit)),
        )
        return [message_from_row(row) for row in rows]

    def undeliverable(self) -> dict[str, int]:
        """Return the names that have never taken part and have waiting messages, with the number of messages."""
        rows = self._store.read(
            "SELECT recipient, count(*) FROM deliveries WHERE done_at IS NULL AND recipient NOT IN"
            " (SELECT lower(agent_name) FROM agent_status WHERE agent_name IS NOT NULL) GROUP BY recipient ORDER BY 1"
        )
        return {row[0]: row[1] for row in rows}

    def dead_letters(self, *, limit: int = 100) -> list[DeadLetter]:
        """Return the newest ``limit`` dead letters, the newest first."""
        rows = self._store.read(
            "SELECT m.*, d.recipient AS given_up_for, d.attempts, d.outcome, d.done_at FROM deliveries AS d"
            " JOIN messages AS m ON m.id = d.message WHERE d.state = 'dead' ORDER BY d.done_at DESC LIMIT ?",
            (check_count("limit", limit),),
        )
        return [
            DeadLetter(
                message_from_row(row),
                row["given_up_for"],
                row["attempts"],
                row["outcome"] or "",
                parse_time(row["done_at"]),
            )
            for row in rows
        ]

    def stats(self) -> Stats:
        """Return counts and sizes of the whole team."""
        states = self._store.read("SELECT state, count(*) FROM deliveries GROUP BY state")
        (messages,) = self._store.read("SELECT count(*) FROM messages")[0]
        (oldest,) = self._store.read(
            "SELECT min(m.created_at) FROM deliveries AS d JOIN messages AS m ON m.id = d.message"  # noqa: S608
            f" WHERE d.done_at IS NULL AND {OPEN_TO_READERS}",
            {"now": format_time(self._clock())},
        )[0]
        return Stats(
            schema=SCHEMA_VERSION,
            messages=messages,
            deliveries={row[0]: row[1] for row in states},
            oldest_unread=parse_time(oldest),
            file_bytes=self._file_bytes(""),
            wal_bytes=self._file_bytes("-wal"),
        )

    def _file_bytes(self, suffix: str) -> int:
        with suppress(OSError):
            return os.stat(f"{self._session.team.database}{suffix}").st_size
        return 0
