"""The rows of a team in a SQLite file, for a copy to or from another store."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CallerError, StoreError
from ...models import MAX_ID
from ..sqlite.component_migration import migrate_component
from ..sqlite.connection import open_reader, open_writer
from ..sqlite.store_errors import as_store_error
from .row_copy import PAGE_ROWS, ColumnKind, StoredRow, StoreInUse, TableColumns, make_columns

if TYPE_CHECKING:
    from ..component_tables import ComponentTables

_UNFINISHED = ".copying"
_OF_THE_ENGINE = ("schema_versions", "replaced_messages", "sqlite_", "messages_fts")
"""Tables that are not copied, or the beginnings of their names. A search builds its index again."""
_KINDS: dict[str, ColumnKind] = {"TEXT": "text", "INTEGER": "integer", "REAL": "real", "TIMESTAMP": "time"}


class FileRows:
    """A RowStore in an open database. A new file has another name until it is finished."""

    def __init__(self, db: sqlite3.Connection, path: Path, *, is_new: bool = False) -> None:
        self.name = str(path)
        self.is_unfinished = is_new
        self._db = db
        self._path = path
        self._shapes: dict[str, TableColumns] = {}

    def close(self) -> None:
        self._db.close()

    def tables(self) -> Mapping[str, TableColumns]:
        if not self._shapes:
            names = [row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            self._shapes = {name: self._read_shape(name) for name in names if not name.startswith(_OF_THE_ENGINE)}
        return self._shapes

    def _read_shape(self, table: str) -> TableColumns:
        columns = self._db.execute(f"PRAGMA table_info({_quote(table)})").fetchall()
        keys = sorted((column["pk"], column["name"]) for column in columns if column["pk"])
        kinds = {column["name"]: _KINDS.get(column["type"].upper(), "text") for column in columns}
        return make_columns(kinds, [name for _, name in keys])

    def component_versions(self) -> Mapping[str, int]:
        return dict(map(tuple, self._db.execute("SELECT component, version FROM schema_versions")))

    def count(self, table: str) -> int:
        return int(self._db.execute(f"SELECT count(*) FROM {_quote(table)}").fetchone()[0])  # noqa: S608

    def read_page(self, table: str, after: StoredRow | None) -> Sequence[StoredRow]:
        shape = self.tables()[table]
        key = ", ".join(map(_quote, shape.key))
        # A row of a foreign program may have no key at all. The hub does not know such a row either.
        where = f"{_quote(shape.key[0])} IS NOT NULL"
        if after is not None:
            where += f" AND ({key}) > ({', '.join('?' * shape.key_length)})"
        columns = ", ".join(map(_quote, shape.names))
        sql = f"SELECT {columns} FROM {_quote(table)} WHERE {where} ORDER BY {key} LIMIT {PAGE_ROWS}"  # noqa: S608
        with self._translated_errors():
            return [tuple(row) for row in self._db.execute(sql, after or ())]

    def counters(self) -> Mapping[str, int]:
        given = dict(map(tuple, self._db.execute("SELECT name, seq FROM sqlite_sequence")))
        counted = {row[0] for row in self._db.execute(_COUNTED)} & self.tables().keys()
        largest = {
            table: int(self._db.execute(f"SELECT coalesce(max(rowid), 0) FROM {_quote(table)}").fetchone()[0])  # noqa: S608
            for table in counted
        }
        # A foreign program may have set a counter too far ahead: foreign_values.py.
        return {
            table: max(number, given[table]) if isinstance(given.get(table), int) and given[table] <= MAX_ID else number
            for table, number in largest.items()
        }

    def begin(self, components: "Collection[ComponentTables]") -> None:
        """Create the tables. The name of the file already marks it as unfinished."""
        self.create_tables(components)

    def create_tables(self, components: "Collection[ComponentTables]") -> None:
        with self._translated_errors():
            for tables in components:
                migrate_component(self._db, tables)
        self._shapes = {}

    def change(self, table: str, removed: Collection[StoredRow], added: Collection[StoredRow]) -> None:
        shape = self.tables()[table]
        which = " AND ".join(f"{_quote(name)} = ?" for name in shape.key)
        marks = ", ".join("?" * len(shape.names))
        columns = ", ".join(map(_quote, shape.names))
        with self._translated_errors(), self._without_triggers():
            self._db.executemany(f"DELETE FROM {_quote(table)} WHERE {which}", removed)  # noqa: S608
            self._db.executemany(f"INSERT INTO {_quote(table)} ({columns}) VALUES ({marks})", added)  # noqa: S608

    def set_counter(self, table: str, number: int) -> None:
        with self._translated_errors():
            self._db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))

    def finish(self) -> None:
        with self._translated_errors():
            self._db.close()
        try:
            _unfinished(self._path).replace(self._path)
        except OSError as error:
            raise StoreError(f"{self.name} cannot be written: {error.strerror}.") from error

    @contextmanager
    def _without_triggers(self) -> Iterator[None]:
        """Begin a transaction in which the tables have no triggers."""
        triggers = self._db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for trigger in triggers:
                self._db.execute(f"DROP TRIGGER {_quote(trigger['name'])}")
            yield
            for trigger in triggers:
                self._db.execute(trigger["sql"])
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise as_store_error(self.name, error) from error


def open_file(path: Path, components: "Collection[ComponentTables]" = ()) -> FileRows:
    """Open a database that no other program has open, and keep others from writing. Migrate it if needed.

    Raise CallerError if it is not a team's database, StoreInUse, SchemaTooNew and StoreError.
    """
    _check_is_of_a_team(path)
    run = path.with_name("run")
    try:
        db = open_writer(path, run if run.is_dir() else None)
        try:
            present = dict(map(tuple, db.execute("SELECT component, version FROM schema_versions")))
            for tables in components:
                if tables.component in present:
                    migrate_component(db, tables)
            _have_alone(db, path)
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as error:
        raise as_store_error(str(path), error) from error
    return FileRows(db, path)


def open_snapshot(path: Path) -> FileRows:
    """Open a database to read its rows of one moment, while programs use it. Raise StoreError."""
    try:
        db = open_reader(path)
        db.execute("BEGIN")
    except sqlite3.Error as error:
        raise as_store_error(str(path), error) from error
    return FileRows(db, path)


def open_new_file(path: Path) -> FileRows:
    """Open a new database, or continue one that is not finished. Raise StoreInUse and StoreError."""
    try:
        db = open_writer(_unfinished(path), None)
        try:
            db.execute("PRAGMA locking_mode=EXCLUSIVE").fetchone()  # keeps the lock between transactions too
            _have_alone(db, path)
            db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise as_store_error(str(_unfinished(path)), error) from error
    return FileRows(db, path, is_new=True)


def remove_unfinished(path: Path) -> None:
    """Remove the remains of a copy to this file."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            _unfinished(path).with_name(_unfinished(path).name + suffix).unlink()


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + _UNFINISHED)


def _check_is_of_a_team(path: Path) -> None:
    if not path.is_file():
        raise CallerError(f"{path} is not a file. Name the messages.db of a team, or a backup of it.")
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=1)
        try:
            found = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        finally:
            db.close()
    except sqlite3.Error as error:
        raise as_store_error(str(path), error) from error
    if not {"messages", "agent_status"} <= found:
        raise CallerError(f"{path} is not the database of a team. Name the messages.db of a team, or a backup of it.")


def _have_alone(db: sqlite3.Connection, path: Path) -> None:
    """Begin a transaction that keeps others from writing. Raise StoreInUse if another program has the database open."""
    try:
        # Only a program that alone has the database open can remove its log.
        db.execute("PRAGMA journal_mode=DELETE").fetchone()
        db.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        raise StoreInUse(
            f"Another program has {path} open. Stop the team, and end the sessions and consoles of its agents."
        ) from error


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_COUNTED = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
