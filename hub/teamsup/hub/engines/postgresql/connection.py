"""Open connections to a team's database on a server, and use them."""

import functools
import itertools
from typing import Any, TypeGuard

import psycopg
from psycopg import abc, generators
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from ...errors import StoreError
from ..engine import BUSY_SECONDS, MAX_TRANSACTION_SECONDS
from .address import ServerAddress
from .rows import NamedRow, adapt_values, make_rows, row_class

_DEFAULTS = {
    "application_name": "teamsup",
    "client_encoding": "utf-8",
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "tcp_user_timeout": 15_000,
}
OPEN_LOCK = "hashtextextended('teamsup open ' || current_schema(), 0)"
"""The lock that all connections of the team share. A copy of the team holds it exclusively."""
# A commit is flushed after the doorbells have rung: PostgresStore.flush(). Triggers know our connections by
# teamsup.member. A program that only waits in a transaction would block all others. The statements of verbs always find
# their rows by an index, so none is planned again for its values.
_SETTINGS = f"""
    SET standard_conforming_strings = 'on'; SET client_min_messages = 'warning';
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET teamsup.member = 'on';
    SET synchronous_commit = 'off'; SET plan_cache_mode = 'force_generic_plan';
    SET lock_timeout = '{BUSY_SECONDS:.0f}s';
    SET idle_in_transaction_session_timeout = '{MAX_TRANSACTION_SECONDS:.0f}s';
    SELECT pg_advisory_lock_shared({OPEN_LOCK});
    SELECT current_schema() AS schema
"""


class ServerConnection(psycopg.Connection[NamedRow]):
    """A connection, and its prepared statements."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **named)
        self.prepared: dict[str, str] = {}
        """The names of the prepared statements by their SQL; the most recently used statement is the last."""
        self.unsure: set[str] = set()
        """The statements of which it is unknown, after an error, whether the server has prepared them."""
        self.numbers = itertools.count()
        self._transformer: abc.Transformer | None = None

    def rows_of(self, result: PGresult) -> list[NamedRow]:
        """Return the rows of a result."""
        if not result.nfields:
            return []
        if self._transformer is None:
            self._transformer = Transformer.from_context(self)
        self._transformer.set_pgresult(result)
        make_row = row_class(tuple([result.fname(number) for number in range(result.nfields)]))
        return self._transformer.load_rows(0, result.ntuples, make_row)


def open_connection(address: ServerAddress) -> ServerConnection:
    """Connect, and set the connection up. Raise psycopg.Error."""
    several = {"target_session_attrs": "read-write"} if "," in str(address.parameters.get("host", "")) else {}
    connection = ServerConnection.connect(
        **{**_DEFAULTS, **several, **address.parameters},
        autocommit=True,
        prepare_threshold=None,  # server_statements.py prepares
        row_factory=make_rows,
        cursor_factory=psycopg.RawCursor,
    )
    try:
        adapt_values(connection)
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

    An exception from a signal handler inside psycopg may leave a statement running, or psycopg's lock held. The next
    statement would wait for this lock forever.
    """
    return not (
        connection is None
        or connection.closed
        or connection.lock.locked()
        or connection.info.transaction_status in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN)
    )


def run_script(connection: ServerConnection, script: str) -> list[NamedRow]:
    """Run statements without values in one message to the server. Return the rows of the last statement."""
    return connection.rows_of(send_script(connection, script)[-1])


def send_script(connection: ServerConnection, script: str) -> list[PGresult]:
    """Run statements without values in one message to the server, and return the result of each. Raise psycopg.Error.

    A cursor of psycopg takes longer for a short statement than the server.
    """
    with connection.lock:
        connection.pgconn.send_query(script.encode())
        results: list[PGresult] = connection.wait(generators.execute(connection.pgconn))
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result)
    return results


@functools.cache
def quote_name(name: str) -> str:
    """Return a name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a text as SQL, for a script without values."""
    return "'" + text.replace("'", "''") + "'" if "\\" not in text else _escaped(text)


def _escaped(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
