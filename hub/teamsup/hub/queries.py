"""Read messages, their states, and mailboxes, without changes."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from .engines.choice import open_tools
from .engines.engine import Row
from .engines.statements import SELECT_BY_MESSAGE_ID
from .errors import InvalidMessage, InvalidValue, UnknownMessage
from .models import DeadLetter, DeliveryState, Message, MessageLabels, Stats
from .session import HubSession
from .tables import delivery_states
from .tables.agents import OPEN_TO_READERS
from .tables.conversation_list import ConversationState, count_earlier, list_conversations
from .tables.row_values import LABELS, labels_from_row, message_from_row
from .tables.traffic import Traffic, read_traffic
from .tables.undeliverable import SELECT_UNDELIVERABLE
from .team import normalize_name
from .timestamps import format_time, parse_time
from .validation import check_count, check_text, check_type, quote

_ID_DIGITS = 19
_LEAST_ID = -(2**63)
_BATCH = 500


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
        rows = self._store.read(SELECT_BY_MESSAGE_ID, (message_id,) * 2)
        if not rows and (number := message_id.removeprefix("#")).isdecimal() and len(number) < _ID_DIGITS:
            rows = self._store.read("SELECT * FROM messages WHERE id = ?", (int(number),))
        if not rows:
            raise UnknownMessage(f"There is no message {quote(message_id)}.")
        return message_from_row(rows[0])

    def messages(self, ids: Iterable[int]) -> dict[int, Message]:
        """Return a mapping from each ``id`` to its message. Unknown numbers are left out."""
        rows = self._read_for_each("SELECT * FROM messages WHERE id IN ({marks})", _check_ids(ids))
        return {row["id"]: message_from_row(row) for row in rows}

    def labels(self, ids: Iterable[int]) -> dict[int, MessageLabels]:
        """Return a mapping from each ``id`` to the labels of its message. Unknown numbers are left out."""
        sql = f"SELECT {LABELS} FROM messages AS m WHERE m.id IN ({{marks}})"  # noqa: S608
        return {row["id"]: labels_from_row(row) for row in self._read_for_each(sql, _check_ids(ids))}

    def trace(self, message_id: str) -> list[DeliveryState]:
        """Return the state of a message for each of its recipients. Raise UnknownMessage."""
        message = self.message(message_id).id
        return self.trace_each([message]).get(message, [])

    def trace_each(self, ids: Iterable[int]) -> dict[int, list[DeliveryState]]:
        """Return a mapping from each ``id`` to the states of its message. Messages without a delivery are left out."""
        found: dict[int, list[DeliveryState]] = {}
        for row in self._read_for_each(delivery_states.SELECT_STATES, _check_ids(ids)):
            found.setdefault(row["message"], []).append(delivery_states.state_from_row(row))
        return found

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
            "SELECT * FROM messages WHERE (CAST(:before AS BIGINT) IS NULL OR id < :before)"
            " AND (CAST(:agent AS TEXT) IS NULL OR sender = :agent OR recipient = :agent)"
            " ORDER BY id DESC LIMIT :limit",
            {
                "before": None if before is None else check_count("before", before, least=_LEAST_ID),
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

    def conversations(
        self,
        reader: str,
        *,
        prefixes: Collection[str] = (),
        without: Collection[str] = (),
        before: int | None = None,
        limit: int = 50,
    ) -> list[ConversationState]:
        """Return conversations, the one with the newest message first, each with the number of its deliveries that
        ``reader`` has not ended.

        ``before`` is the ``id`` of a conversation's last message: continue from there into the past. ``prefixes`` and
        ``without`` are beginnings of their ids.
        """
        begin = None if before is None else check_count("before", before, least=_LEAST_ID)
        reading = normalize_name(reader)
        return list_conversations(self._store.read, reading, prefixes, without, begin, check_count("limit", limit))

    def count_earlier(self, conversation_id: str, before: int) -> tuple[int, datetime | None]:
        """Return the number of messages of a conversation before the message with this ``id``, and the time of the
        first.
        """
        check_count("before", before, least=_LEAST_ID)
        return count_earlier(self._store.read, check_text("conversation_id", conversation_id), before)

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
        """Return the messages that match all arguments, in the order in which they were stored; with ``limit`` only the
        newest.

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
        sql = f"SELECT * FROM messages WHERE {' AND '.join(conditions)} ORDER BY id DESC"  # noqa: S608
        if limit is not None:
            sql += " LIMIT :limit"
            check_count("limit", limit)
        rows = self._store.read(sql, given | {"after": after, "before": before, "limit": limit})
        return [message_from_row(row) for row in reversed(rows)]

    def versions(self, message_id: str, *, sender: str | None = None) -> list[Message]:
        """Return the message with this id, and those whose ids begin with it and a colon, in the order of storing."""
        first = check_text("message_id", message_id)
        rows = self._store.read(
            "SELECT * FROM messages WHERE (message_id = :first OR (message_id > :from AND message_id < :to))"
            " AND (CAST(:sender AS TEXT) IS NULL OR sender = :sender) ORDER BY id",
            {"first": first, "from": f"{first}:", "to": f"{first};", "sender": sender},
        )
        return [message_from_row(row) for row in rows]

    def version_labels(self, message_ids: Iterable[str], *, sender: str) -> list[MessageLabels]:
        """Return the labels of the versions of several messages of one sender, in the order in which they were
        stored."""
        firsts = [check_text("message_id", each) for each in message_ids]
        wanted = check_text("sender", sender)
        rows = self._read_for_each(_SELECT_VERSIONS, firsts, mark="(CAST(? AS TEXT))")
        return sorted({each for each in map(labels_from_row, rows) if each.sender == wanted})

    def reply_labels(
        self,
        message_ids: Iterable[str],
        *,
        recipient: str | None = None,
        message_type: str | None = None,
        without_types: Collection[str] = (),
        only_last: bool = False,
    ) -> list[MessageLabels]:
        """Return the labels of the answers to these messages that match all arguments, in the order in which they were
        stored. With ``only_last``, return only each sender's last answer to each message.
        """
        wanted = {"recipient": recipient, "message_type": message_type}
        given = {column: check_text(column, value) for column, value in wanted.items() if value is not None}
        left_out = [check_text("message_type", each) for each in without_types]
        conditions = [*(f"m.{column} = ?" for column in given), *["m.message_type <> ?"] * len(left_out)]
        where = " AND ".join(["m.reply_to IN ({marks})", *conditions])
        if only_last:
            where = f"m.id IN (SELECT max(m.id) FROM messages AS m WHERE {where} GROUP BY m.reply_to, m.sender)"  # noqa: S608
        answered = [check_text("message_id", each) for each in message_ids]
        sql = f"SELECT {LABELS} FROM messages AS m WHERE {where}"  # noqa: S608
        return sorted(map(labels_from_row, self._read_for_each(sql, answered, *given.values(), *left_out)))

    def stored_after(
        self, number: int, *, senders: Collection[str], conversation_prefix: str
    ) -> tuple[list[Message], int]:
        """Return messages of these senders with an ``id`` above ``number``, in the order in which they were stored.
        Also return the ``id`` from which the next call continues. It is below ``number`` if a restore has taken
        messages away.

        Leave out conversations whose id does not begin with ``prefix``. A call returns at most one batch.
        """
        check_count("number", number, least=_LEAST_ID)
        prefix = check_text("conversation_prefix", conversation_prefix)
        names = [check_text("sender", each) for each in senders]
        last = self._store.newest_id()
        rows = self._store.read(
            "SELECT * FROM messages WHERE id > ? AND id <= ?"  # noqa: S608
            " AND substr(conversation_id, 1, length(CAST(? AS TEXT))) = ?"
            f" AND sender IN ({_marks(names)}) ORDER BY id LIMIT ?",
            (number, last, prefix, prefix, *names, _BATCH),
        )
        return [message_from_row(row) for row in rows], rows[-1]["id"] if len(rows) == _BATCH else last

    def earlier_deliveries(
        self, message: Message, *, message_type: str, limit: int
    ) -> list[tuple[MessageLabels, datetime | None]]:
        """Return the first ``limit`` open deliveries of a type to this agent before ``message``, in the order of
        reading. Each has the end of its backoff.
        """
        check_type("message", message, Message)
        values = (check_text("message_type", message_type), message.id, self._session.agent)
        rows = self._store.read(_SELECT_EARLIER, (*values, check_count("limit", limit)))
        return [(labels_from_row(row), parse_time(row["available_at"])) for row in rows]

    def has_open_before(self, moment: datetime) -> bool:
        """Return whether this agent has an open message that was stored before a time and is not in backoff."""
        check_type("moment", moment, datetime)
        before = format_time(moment.timestamp())
        return bool(self._store.read(_SELECT_OPEN_BEFORE, (self._session.agent, before)))

    def search(self, words: str, *, limit: int = 20) -> list[Message]:
        """Return the newest ``limit`` messages whose content has all of these words, the newest first.

        The first search indexes all messages, later searches only new messages. Raise InvalidMessage without words, and
        StoreError if this Python's SQLite lacks FTS5.
        """
        if not check_text("words", words).strip():
            raise InvalidMessage("There is nothing to search for.")
        return [message_from_row(row) for row in open_tools(self._store).search(words, check_count("limit", limit))]

    def undeliverable(self) -> dict[str, int]:
        """Return the names that no agent has used yet, each with the number of messages that wait for it."""
        return {row[0]: row[1] for row in self._store.read(SELECT_UNDELIVERABLE)}

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

    def count_dead_letters(self) -> int:
        """Return the number of dead letters."""
        return int(self._store.read("SELECT count(*) FROM deliveries WHERE state = 'dead'")[0][0])

    def traffic(self, *, after: int, oldest: int, since: datetime) -> Traffic:
        """Return the number of messages after the ``id`` ``after``, and the waiting times of those that were read
        since a time.

        A message counts as read only if its ``id`` is ``oldest`` or higher.
        """
        return read_traffic(self._store.read, after, oldest, since)

    def stats(self) -> Stats:
        """Return counts and sizes of the whole team."""
        states = self._store.read("SELECT state, count(*) FROM deliveries GROUP BY state")
        (messages,) = self._store.read("SELECT count(*) FROM messages")[0]
        (oldest,) = self._store.read(
            "SELECT min(m.created_at) FROM deliveries AS d JOIN messages AS m ON m.id = d.message"  # noqa: S608
            f" WHERE d.done_at IS NULL AND {OPEN_TO_READERS}",
            {"now": format_time(self._clock())},
        )[0]
        size = open_tools(self._store).measure()
        return Stats(
            schema=size.schema,
            messages=messages,
            deliveries={row[0]: row[1] for row in states},
            oldest_unread=parse_time(oldest),
            file_bytes=size.file_bytes,
            wal_bytes=size.wal_bytes,
        )

    def _read_for_each(self, sql: str, values: Iterable[int | str], *more: str, mark: str = "?") -> Iterator[Row]:
        """Yield the rows of a query about many values. ``{marks}`` in the query stands for these values, and ``more``
        are its other values.
        """
        distinct = list(dict.fromkeys(values))
        for start in range(0, len(distinct), _BATCH):
            batch = distinct[start : start + _BATCH]
            yield from self._store.read(sql.format(marks=_marks(batch, mark)), (*batch, *more))


