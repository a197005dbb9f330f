"""Migrate the tables of one component, and remove their rows together with the messages to which they belong."""

import sqlite3
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ComponentTooNew, UnusableComponent
from .migrations import SCHEMA_VERSION, split_statements

if TYPE_CHECKING:
    from ..component_tables import ComponentTables


def migrate_component(db: sqlite3.Connection, tables: "ComponentTables", run: Path | None = None) -> None:
    """Run the scripts of a component that have not been run in this database, all in one transaction.

    With ``run``, announce this in that folder, and keep a copy of the database if it has tables of an earlier version.
    Raise UnusableComponent, StoreFull, StoreError and sqlite3.Error; then nothing has changed.
    """
    if read_component_version(db, tables) == tables.version:
        return
    from ..maintenance_progress import announce_maintenance  # almost no start migrates
    from .migration_backup import keep_copy

    with announce_maintenance(run, "migration") if run is not None else nullcontext():
        try:
            db.execute("BEGIN IMMEDIATE")
            before = read_component_version(db, tables)
            if before == tables.version:  # another program was quicker
                return
            with keep_copy(db, SCHEMA_VERSION, lambda _: None) if run is not None and before else nullcontext():
                _run_scripts(db, tables, before or 0)
                db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")


def read_component_version(db: sqlite3.Connection, tables: "ComponentTables") -> int | None:
    """Return the version of a component's tables in this database, or None if there are none. 0 means that the hub's
    earlier scripts made them. Raise ComponentTooNew.
    """
    row = db.execute("SELECT version FROM schema_versions WHERE component = ?", (tables.component,)).fetchone()
    if row is not None and row[0] > tables.version:
        raise ComponentTooNew(
            f"The tables of {tables.component} have version {row[0]}, made by a newer {tables.component}; "
            f"this one knows {tables.version}. Update it."
        )
    return None if row is None else int(row[0])


def _run_scripts(db: sqlite3.Connection, tables: "ComponentTables", before: int) -> None:
    origin = tables.component
    try:
        for script in tables.scripts[before:]:
            origin = f"{tables.component} in {script.name}"
            for statement in split_statements(script.read_text("utf-8")):
                db.execute(statement)
        origin = tables.component
        _create_trigger(db, tables)
        # A mistake in these statements would stop the hub's maintenance for the whole team, so compile them here.
        for statement in ("DELETE FROM messages", *tables.keeps, *tables.forgets_person):
            db.execute(f"EXPLAIN {statement}", {"name": "", "id": ""}).close()
    except (sqlite3.Error, OSError, UnicodeError) as error:
        if isinstance(error, sqlite3.Error) and not _is_mistake(error):
            raise
        raise UnusableComponent(f"The SQL of {origin} cannot be used: {error}.") from error
    db.execute(
        "INSERT INTO schema_versions (component, version) VALUES (?, ?)"
        " ON CONFLICT (component) DO UPDATE SET version = excluded.version",
        (tables.component, tables.version),
    )


def _create_trigger(db: sqlite3.Connection, tables: "ComponentTables") -> None:
    trigger = f"messages_delete_{tables.component.replace('-', '_')}"
    db.execute(f'DROP TRIGGER IF EXISTS "{trigger}"')
    if tables.goes_with_message:
        conditions = {
            table: " OR ".join(f"{column} = OLD.id" for column in columns)
            for table, columns in tables.goes_with_message.items()
        }
        deletions = "\n".join(f"  DELETE FROM {table} WHERE {which};" for table, which in conditions.items())  # noqa: S608
        db.execute(f'CREATE TRIGGER "{trigger}" AFTER DELETE ON messages\nBEGIN\n{deletions}\nEND')


def _is_mistake(error: sqlite3.Error) -> bool:
    """Return whether the SQL itself is wrong. Other errors, such as a full disk, come from the database and may be
    temporary.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH)
