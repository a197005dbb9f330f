"""Correct a counter of ids that a foreign program has set too far ahead. Only SQLite lets it do so."""

import sqlite3

from ...models import MAX_ID


def limit_counters(db: sqlite3.Connection) -> None:
    """Set SQLite's counter of ids back to the largest id, if a foreign program has set it too far ahead.

    No trigger can guard that counter. At the counter's maximum, SQLite would refuse every new row, as if the disk were
    full.
    """
    # Components' tables may have such counters too.
    for (table,) in db.execute("SELECT name FROM sqlite_sequence WHERE seq > ?", (MAX_ID,)).fetchall():
        quoted = '"' + str(table).replace('"', '""') + '"'
        largest = f"(SELECT coalesce(max(rowid), 0) FROM {quoted})"  # noqa: S608
        db.execute(
            f"UPDATE sqlite_sequence SET seq = {largest} WHERE name = ? AND seq > {largest}",  # noqa: S608
            (table,),
        )
