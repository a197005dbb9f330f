"""Keep the store small and sound, and repair it."""

import math
import time
from collections.abc import Collection, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .engines.choice import open_tools, restore_backup
from .engines.component_tables import ComponentTables, reads_nothing_expired
from .engines.engine import Transaction
from .engines.maintenance_progress import announce_maintenance
from .engines.signal_safety import signal_safe
from .queries import Queries
from .session import HubSession
from .tables import agents, deliveries, delivery_states
from .tables.person_names import PersonNames, known_names
from .tables.row_values import as_text
from .team import Team, normalize_agent_name, normalize_name
from .timestamps import format_time
from .validation import check_count, check_seconds, check_text, check_type
from .wakeup.doorbell import Doorbells

if TYPE_CHECKING:
    from .engines.engine import RestoreReport, StoreMetric

_BATCH_MESSAGES = 500
_LEAST_ID = -(2**63)
_FIRST_TIME = "0001-01-01"  # no message is older
# The pause lets a waiting writer write between two batches. That writer tries again after 0.25 to 1 ms.
_PAUSE_SECONDS = 0.003


class Maintenance:
    """The verbs that maintain a team's store."""

    def __init__(self, session: HubSession, queries: Queries) -> None:
        self.team = session.team
        self._session = session
        self._queries = queries
        self._store = session.store
        self._tools = open_tools(session.store)
        self._clock = session.clock
        self._write = session.write
        self._ring_after_commit = session.ring_after_commit

    def apply_all_deadlines(self, components: Iterable[ComponentTables]) -> int:
        """Apply all deadlines in every mailbox, also in mailboxes without a reader; return the number of mailboxes.

        A claim does the same for its own mailbox, so nothing depends on this; it only updates ``status`` earlier.
        Skip messages that a component of ``components`` reads after their expiry.
        """
        now = self._clock()
        due = [row[0] for row in self._store.read(delivery_states.SELECT_DUE_MAILBOXES, {"now": format_time(now)})]
        readers = {tables.component: tables.reads_expired for tables in components}
        for mailbox in due:
            reads_expired = readers.get(mailbox, reads_nothing_expired)
            with self._write() as db:
                self._ring_after_commit(mailbox, *deliveries.apply_deadlines(db, mailbox, now, reads_expired))
        return len(due)

    def retry(self, message_id: str, recipient: str | None = None) -> int:
        """Return dead letters of a message to the queue, without their failed attempts. Return their number. Raise
        UnknownMessage.
        """
        message = self._queries.message(message_id)
        with self._write() as db:
            who = None if recipient is None else normalize_name(recipient)
            revived = delivery_states.requeue_dead(db, message, who)
            self._ring_after_commit(*revived)
        return len(revived)

    def drop_dead(self, message_id: str, recipient: str, *, outcome: str) -> bool:
        """End a dead letter as cancelled, with this outcome. Return whether there was one. Raise UnknownMessage."""
        message = self._queries.message(message_id)
        with self._write() as db:
            return delivery_states.cancel_dead(db, message, normalize_name(recipient), outcome)

    def migrate_component(self, tables: ComponentTables) -> None:
        """Create the tables of a component, or migrate them to its version. Call it outside a transaction. Raise
        ComponentTooNew if a newer version of the component has made them, and UnusableComponent if its SQL is wrong.
        """
        self._store.migrate_component(tables)

    def use_component(self, tables: ComponentTables) -> None:
        """Migrate the tables of a component, for its own programs. Raise UnusableComponent, and ComponentTooNew. If a
        newer program migrates the tables later, each transaction after that raises ComponentTooNew.
        """
        self._store.use_component(tables)

    def component_version(self, component: str) -> int | None:
        """Return the version of a component's tables in this database, or None."""
        rows = self._store.read("SELECT version FROM schema_versions WHERE component = ?", (component,))
        return rows[0][0] if rows else None

    def mark_offline(self, *names: str) -> None:
        """Mark agents offline whose processes have ended."""
        with self._write(durable=False) as db:
            agents.mark_offline(db, [check_text("name", name).lower() for name in names])

    def retire(self, name: str) -> None:
        """Forget an agent. Its messages stay, but are undeliverable until it takes part again."""
        with self._write() as db:
            agents.retire(db, normalize_agent_name(name))

    def release_abandoned(self) -> int:
        """Release the claims of an earlier process of this agent; return the number of deliveries.

        Only for an agent with one reader at a time, before its first claim.
        """
        with self._write() as db:
            return delivery_states.release_all(db, self._session.agent, self._clock())

    def prune(
        self,
        *,
        older_than: float | None = None,
        keep: int | None = None,
        components: Iterable[ComponentTables] = (),
    ) -> int:
        """Remove ended messages that are older than ``older_than`` seconds, or older than the newest ``keep``. Keep
        messages that a component of ``components`` needs.

        A message that stays unread for ``older_than`` seconds expires, and a later prune removes it. Work in small
        batches, return freed pages to the file system, and truncate the WAL. Return the number of removed messages.
        """
        if older_than is not None:
            check_seconds("older_than", older_than, least=0)
            self._expire_unread(self._clock() - older_than)
        gone = 0
        with announce_maintenance(self.team.run, "pruning") as progress:
            for batch in self._find_ended(older_than, keep, components):
                with self._write() as db:
                    self._delete_messages(db, batch)
                gone += len(batch)
                progress(gone)
                time.sleep(_PAUSE_SECONDS)
            self._tools.reclaim_space(_PAUSE_SECONDS)
        return gone

    def count_prunable(
        self,
        *,
        older_than: float | None = None,
        keep: int | None = None,
        components: Iterable[ComponentTables] = (),
    ) -> int:
        """Return the number of messages that prune() would remove now. Do not change anything."""
        return sum(map(len, self._find_ended(older_than, keep, components)))

    def _find_ended(
        self, older_than: float | None, keep: int | None, components: Iterable[ComponentTables]
    ) -> Iterator[list[int]]:
        """Yield the ``id`` of messages that a pruning removes, in batches."""
        newest = 0
        if keep is not None:
            check_count("keep", keep)
            rows = self._store.read("SELECT id FROM messages ORDER BY id DESC LIMIT 1 OFFSET ?", (keep,))
            newest = rows[0][0] if rows else 0
        before = _FIRST_TIME if older_than is None else format_time(self._clock() - older_than)
        kept = [select for tables in self._present(components) for select in tables.keeps]
        select = _SELECT_ENDED.format(kept="".join(f" AND id NOT IN ({select})" for select in kept))
        last = _LEAST_ID
        while batch := [row[0] for row in self._store.read(select, (last, newest, before, _BATCH_MESSAGES))]:
            last = batch[-1]
            yield batch

    def count_messages_of(self, person: str) -> int:
        """Return the number of messages that forget() would remove."""
        return len(self._find_messages_of(self._find_names_of(person)))

    def forget(self, person: str, components: Iterable[ComponentTables] = ()) -> int:
        """Remove a person: their name, each message that is from, for or to them or quotes them, and the answers to
        these. Return the number of messages.

        The ``components`` forget the person too. ``person`` is an agent's name, or the ``user``, ``person`` or
        ``author_name`` of a message's metadata. The ``user`` is the part after a colon: 30 in ``chat:30``. The freed
        space is overwritten. Work in small batches; after an error call it again.
        """
        names = self._find_names_of(person)
        gone = 0
        with announce_maintenance(self.team.run, "pruning") as progress:
            # This reads all messages, so do it outside a transaction. Do it again for messages that arrive in the
            # meantime.
            while found := self._find_messages_of(names):
                for start in range(0, len(found), _BATCH_MESSAGES):
                    batch = found[start : start + _BATCH_MESSAGES]
                    with self._secure_delete() as db:
                        self._delete_messages(db, batch)
                    gone += len(batch)
                    progress(gone)
            each_name = [{"name": name, "id": names.user} for name in names.names]
            # This rewrites the whole index, and may take long.
            with self._secure_delete(longest=math.inf) as db:
                self._tools.optimize_search(db)
                for name in names.names:
                    agents.retire(db, name)
                for tables in self._present(components):
                    for sql in tables.forgets_person:
                        db.executemany(sql, each_name)
            self._tools.reclaim_space(_PAUSE_SECONDS)
        return gone

    @signal_safe
    def _secure_delete(self, longest: float | None = None) -> Generator[Transaction, None, None]:
        """Begin a transaction that overwrites deleted content."""
        with self._write(longest=longest) as db, self._tools.secure_delete(db):
            yield db

    def backup(self, target: Path, components: Collection[ComponentTables] = ()) -> None:
        """Write a consistent copy while the team runs: a SQLite file, also of a team on a server.

        Raise CallerError when the file exists, or a server has tables of a component that is not in ``components``;
        StoreError.
        """
        check_type("target", target, Path)
        self._tools.write_backup(target, components)

    def store_metrics(self) -> "list[StoreMetric]":
        """Return the figures of the engine that stores the team. There are none for a file."""
        return self._tools.metrics()

    def check_integrity(self, components: Iterable[ComponentTables] = ()) -> list[str]:
        """Return a sentence for each fault of the store, also in tables of ``components``; empty when it is sound."""
        problems = self._tools.check_integrity()
        (orphans,) = self._store.read("SELECT count(*) FROM deliveries WHERE message NOT IN (SELECT id FROM messages)")[
            0
        ]
        if orphans:
            problems.append(f"{orphans} deliveries belong to no message.")
        (stuck,) = self._store.read(delivery_states.COUNT_HEADLESS_CONVERSATIONS)[0]
        (lost,) = self._store.read(delivery_states.COUNT_PENDING_WITHOUT_DELIVERY)[0]
        if lost:
            problems.append(f"{lost} pending messages have no open delivery.")
        if stuck:
            problems.append(f"{stuck} conversations have open deliveries but none that may be claimed.")
        for tables in self._present(components):
            for table, columns in tables.goes_with_message.items():
                orphans = self._tools.count_orphans(table, columns)
                if orphans:
                    problems.append(f"{orphans} rows of {table} belong to no message.")
        return problems

    def _delete_messages(self, db: Transaction, ids: list[int]) -> None:
        self._tools.remove_from_search(db, ids)
        db.executemany("DELETE FROM messages WHERE id = ?", [(message,) for message in ids])

    def _present(self, components: Iterable[ComponentTables]) -> list[ComponentTables]:
        """Return the components that have tables in this database."""
        return [tables for tables in components if self.component_version(tables.component) is not None]

    def _find_names_of(self, person: str) -> PersonNames:
        return known_names(person, [row[0] for row in self._store.read(_SELECT_ALL_NAMES)])

    def _find_messages_of(self, names: PersonNames) -> list[int]:
        """Return the ``id`` of each message that is from, for or to these people or quotes them, and of the answers."""
        marks = ", ".join(["(CAST(? AS TEXT))"] * len(names.names))
        rows = self._store.read(_SELECT_OF_PERSON.format(names=marks), (*names.names, names.user))
        theirs = {row["message_id"]: row["id"] for row in rows if row["is_theirs"] or names.are_quoted(row["quotes"])}
        answers = self._queries.reply_labels(map(as_text, theirs))
        return sorted({*theirs.values(), *(answer.id for answer in answers)})

    def _expire_unread(self, before: float) -> None:
        while rows := self._store.read(_SELECT_UNREAD_BEFORE, (format_time(before), _BATCH_MESSAGES)):
            with self._write() as db:
                for row in rows:
                    self._ring_after_commit(*deliveries.expire(db, row, self._clock()))
            time.sleep(_PAUSE_SECONDS)


