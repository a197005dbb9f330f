"""Run the hub's statements on a connection: prepared, and several in one message to the server.

PREPARE and EXECUTE are statements of a script, so the server answers once for all of them.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult

from ...engine import Values
from ..connection import ServerConnection, quote_text, run_script, send_script
from ..rows import NamedRow
from ..translation import LITERAL, order_values, translate

_MOST_PREPARED = 300
_MOST_TOGETHER = 500
_PARTS = re.compile(rf"(?s){LITERAL}|;\s*\S")
_KINDS = re.compile(r"(?is)(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:SELECT|INSERT|UPDATE|DELETE|WITH|VALUES)\b")


@dataclass(slots=True)
class StatementAnswer:
    """The server's answer to one statement."""

    rowcount: int = -1
    rows: list[NamedRow] = field(default_factory=list)

    @property
    def lastrowid(self) -> object:
        """The ``id`` of INSERT_MESSAGE, to which translate() adds RETURNING."""
        return self.rows[0][0]

    def fetchone(self) -> NamedRow | None:
        return self.rows.pop(0) if self.rows else None

    def fetchall(self) -> list[NamedRow]:
        rows, self.rows = self.rows, []
        return rows

    def __iter__(self) -> Iterator[NamedRow]:
        return iter(self.fetchall())


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with its values as SQL. Without a text for PREPARE it is a command, such as COMMIT."""

    sql: str
    literals: tuple[str, ...] = ()
    is_prepared: bool = True


_PLAN = Statement("SET LOCAL plan_cache_mode = 'auto'", is_prepared=False)


def make_statement(sql: str, values: Values) -> Statement | None:
    """Return a statement of the hub for the server, or None if only psycopg itself can send it. Raise
    psycopg.DataError.
    """
    text, names = translate(sql)
    if not _can_be_prepared(text):
        return None
    literals = [_quote_value(value) for value in order_values(names, values) or ()]
    return None if None in literals else Statement(text, tuple(str(each) for each in literals))


def run_with_psycopg(connection: ServerConnection, sql: str, values: Values) -> StatementAnswer:
    """Run a statement that cannot be prepared, such as one that makes a table."""
    text, names = translate(sql)
    cursor = connection.execute(text, order_values(names, values))
    return StatementAnswer(cursor.rowcount, cursor.fetchall() if cursor.description else [])


def run_alone(
    connection: ServerConnection, sql: str, values: Values = (), *, is_planned: bool = True
) -> StatementAnswer:
    """Run one statement at once. With ``is_planned`` the server plans it for these values, because they decide which
    index is best.
    """
    statement = make_statement(sql, values)
    if statement is None:
        return run_with_psycopg(connection, sql, values)
    return run_statements(connection, [_PLAN, statement] if is_planned else [statement])[-1]


def run_for_each(connection: ServerConnection, sql: str, rows: Iterable[Values]) -> None:
    """Run a statement once for each of these values."""
    statements: list[Statement] = []
    for values in rows:
        if (statement := make_statement(sql, values)) is not None:
            statements.append(statement)
        else:
            run_with_psycopg(connection, sql, values)
    for start in range(0, len(statements), _MOST_TOGETHER):
        run_statements(connection, statements[start : start + _MOST_TOGETHER])


def run_statements(connection: ServerConnection, statements: Sequence[Statement]) -> list[StatementAnswer]:
    """Run statements in one message, and return their answers. Raise psycopg.Error; the statements after the error do
    not run.
    """
    _forget_failed(connection)
    script: list[str] = []
    wanted: list[int] = []
    for statement in statements:
        script += _render(connection, statement)
        wanted.append(len(script) - 1)
    try:
        results = send_script(connection, "\n;".join(script))
    except psycopg.errors.FeatureNotSupported:
        connection.close()  # a statement whose table was changed stays unusable
        raise
    connection.unsure.clear()
    return [_answer_of(connection, results[number]) for number in wanted]


def _render(connection: ServerConnection, statement: Statement) -> Iterable[str]:
    """Return the statement as SQL, after the SQL that must run before it."""
    if not statement.is_prepared:
        return (statement.sql,)
    known = connection.prepared
    before: list[str] = []
    name = known.pop(statement.sql, None)
    if name is None:
        if len(known) >= _MOST_PREPARED:
            oldest = next(iter(known))
            before.append(f"DEALLOCATE {known.pop(oldest)}")
            connection.unsure.discard(oldest)
        name = f"teamsup_{next(connection.numbers)}"
        connection.unsure.add(statement.sql)
        before.append(f"PREPARE {name} AS {statement.sql}")
    known[statement.sql] = name  # the newest is the last
    values = f"({', '.join(statement.literals)})" if statement.literals else ""
    return (*before, f"EXECUTE {name}{values}")


def _answer_of(connection: ServerConnection, result: PGresult) -> StatementAnswer:
    changed = result.command_tuples
    return StatementAnswer(-1 if changed is None else changed, connection.rows_of(result))


def _forget_failed(connection: ServerConnection) -> None:
    """After an error, ask the server which of the newest statements it has prepared."""
    if connection.unsure and connection.info.transaction_status != TransactionStatus.INERROR:
        there = {row["name"] for row in run_script(connection, "SELECT name FROM pg_prepared_statements")}
        for sql in connection.unsure:
            if connection.prepared.get(sql) not in there:
                connection.prepared.pop(sql, None)
        connection.unsure.clear()


@functools.lru_cache(maxsize=1000)
def _can_be_prepared(text: str) -> bool:
    """Return whether this is a single statement of a kind that PREPARE accepts."""
    return _KINDS.match(text) is not None and not any(part[0].startswith(";") for part in _PARTS.finditer(text))


def _quote_value(value: Any) -> str | None:  # noqa: ANN401
    """Return a value as SQL whose type the server chooses. Return None if only psycopg can send the value."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        if "\0" in value:
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        if not value.isascii():
            value.encode()  # raises for text that is not Unicode
        return quote_text(value)
    if isinstance(value, bool):
        return f"'{int(value)}'"
    return f"'{value}'" if isinstance(value, int | float) else None
