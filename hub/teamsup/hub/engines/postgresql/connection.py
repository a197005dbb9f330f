"""Open connections to a team's database on a server, and use them."""

import functools
from collections.abc import Iterable
from typing import TypeGuard

import psycopg
from psycopg.pq import TransactionStatus

from ...errors import StoreError
from ..engine import BUSY_SECONDS, MAX_TRANSACTION_SECONDS, Values
from .address import ServerAddress
from .rows import NamedRow, adapt_values, make_rows
from .translation import order_values, translate

ServerConnection = psycopg.Connection[NamedRow]

_DEFAULTS = {
    "application_name": "teamsup",
    "client_encoding": "utf-8",
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "tcp_user_timeout": 15_000,
}
_PREPARED_STATEMENTS = 300
OPEN_LOCK = "hashtextextended('teamsup open ' || current_schema(), 0)"
"""The lock that every connection of the team shares. A copy has it alone."""
# A commit is flushed after the doorbells have rung: PostgresStore.flush(). Triggers know our connections by
# teamsup.member. What only waits in a transaction would hold up everybody.
_SETTINGS = f"""
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET client_min_messages = 'warning';
    SET teamsup.member = 'on'; SET synchronous_commit = 'off'; SET lock_timeout = '{BUSY_SECONDS:.0f}s';
    SET idle_in_transaction_session_timeout = '{MAX_TRANSACTION_SECONDS:.0f}s';
    SELECT pg_advisory_lock_shared({OPEN_LOCK});
    SELECT current_schema() AS schema
"""


def open_connection(address: ServerAddress) -> ServerConnection:
    """Connect, and set the connection up. Raise psycopg.Error."""
    several = {"target_session_attrs": "read-write"} if "," in str(address.parameters.get("host", "")) else {}
    connection: ServerConnection = psycopg.Connection.connect(
        **{**_DEFAULTS, **several, **address.parameters},
        autocommit=True,
        row_factory=make_rows,
        cursor_factory=psycopg.RawCursor,
    )
    try:
        adapt_values(connection)
        connection.prepared_max = _PREPARED_STATEMENTS
        if run_script(connection, _SETTINGS)[0]["schema"] is None:
            raise StoreError(
                f"{address.name} has no schema that this user may use. Create it, or name it in the address: "
                "?options=-csearch_path%3DSCHEMA"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def is_usable(connection: ServerConnection | None) -> TypeGuard[ServerConnection]:
    """Return whether an idle thread may use the connection.

    An exception from a signal handler inside psycopg may leave a statement at work, or psycopg's lock held. The next
    statement would wait for that lock without end.
    """
    return not (
        connection is None
        or connection.closed
        or connection.lock.locked()
        or connection.info.transaction_status in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN)
    )


def run_script(connection: ServerConnection, script: str) -> list[NamedRow]:
    """Run statements without values in one message to the server. Return the rows of the last one."""
    cursor = connection.execute(script, prepare=False)
    while cursor.nextset():
        pass
    return cursor.fetchall() if cursor.description else []


class ServerTransaction:
    """An open transaction, or a connection that commits each statement: it runs the hub's SQL."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection

    def execute(self, sql: str, values: Values = (), /) -> "psycopg.Cursor[NamedRow]":
        text, names = translate(sql)
        return self.connection.execute(text, order_values(names, values))

    def executemany(self, sql: str, values: Iterable[Values], /) -> None:
        text, names = translate(sql)
        rows = [order_values(names, each) or () for each in values]
        if len(rows) == 1:
            self.connection.execute(text, rows[0])
        elif rows:
            try:
                with self.connection.cursor() as cursor:
                    cursor.executemany(text, rows)
            except BaseException as error:
                if not isinstance(error, psycopg.Error):
                    self.connection.close()  # psycopg may still collect statements
                raise


@functools.cache
def quote_name(name: str) -> str:
    """Return a name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a text as SQL, for a script without values."""
    return "'" + text.replace("'", "''") + "'" if "\\" not in text else _escaped(text)


def _escaped(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
