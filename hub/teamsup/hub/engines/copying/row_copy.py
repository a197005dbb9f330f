"""Copy every row from one store of a team to another store, and compare them: `copy_rows()`.

Both stores return the rows of a table in the order of their keys, and their values in one form. So one walk along both
stores finds the rows that differ. A copy writes these rows. Its second walk must not find any. After a kill, the same
copy continues with a new walk.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ...errors import CallerError, ExitCode, StoreError

if TYPE_CHECKING:
    from ..component_tables import ComponentTables

ColumnKind = Literal["text", "integer", "real", "time"]
StoredRow = tuple[Any, ...]

PAGE_ROWS = 5000
_ALWAYS_FILLED = "clock_mark"


class StoreInUse(CallerError):
    """Programs have the store open, so it must not be copied now."""

    exit_code = ExitCode.NOT_NOW


@dataclass(frozen=True, slots=True)
class TableColumns:
    """The columns of a table, with their kinds. The columns of the key come first."""

    columns: tuple[tuple[str, ColumnKind], ...]
    key_length: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)

    @property
    def key(self) -> tuple[str, ...]:
        return self.names[: self.key_length]


def make_columns(kinds: Mapping[str, ColumnKind], key: Sequence[str]) -> TableColumns:
    """Return the columns of a table. If it does not have a key, all columns are its key."""
    others = sorted(kinds.keys() - set(key))
    names = (*key, *others)
    return TableColumns(tuple((name, kinds[name]) for name in names), len(key) or len(names))


class RowStore(Protocol):
    """A store whose rows are copied. No other program of the team uses it during the copy."""

    name: str
    is_unfinished: bool
    """Whether the store has an unfinished copy, which may be continued."""

    def tables(self) -> Mapping[str, TableColumns]:
        """Return the tables of the hub and of components, without each engine's own tables."""
        ...

    def component_versions(self) -> Mapping[str, int]: ...
    def count(self, table: str) -> int: ...
    def read_page(self, table: str, after: StoredRow | None) -> Sequence[StoredRow]:
        """Return at most PAGE_ROWS stored rows in the order of their keys. With ``after``, return rows with a higher
        key.
        """
        ...

    def counters(self) -> Mapping[str, int]:
        """Return the last number that each table with a counter has given to a row."""
        ...

    def begin(self, components: "Collection[ComponentTables]") -> None:
        """Mark the store as an unfinished copy, and create the tables of these components."""
        ...

    def create_tables(self, components: "Collection[ComponentTables]") -> None: ...

    def change(self, table: str, removed: Collection[StoredRow], added: Collection[StoredRow]) -> None:
        """Remove the rows with these keys, then add rows, in one transaction that does not fire triggers."""
        ...

    def set_counter(self, table: str, number: int) -> None: ...
    def finish(self) -> None:
        """Permit programs of the team to use the copy."""
        ...


@dataclass(frozen=True, slots=True)
class CopyReport:
    """The result of a copy."""

    rows: Mapping[str, int]
    """The rows of each table, all of them compared."""
    written: int
    """Rows that this attempt has written."""
    replaced_values: Mapping[str, int]
    """The number of replaced values by column: they had a wrong type or a NUL, or were unreadable times."""
    left_out: tuple[str, ...]
    """Tables of the source that do not belong to the hub or to a component."""


ReportRows = Callable[[str, int, int], None]
"""Gets a table, the number of rows compared so far in all tables, and the number of all rows."""


def copy_rows(
    source: RowStore,
    target: RowStore,
    components: "Collection[ComponentTables]",
    report_rows: ReportRows = lambda *_: None,
) -> CopyReport:
    """Make the target equal to the source, and compare every row. Do nothing if it is equal.

    Raise CallerError if the target has rows of its own, and StoreError if a row differs afterwards.
    """
    wanted = components_of(source.name, source.component_versions(), components)
    is_used = not target.is_unfinished and has_rows(target)
    if not is_used:
        target.begin(wanted)
    elif {each.component for each in wanted} - target.component_versions().keys():
        raise CallerError(f"{target.name} has rows of its own. Choose a new place for the copy.")
    walk = _Walk(source, target, tables_to_copy(source, target), report_rows)
    if not is_used:
        walk.write_differences()
    if (found := walk.find_difference()) is not None:
        if is_used:
            raise CallerError(f"{target.name} has rows of its own in {found}. Choose a new place for the copy.")
        raise StoreError(
            f"{target.name} differs from {source.name} in {found}. Is another program writing? Run the command again."
        )
    if not is_used:
        _set_counters(source, target)
        target.finish()
    left_out = tuple(sorted(source.tables().keys() - target.tables().keys()))
    return CopyReport(walk.rows, walk.written, walk.replaced_values, left_out)


def replace_rows(source: RowStore, target: RowStore, components: "Collection[ComponentTables]") -> None:
    """Make the target equal to the source, even if it has other rows, in a transaction of the caller."""
    target.create_tables(components_of(source.name, source.component_versions(), components))
    _Walk(source, target, tables_to_copy(source, target), lambda *_: None).write_differences()
    _set_counters(source, target)


def has_rows(store: RowStore) -> bool:
    """Return whether the store has rows of a team."""
    return any(store.count(table) for table in store.tables() if table != _ALWAYS_FILLED)


def components_of(
    source: str, versions: Mapping[str, int], components: "Collection[ComponentTables]"
) -> "list[ComponentTables]":
    """Return the components whose tables a source has. ``source`` is its name for errors. Raise CallerError if one of
    them is not installed.
    """
    missing = sorted(versions.keys() - {tables.component for tables in components})
    if missing:
        raise CallerError(
            f"{source} has tables of {', '.join(missing)}, which is not installed here. Install it, then copy."
        )
    return [tables for tables in components if tables.component in versions]


