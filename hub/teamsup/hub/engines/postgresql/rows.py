"""Rows and values in the form that the hub expects: columns by number or name, times as text in UTC."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from psycopg import Connection, Cursor
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader


class NamedRow(tuple[Any, ...]):
    """A row of a result. Each result has a subclass with the names of its columns."""

    columns: ClassVar[dict[str, int]] = {}

    def __getitem__(self, column: Any) -> Any:  # noqa: ANN401
        return tuple.__getitem__(self, self.columns[column] if isinstance(column, str) else column)

    def keys(self) -> list[str]:
        return list(self.columns)


def make_rows(cursor: Cursor[Any]) -> Callable[[Sequence[Any]], NamedRow]:
    """Return the function that makes a row of the cursor's values."""
    return row_class(tuple(column.name.encode() for column in cursor.description or ()))


@functools.lru_cache(maxsize=1000)
def row_class(names: tuple[bytes | None, ...]) -> type[NamedRow]:
    """Return the class of the rows with these columns."""
    columns: dict[str, int] = {}
    for number, name in enumerate(names):
        columns.setdefault((name or b"").decode(), number)
    return type("NamedRow", (NamedRow,), {"columns": columns})


def adapt_values(connection: Connection[Any]) -> None:
    """Let a connection send and return values in the form that the hub uses."""
    adapters = connection.adapters
    adapters.register_dumper(int, _NumberDumper)
    adapters.register_dumper(float, _NumberDumper)
    adapters.register_loader("timestamptz", _TimeLoader)
    adapters.register_loader("numeric", _NumericLoader)


class _NumberDumper(Dumper):
    """Dump numbers without a type, like texts. Otherwise each size of number would need another prepared statement."""

    oid = 0

    def dump(self, obj: Any) -> bytes:  # noqa: ANN401
        return str(obj).encode()


class _TimeLoader(Loader):
    """Load a time as the text that timestamps.format_time() writes."""

    def load(self, data: Buffer) -> str:
        text = bytes(data).decode()
        if not text.endswith("+00"):  # infinity, or before the year 1
            return text
        return f"{text[:-3]}.000" if len(text) == 22 else text[:-3].ljust(23, "0")


class _NumericLoader(Loader):
    def load(self, data: Buffer) -> float:
        text = bytes(data).decode()
        return float(text) if "." in text else int(text)
