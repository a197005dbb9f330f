"""The rows of a team on a server, for a copy to or from another store."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from ...errors import CallerError, StoreError
from ..postgresql.address import ServerAddress
from ..postgresql.connection import OPEN_LOCK, ServerConnection, open_connection, quote_name, run_script
from ..postgresql.migrations import UNFINISHED_COPY, migrate, migrate_component
from ..postgresql.server_errors import as_store_error
from ..postgresql.transactions.server_statements import run_alone, run_for_each
from .row_copy import PAGE_ROWS, ColumnKind, StoredRow, StoreInUse, TableColumns, make_columns

if TYPE_CHECKING:
    from ..component_tables import ComponentTables

_OF_THE_ENGINE = (
    *("schema_versions", "stored_team", UNFINISHED_COPY, "delivery_floors"),
    *("listening_hosts", "team_hosts", "role_leases", "host_requests"),  # of hosts that run the team
)
"""Tables that are not copied."""
_KINDS: dict[str, ColumnKind] = {
    "text": "text",
    "bigint": "integer",
    "double precision": "real",
    "timestamp with time zone": "time",
}
_MESSAGES = "messages"

_SETTINGS = "SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0"  # a copy takes long
_OTHERS = f"""
    SELECT coalesce(nullif(host(a.client_addr), ''), 'this host') AS host, count(*) AS programs
    FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (CAST(l.classid AS BIGINT) << 32 | CAST(l.objid AS BIGINT)) = {OPEN_LOCK}
    GROUP BY 1 ORDER BY 1
"""  # noqa: S608
_HUB_TABLES = "SELECT to_regclass('schema_versions') AS found"
_COLUMNS = """
    SELECT c.table_name, c.column_name, c.data_type, c.is_identity = 'YES' AS is_counted
    FROM information_schema.columns AS c
    JOIN information_schema.tables AS t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
    WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'
"""
_KEYS = """
    SELECT k.table_name, k.column_name FROM information_schema.table_constraints AS t
    JOIN information_schema.key_column_usage AS k
      ON k.constraint_name = t.constraint_name AND k.table_schema = t.table_schema AND k.table_name = t.table_name
    WHERE t.table_schema = current_schema() AND t.constraint_type = 'PRIMARY KEY'
    ORDER BY k.table_name, k.ordinal_position