def tables_to_copy(source: RowStore, target: RowStore) -> dict[str, TableColumns]:
    """Return the tables of both stores. Raise StoreError if the columns of a table differ between source and target."""
    found, wanted = source.tables(), target.tables()
    shared = {
        table: shape for table, shape in sorted(wanted.items(), key=_rank) if table in found or target.count(table)
    }
    for table, shape in shared.items():
        if found.get(table) != shape:
            raise StoreError(f"{table} has other columns in {source.name} than in {target.name}.")
    return shared


def _rank(table: tuple[str, TableColumns]) -> tuple[bool, str]:
    """Return the rank of a table for sorting. The table that every store fills comes last, so that a person first sees
    differences in the team's rows.
    """
    return table[0] == _ALWAYS_FILLED, table[0]


def _set_counters(source: RowStore, target: RowStore) -> None:
    """Set the target's counters so that it never gives the number of a removed row again."""
    given = source.counters()
    for table, number in target.counters().items():
        target.set_counter(table, max(number, given.get(table, 0)))
    for table, number in target.counters().items():
        if number < given.get(table, 0):
            raise StoreError(f"{target.name} would give numbers of {table} again.")


class _Walk:
    """The rows of both stores, side by side."""

    def __init__(
        self,
        source: RowStore,
        target: RowStore,
        tables: Mapping[str, TableColumns],
        report_rows: ReportRows,
    ) -> None:
        self.rows: dict[str, int] = {}
        self.written = 0
        self.replaced_values: dict[str, int] = {}
        self._source = source
        self._target = target
        self._tables = tables
        self._report_rows = report_rows
        self._total = 2 * sum(map(source.count, tables))
        self._walked = 0

    def write_differences(self) -> None:
        for table in self._tables:
            for removed, added in self._differences(table):
                if removed or added:
                    self._target.change(table, removed, added)
                    self.written += len(added)

    def find_difference(self) -> str | None:
        """Return the table and the key of the first row that differs."""
        self.replaced_values.clear()
        for table, shape in self._tables.items():
            for removed, added in self._differences(table):
                if removed or added:
                    return f"{table}, row {', '.join(map(str, (removed or added)[0][: shape.key_length]))}"
        return None

    def _differences(self, table: str) -> Iterator[tuple[list[StoredRow], list[StoredRow]]]:
        """Yield for each page the keys that the target must remove, and the rows that it lacks."""
        shape = self._tables[table]
        length = shape.key_length
        self.rows[table] = 0
        theirs = (row for page in read_pages(self._target, table, shape, {}) for row in page)
        other = next(theirs, None)
        removed: list[StoredRow] = []
        for page in read_pages(self._source, table, shape, self.replaced_values):
            added: list[StoredRow] = []
            for row in page:
                key = row[:length]
                while other is not None and other[:length] < key:
                    removed.append(other[:length])
                    other = next(theirs, None)
                if other is not None and other[:length] == key:
                    is_equal, other = other == row, next(theirs, None)
                    if is_equal:
                        continue
                    removed.append(key)
                added.append(row)
            self.rows[table] += len(page)
            self._walked += len(page)
            self._report_rows(table, self._walked, self._total)
            yield removed, added
            removed = []
        while other is not None:
            removed = [other[:length], *(row[:length] for row in islice(theirs, PAGE_ROWS))]
            yield removed, []
            other = next(theirs, None)


def read_pages(store: RowStore, table: str, shape: TableColumns, replaced: dict[str, int]) -> Iterator[list[StoredRow]]:
    """Yield the rows page by page, with normalized values. Count the replaced values in ``replaced``."""
    length, after = shape.key_length, None
    while page := store.read_page(table, after):
        rows = [_normalize(row, table, shape, replaced) for row in page]
        for row in rows:
            if after is not None and row[:length] <= after:
                raise StoreError(
                    f"{store.name} has keys in {table} that are not in order. One of them is perhaps stored "
                    f"as bytes, near {', '.join(map(str, row[:length]))}. Correct it or remove that row."
                )
            after = row[:length]
        yield rows


def _normalize(row: StoredRow, table: str, shape: TableColumns, replaced: dict[str, int]) -> StoredRow:
    values = []
    for value, (name, kind) in zip(row, shape.columns, strict=True):
        stored, is_kept = (value, True) if value is None else normalize_value(value, kind)
        if not is_kept:
            column = f"{table}.{name}"
            replaced[column] = replaced.get(column, 0) + 1
        values.append(stored)
    return tuple(values)


def normalize_value(value: Any, kind: ColumnKind) -> tuple[Any, bool]:  # noqa: ANN401 - a value of any store
    """Return a stored value in the form that all stores can keep, and whether it is unchanged.

    If a foreign program has stored a wrong type, return the value that the hub reads.
    """
    match kind:
        case "text":
            if isinstance(value, str) and "\0" not in value:
                return value, True
            text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
            return text.replace("\0", "\N{REPLACEMENT CHARACTER}"), False
        case "integer":
            return (value, True) if isinstance(value, int) else (0, False)
        case "real":
            return (float(value), True) if isinstance(value, int | float) else (0.0, False)
    return _normalize_time(value)


def _normalize_time(value: Any) -> tuple[str | None, bool]:  # noqa: ANN401
    try:
        if isinstance(value, int | float):
            moment = datetime.fromtimestamp(value, UTC)
        else:
            moment = datetime.fromisoformat(value if isinstance(value, str) else value.decode())
            if moment.tzinfo is None:
                if len(value) == len("2026-11-30 12:00:00.000") and value[10] == " ":
                    return value, True
            else:
                moment = moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None, False
    return moment.isoformat(" ", "milliseconds")[:23], True
