"""Create and migrate the tables of the hub and of components on a server. Their versions are in schema_versions."""

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from ...errors import ComponentTooNew, SchemaTooNew, StoreError, UnusableComponent
from .connection import ServerConnection, quote_name, quote_text, run_script
from .transactions.server_statements import run_with_psycopg
from .translation import translate_types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..component_tables import ComponentTables

_SCRIPTS = ("tables.sql", "2-dead-letters.sql", "3-delivery-floors.sql", "4-open-floors.sql")
_TRIGGERS = "triggers.sql"
SCHEMA_VERSION = len(_SCRIPTS)
_HUB = "hub"
UNFINISHED_COPY = "unfinished_copy"
"""The table that marks a schema until the copy of a team into it is finished."""
TEAM_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('teamsup ' || current_schema(), 0))"


def migrate(connection: ServerConnection, team: str, *, is_copying: bool = False) -> bool:
    """Bring the hub's tables to this program's version, in one transaction. Return whether that changed them.

    Raise SchemaTooNew, StoreError if another team is stored here or a copy is not finished, and psycopg.Error.
    """
    is_older = _read_version(connection, _HUB) != SCHEMA_VERSION
    if is_older:
        _migrate_locked(connection, team)
    found = run_script(connection, f"SELECT name, to_regclass('{UNFINISHED_COPY}') AS copy FROM stored_team")[0]  # noqa: S608
    if found["name"] != team:
        raise StoreError(
            f"Team {found['name']!r} is stored in this schema, and this is team {team!r}. Use another schema."
        )
    if found["copy"] is not None and not is_copying:
        raise StoreError("A copy into this schema is not finished. Run the same 'teamsup hub copy' again.")
    return is_older


def _migrate_locked(connection: ServerConnection, team: str) -> None:
    with connection.transaction():
        run_script(connection, TEAM_LOCK)
        before = _read_version(connection, _HUB) or 0
        _refuse_newer(before)
        if before == SCHEMA_VERSION:  # another program was quicker
            return
        for script in (*_SCRIPTS[before:], _TRIGGERS):
            run_script(connection, Path(__file__).with_name("schema").joinpath(script).read_text("utf-8"))
        if not before:
            connection.execute("INSERT INTO stored_team (name) VALUES ($1)", (team,))
        _record_version(connection, _HUB, SCHEMA_VERSION)


def migrate_component(connection: ServerConnection, tables: "ComponentTables") -> None:
    """Run the scripts of a component that have not been run in this database, all in one transaction.

    Raise UnusableComponent, ComponentTooNew and psycopg.Error; then nothing has changed.
    """
    if _read_version(connection, tables.component) == tables.version:
        return
    origin = tables.component
    try:
        with connection.transaction():
            run_script(connection, TEAM_LOCK)
            before = _read_version(connection, tables.component) or 0
            _refuse_newer_component(tables, before)
            for script in tables.scripts[before:]:
                origin = f"{tables.component} in {script.name}"
                run_script(connection, translate_types(script.read_text("utf-8")))
            origin = tables.component
            _create_trigger(connection, tables)
            # A mistake in these statements would stop the hub's maintenance for the whole team, so compile them here.
            for statement in (*tables.keeps, *tables.forgets_person):
                run_with_psycopg(connection, f"EXPLAIN {statement}", {"name": "", "id": ""})
            _record_version(connection, tables.component, tables.version)
    except (psycopg.ProgrammingError, psycopg.IntegrityError, psycopg.DataError, OSError, UnicodeError) as error:
        words = " ".join(str(error).split())
        raise UnusableComponent(f"The SQL of {origin} cannot be used: {words}.") from error


def check_versions(name: str, found: "Mapping[str, int]", own: "ComponentTables | None") -> None:
    """Raise SchemaTooNew or ComponentTooNew if a newer program has changed the tables that this program uses."""
    if _HUB not in found:
        raise StoreError(f"{name} has lost the hub's tables. Restore a backup.")
    _refuse_newer(found[_HUB], " End this program and start it again.")
    if own is not None:
        _refuse_newer_component(own, found.get(own.component, 0))


def _refuse_newer(version: int, advice: str = " Update teamsup.") -> None:
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"The hub has schema {version}, written by a newer teamsup; this one knows {SCHEMA_VERSION}.{advice}"
        )


def _refuse_newer_component(tables: "ComponentTables", version: int) -> None:
    if version > tables.version:
        raise ComponentTooNew(
            f"The tables of {tables.component} have version {version}, made by a newer {tables.component}; "
            f"this one knows {tables.version}. Update it."
        )


def _read_version(connection: ServerConnection, component: str) -> int | None:
    if run_script(connection, "SELECT to_regclass('schema_versions') AS found")[0]["found"] is None:
        return None
    rows = run_script(connection, f"SELECT version FROM schema_versions WHERE component = {quote_text(component)}")  # noqa: S608
    return int(rows[0]["version"]) if rows else None


def _record_version(connection: ServerConnection, component: str, version: int) -> None:
    connection.execute(
        "INSERT INTO schema_versions (component, version) VALUES ($1, $2)"
        " ON CONFLICT (component) DO UPDATE SET version = excluded.version",
        (component, version),
    )


def _create_trigger(connection: ServerConnection, tables: "ComponentTables") -> None:
    """Create a trigger that removes rows of the component together with their messages."""
    trigger = quote_name(f"messages_delete_{tables.component.replace('-', '_')}")
    run_script(connection, f"DROP TRIGGER IF EXISTS {trigger} ON messages")
    if not tables.goes_with_message:
        return
    conditions = {
        table: " OR ".join(f"{column} = OLD.id" for column in columns)
        for table, columns in tables.goes_with_message.items()
    }
    deletions = "\n".join(f"  DELETE FROM {table} WHERE {which};" for table, which in conditions.items())  # noqa: S608
    run_script(
        connection,
        f"CREATE OR REPLACE FUNCTION {trigger}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$\n"
        f"BEGIN\n{deletions}\n  RETURN NULL;\nEND $$;\n"
        f"CREATE TRIGGER {trigger} AFTER DELETE ON messages FOR EACH ROW EXECUTE FUNCTION {trigger}()",
    )
