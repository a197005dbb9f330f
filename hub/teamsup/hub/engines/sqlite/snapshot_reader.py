"""Read a sound database once, without the connections and the checks of a Store."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import StoreError
from . import database_file, migrations
from .connection import configure_rows, open_observer

if TYPE_CHECKING:
    from ..engine import Row, Values


def read_once(path: Path, run: Path, queries: "Sequence[tuple[str, Values]]") -> "list[list[Row]] | None":
    """Return the rows of each query, all of the same moment. Return None if anything is unusual; a Store can then find
    the cause.

    Read only the file that the last process had open. Another file may have a wrong log beside it.
    """
    try:
        known = database_file.read_record(run)
        if known is None or database_file.find_inode(str(path)) != known.database:
            return None
        with closing(open_observer(path)) as db:
            configure_rows(db)
            db.execute("BEGIN")
            if db.execute("PRAGMA user_version").fetchone()[0] != migrations.SCHEMA_VERSION:
                return None
            return [db.execute(sql, values).fetchall() for sql, values in queries]
    except (sqlite3.Error, StoreError):
        return None