"""


class ServerRows:
    """A RowStore in a schema. Until a copy into it is finished, no program of the team opens it."""

    def __init__(self, connection: ServerConnection, name: str) -> None:
        self.name = name
        self._connection = connection
        self.is_unfinished = (
            run_script(connection, f"SELECT to_regclass('{UNFINISHED_COPY}') AS found")[0][0] is not None
        )
        self._shapes: dict[str, TableColumns] = {}
        self._counted: dict[str, str] = {}

    @contextmanager
    def transaction(self) -> Iterator[ServerConnection]:
        """Store all changes inside together, or none of them."""
        with self._translated_errors(), self._connection.transaction():
            yield self._connection

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads inside the block see the rows of one moment."""
        with self.transaction() as connection:
            run_script(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield

    def close(self) -> None:
        self._connection.close()

    def tables(self) -> Mapping[str, TableColumns]:
        if not self._shapes:
            keys: dict[str, list[str]] = {}
            for table, column in run_script(self._connection, _KEYS):
                keys.setdefault(table, []).append(column)
            kinds: dict[str, dict[str, ColumnKind]] = {}
            for table, column, kind, is_counted in run_script(self._connection, _COLUMNS):
                if table not in _OF_THE_ENGINE:
                    kinds.setdefault(table, {})[column] = _KINDS.get(kind, "text")
                    if is_counted:
                        self._counted[table] = column
            self._shapes = {table: make_columns(columns, keys.get(table, ())) for table, columns in kinds.items()}
        return self._shapes

    def component_versions(self) -> Mapping[str, int]:
        rows = run_script(self._connection, "SELECT component, version FROM schema_versions WHERE component <> 'hub'")
        return {row["component"]: row["version"] for row in rows}

    def count(self, table: str) -> int:
        return int(run_script(self._connection, f"SELECT count(*) FROM {quote_name(table)}")[0][0])  # noqa: S608

    def read_page(self, table: str, after: StoredRow | None) -> Sequence[StoredRow]:
        shape = self.tables()[table]
        key = ", ".join(map(quote_name, shape.key))
        where = "" if after is None else f" WHERE ({key}) > ({', '.join('?' * shape.key_length)})"
        columns = ", ".join(map(quote_name, shape.names))
        sql = f"SELECT {columns} FROM {quote_name(table)}{where} ORDER BY {key} LIMIT {PAGE_ROWS}"  # noqa: S608
        with self._translated_errors():
            return [tuple(row) for row in run_alone(self._connection, sql, after or ())]

    def counters(self) -> Mapping[str, int]:
        self.tables()
        found = {}
        for table in (_MESSAGES, *self._counted):
            column = self._counted.get(table, "id")
            sequence, table_name = self._sequence_of(table), quote_name(table)
            (row,) = run_script(
                self._connection,
                f"SELECT greatest(CASE WHEN is_called THEN last_value ELSE 0 END,"  # noqa: S608
                f" (SELECT max({quote_name(column)}) FROM {table_name})) AS number FROM {sequence}",
            )
            found[table] = int(row["number"])
        return found

    def begin(self, components: "Collection[ComponentTables]") -> None:
        with self._translated_errors():
            run_script(self._connection, f"CREATE TABLE IF NOT EXISTS {UNFINISHED_COPY} ()")
        self.create_tables(components)

    def create_tables(self, components: "Collection[ComponentTables]") -> None:
        with self._translated_errors():
            for tables in components:
                migrate_component(self._connection, tables)
        self._shapes = {}

    def change(self, table: str, removed: Collection[StoredRow], added: Collection[StoredRow]) -> None:
        shape, name = self.tables()[table], quote_name(table)
        which = " AND ".join(f"{quote_name(column)} = ?" for column in shape.key)
        columns = ", ".join(map(quote_name, shape.names))
        with self.transaction() as connection:
            run_script(connection, f"ALTER TABLE {name} DISABLE TRIGGER USER")
            run_script(connection, "DELETE FROM delivery_floors")  # its triggers are off, so they would stay too high
            run_for_each(connection, f"DELETE FROM {name} WHERE {which}", removed)  # noqa: S608
            with connection.cursor() as cursor, cursor.copy(f"COPY {name} ({columns}) FROM STDIN") as copy:
                for row in added:
                    copy.write_row(row)
            run_script(connection, f"ALTER TABLE {name} ENABLE TRIGGER USER")

    def set_counter(self, table: str, number: int) -> None:
        if number > 0:
            with self._translated_errors():
                run_script(self._connection, f"SELECT setval('{self._sequence_of(table)}', {number})")

    def finish(self) -> None:
        """Permit programs of the team to use the copy. Update the server's statistics of the new rows."""
        with self._translated_errors():
            for table in self.tables():
                run_script(self._connection, f"ANALYZE {quote_name(table)}")
            run_script(self._connection, f"SET synchronous_commit = 'on'; DROP TABLE {UNFINISHED_COPY}")

    def _sequence_of(self, table: str) -> str:
        if table == _MESSAGES:
            return "messages_id"
        column = self._counted[table]
        rows = self._connection.execute("SELECT pg_get_serial_sequence($1, $2) AS name", (quote_name(table), column))
        return str(rows.fetchall()[0]["name"])

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.errors.UniqueViolation as error:
            words = " ".join(str(error).split())
            raise StoreError(f"{self.name} cannot store two rows with the same key: {words}.") from error
        except psycopg.Error as error:
            raise as_store_error(self.name, error) from error


def open_rows(address: ServerAddress, team: str, *, alone: bool, may_create: bool = False) -> ServerRows:
    """Connect to the schema of a team, and migrate the hub's tables. Tables are created in an empty schema only with
    ``may_create``.

    With ``alone``, other programs cannot open the schema until the connection is closed. Raise CallerError if there is
    no team; StoreInUse and StoreError.
    """
    try:
        connection = open_connection(address)
        try:
            run_script(connection, _SETTINGS)
            if alone and not run_script(connection, f"SELECT pg_try_advisory_lock({OPEN_LOCK}) AS got")[0]["got"]:
                raise StoreInUse(_describe_others(connection, address))
            if not may_create and run_script(connection, _HUB_TABLES)[0]["found"] is None:
                raise CallerError(f"{address.name} stores no team. Is the schema missing in the address?")
            migrate(connection, team, is_copying=True)
            return ServerRows(connection, address.name)
        except BaseException:
            connection.close()
            raise
    except psycopg.Error as error:
        raise as_store_error(address.name, error) from error


def _describe_others(connection: ServerConnection, address: ServerAddress) -> str:
    where = ", ".join(f"{row['programs']} from {row['host']}" for row in run_script(connection, _OTHERS))
    return (
        f"Programs have {address.name} open ({where or 'they have just ended'}). Stop the team on all hosts, and end "
        "the sessions and consoles of its agents."
    )
