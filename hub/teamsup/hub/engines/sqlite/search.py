"""The full-text index, created and updated only at a search.

No trigger maintains it, so it does not make a send slower, and a writer does not need FTS5. The index contains a copy
of the texts, because an index over another table breaks when that table changes.
"""

import sqlite3
from collections.abc import Collection

from .store import Store

_BATCH_MESSAGES = 500


def search(store: Store, words: str, limit: int) -> list[sqlite3.Row]:
    """Return the newest ``limit`` rows of ``messages`` with all of these words, the newest first. Index new messages
    first. Raise StoreError where this Python's SQLite lacks FTS5.
    """
    _refresh(store)
    return store.read(
        "SELECT m.* FROM messages_fts AS f JOIN messages AS m ON m.id = f.rowid WHERE messages_fts MATCH ?"
        " ORDER BY f.rowid DESC LIMIT ?",
        (_to_fts_query(words), limit),
    )


def remove(db: sqlite3.Connection, ids: Collection[int]) -> None:
    """Take messages out of the index."""
    if _exists(db):
        db.executemany("DELETE FROM messages_fts WHERE rowid = ?", [(message,) for message in ids])


def optimize(db: sqlite3.Connection) -> None:
    """Rewrite the index, so that removed words are no longer in the file."""
    if _exists(db):
        db.execute("INSERT INTO messages_fts (messages_fts) VALUES ('optimize')")


def _refresh(store: Store) -> None:
    """Index the messages since the last search, in batches that do not delay a writer for long."""
    if not store.read("SELECT 1 FROM sqlite_master WHERE name = 'messages_fts'"):
        with store.transaction() as db:
            db.execute(
                "CREATE VIRTUAL TABLE IF NOT EXISTS messages_fts"
                " USING fts5 (content, tokenize='unicode61 remove_diacritics 2')"
            )
            db.execute("CREATE TABLE IF NOT EXISTS messages_fts_indexed (up_to INTEGER NOT NULL)")
            db.execute(
                "INSERT INTO messages_fts_indexed SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM messages_fts_indexed)"
            )
    while store.read("SELECT 1 FROM messages WHERE id > (SELECT max(up_to) FROM messages_fts_indexed) LIMIT 1"):
        with store.transaction() as db:
            start = db.execute("SELECT up_to FROM messages_fts_indexed").fetchone()[0]
            rows = db.execute(
                "SELECT id, content FROM messages WHERE id > ? ORDER BY id LIMIT ?", (start, _BATCH_MESSAGES)
            ).fetchall()
            db.executemany("INSERT INTO messages_fts (rowid, content) VALUES (?, ?)", rows)
            db.execute("UPDATE messages_fts_indexed SET up_to = ?", (rows[-1]["id"] if rows else start,))


def _exists(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'messages_fts'").fetchone() is not None


def _to_fts_query(words: str) -> str:
    """Return a person's words as an FTS5 query for messages with all of them. No word counts as syntax."""
    return " ".join('"' + word.replace('"', '""') + '"' for word in words.split())