def _marks(values: Collection[object], mark: str = "?") -> str:
    return ", ".join([mark] * len(values))


def _check_ids(ids: Iterable[int]) -> list[int]:
    return [check_count("id", each, least=_LEAST_ID) for each in ids]


# With CROSS JOIN SQLite does not begin with all messages.
_SELECT_VERSIONS = f"""
    WITH wanted (first) AS (VALUES {{marks}})
    SELECT {LABELS} FROM wanted AS w CROSS JOIN messages AS m WHERE m.message_id = w.first
    UNION ALL
    SELECT {LABELS} FROM wanted AS w CROSS JOIN messages AS m
      WHERE m.message_id > w.first || ':' AND m.message_id < w.first || ';'
"""  # noqa: S608
_SELECT_EARLIER = f"""
    SELECT {LABELS}, d.available_at FROM deliveries AS itself
      JOIN deliveries AS d ON d.recipient = itself.recipient AND d.done_at IS NULL
        AND (d.rank, d.message) < (itself.rank, itself.message)
      JOIN messages AS m ON m.id = d.message AND m.message_type = ?
    WHERE itself.message = ? AND itself.recipient = ? ORDER BY d.rank, d.message LIMIT ?
"""  # noqa: S608
_SELECT_OPEN_BEFORE = """
    SELECT 1 FROM deliveries AS d JOIN messages AS m ON m.id = d.message
    WHERE d.recipient = ? AND d.done_at IS NULL AND d.available_at IS NULL AND m.created_at < ? LIMIT 1
"""