def restore_and_wake(team: Team, backup: Path, components: Collection[ComponentTables] = ()) -> "RestoreReport":
    """Take the team back to a backup, and let all waiting readers look at once. Raise the errors of
    restore_backup().
    """
    report = restore_backup(team, backup, components)
    Doorbells(team.run).ring_all()
    return report


_SELECT_ENDED = """
    SELECT id FROM messages WHERE id > ? AND (id <= ? OR created_at < ?)
      AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = messages.id AND done_at IS NULL){kept}
    ORDER BY id LIMIT ?
"""

_SELECT_UNREAD_BEFORE = """
    SELECT m.*, d.recipient AS mailbox FROM messages AS m JOIN deliveries AS d ON d.message = m.id
    WHERE m.created_at < ? AND d.state = 'ready' LIMIT ?
"""

_SELECT_OF_PERSON = """
    WITH names (name) AS (VALUES {names}),
    known AS MATERIALIZED (
      SELECT id, message_id, metadata_text(metadata, 'quotes') AS quotes,
        CASE WHEN lower(sender) IN (SELECT name FROM names) OR lower(recipient) IN (SELECT name FROM names)
          OR metadata_text(metadata, 'user') = ? OR metadata_text(metadata, 'person') IN (SELECT name FROM names)
          OR metadata_text(metadata, 'author_name') IN (SELECT name FROM names) THEN 1 ELSE 0 END AS is_theirs
      FROM messages)
    SELECT * FROM known WHERE is_theirs = 1 OR quotes IS NOT NULL
"""
_SELECT_ALL_NAMES = """
    SELECT lower(sender) FROM messages UNION SELECT lower(recipient) FROM messages WHERE recipient IS NOT NULL
      UNION SELECT lower(agent_name) FROM agent_status WHERE agent_name IS NOT NULL
"""
