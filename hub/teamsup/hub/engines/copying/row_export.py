"""Write every row of a team as a line of JSON, and read these lines into a new database.

The first line is the header, with the versions of the format and of the tables. The last line counts the rows, so that
a file without its end is refused. The lines of rows are the same for all engines.
"""

import functools
import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

from ...errors import CallerError, ComponentTooNew, ExitCode, SchemaTooNew, StoreError
from ..sqlite.migrations import SCHEMA_VERSION
from .file_rows import FileRows, open_new_file
from .row_copy import (
    PAGE_ROWS,
    ReportRows,
    RowStore,
    StoredRow,
    TableColumns,
    components_of,
    normalize_value,
    read_pages,
    tables_to_copy,
)

if TYPE_CHECKING:
    from ..component_tables import ComponentTables

FORMAT_VERSION = 1
_PAGE_BYTES = 4 * 2**20
_MAX_LINE_BYTES = 64 * 2**20
"""The maximum number of bytes of a line, far above the size of the longest message."""
_INTEGERS = range(-(2**63), 2**63)


class BrokenExport(CallerError):
    """The lines are not a whole export of a team."""

    exit_code = ExitCode.BAD_DATA


@dataclass(frozen=True, slots=True)
class ExportHeader:
    """The first line of an export."""

    teamsup_export: int
    """The version of the format."""
    team: str
    schema: int
    """The version of the hub's tables."""
    components: Mapping[str, int]
    """The version of each component's tables."""
    teamsup: str
    """The version of the program that wrote it."""
    exported_at: str


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The result of an export or an import."""

    rows: Mapping[str, int]
    """The rows of each table."""
    replaced_values: Mapping[str, int]
    """The number of replaced values of each column, because not every engine can keep every value."""
    left_out: tuple[str, ...]
    """Tables that do not belong to the hub or to a component."""


def export_rows(
    source: RowStore,
    team: str,
    program_version: str,
    components: "Collection[ComponentTables]",
    write: Callable[[str], object],
    report_rows: ReportRows,
) -> ExportReport:
    """Write the lines of all rows. Raise StoreError, and CallerError for a component that is not installed."""
    versions = source.component_versions()
    with TemporaryDirectory(prefix="teamsup-") as folder, closing(open_new_file(Path(folder) / "shape.db")) as shape:
        shape.create_tables(components_of(source.name, versions, components))
        tables = tables_to_copy(source, shape)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    _write_line(write, asdict(ExportHeader(FORMAT_VERSION, team, SCHEMA_VERSION, versions, program_version, now)))
    rows: dict[str, int] = {}
    replaced: dict[str, int] = {}
    total, written = sum(map(source.count, tables)), 0
    for table, columns in sorted(tables.items()):
        rows[table] = 0
        for page in read_pages(source, table, columns, replaced):
            for row in page:
                _write_line(write, {"table": table, "row": dict(zip(columns.names, row, strict=True))})
            rows[table] += len(page)
            written += len(page)
            report_rows(table, written, total)
    counters = {table: number for table, number in source.counters().items() if number}
    _write_line(write, {"end": {"rows": rows, "counters": counters}})
    return ExportReport(rows, replaced, tuple(sorted(source.tables().keys() - tables.keys())))


def _write_line(write: Callable[[str], object], line: object) -> None:
    write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def import_rows(
    name: str,
    lines: BinaryIO,
    target: FileRows,
    components: "Collection[ComponentTables]",
    report_rows: ReportRows,
) -> ExportReport:
    """Write the rows of an export into a new database, which is not finished here.

    ``name`` is the name of the export. Raise BrokenExport, which names the line; SchemaTooNew and ComponentTooNew;
    StoreError; and CallerError for a component that is not installed.
    """
    numbered = _read_lines(name, lines)
    header = _read_header(name, next(numbered, (1, {}))[1], components)
    target.begin(components_of(name, header.components, components))
    shapes = target.tables()
    for each, columns in shapes.items():  # a new hub has some rows, and an interrupted import may have left others
        while page := target.read_page(each, None):
            target.change(each, [row[: columns.key_length] for row in page], ())
    rows = dict.fromkeys(shapes, 0)
    pending = _PendingRows(name, target)
    end: Any = None
    for number, line in numbered:
        if end is not None:
            raise BrokenExport(f"{name}, line {number}: a line follows the last one. Nothing was imported.")
        if "end" in line:
            end = line["end"]
            continue
        table = line.get("table")
        if not isinstance(table, str) or table not in shapes:
            raise BrokenExport(f"{name}, line {number}: it names no table that is known here. Nothing was imported.")
        pending.add(table, _parse_row(name, number, line.get("row"), table, shapes[table], header), number)
        rows[table] += 1
        report_rows(table, number, 0)
    pending.write()
    counters = _check_end(name, end, rows, {each: target.count(each) for each in shapes})
    for each, counted in target.counters().items():
        target.set_counter(each, max(counted, counters.get(each, 0)))
    return ExportReport({each: count for each, count in rows.items() if count}, {}, ())


def _read_lines(name: str, lines: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(iter(functools.partial(lines.readline, _MAX_LINE_BYTES), b""), 1):
        try:
            parsed = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BrokenExport(f"{name}, line {number}: it is not JSON: {error}. Nothing was imported.") from error
        if not isinstance(parsed, dict):
            raise BrokenExport(f"{name}, line {number}: it is not a JSON object. Nothing was imported.")
        yield number, parsed


def _read_header(name: str, line: Mapping[str, Any], components: "Collection[ComponentTables]") -> ExportHeader:
    """Return the header. Raise an error if this program does not know all of its versions."""
    form = line.get("teamsup_export")
    if isinstance(form, int) and form > FORMAT_VERSION:
        raise SchemaTooNew(
            f"{name} has format {form}, written by a newer teamsup; this one knows {FORMAT_VERSION}. Update teamsup."
        )
    try:
        header = ExportHeader(**line)
        if not (form == FORMAT_VERSION and isinstance(header.schema, int) and isinstance(header.components, dict)):
            raise TypeError
        if not all(isinstance(version, int) for version in header.components.values()):
            raise TypeError
    except TypeError:
        raise BrokenExport(f"{name}, line 1: it is not the header of an export. Nothing was imported.") from None
    if header.schema > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"{name} has schema {header.schema}, written by teamsup {header.teamsup}; this one knows {SCHEMA_VERSION}. "
            "Update teamsup."
        )
    for tables in components:
        if (version := header.components.get(tables.component, 0)) > tables.version:
            raise ComponentTooNew(
                f"{name} has version {version} of the tables of {tables.component}; this one knows {tables.version}. "
                f"Update {tables.component}."
            )
    return header


def _parse_row(
    name: str, number: int, row: object, table: str, columns: TableColumns, header: ExportHeader
) -> StoredRow:
    if not isinstance(row, dict) or row.keys() != set(columns.names):
        older = (
            f" Import it with teamsup {header.teamsup}, which wrote it, and update that."
            if header.schema < SCHEMA_VERSION
            else ""
        )
        raise BrokenExport(f"{name}, line {number}: it has other columns than {table}. Nothing was imported.{older}")
    for column, kind in columns.columns:
        value = row[column]
        is_odd = value is not None and normalize_value(value, kind) != (value, True)
        if is_odd or (kind == "integer" and value is not None and value not in _INTEGERS):
            raise BrokenExport(f"{name}, line {number}: {column} of {table} has a wrong value. Nothing was imported.")
    return tuple(row[column] for column in columns.names)


class _PendingRows:
    """Rows of one table that are written together."""

    def __init__(self, name: str, target: FileRows) -> None:
        self._name = name
        self._target = target
        self._table = ""
        self._rows: list[StoredRow] = []
        self._characters = 0
        self._first = self._last = 0

    def add(self, table: str, row: StoredRow, number: int) -> None:
        if table != self._table or len(self._rows) >= PAGE_ROWS or self._characters > _PAGE_BYTES:
            self.write()
            self._table, self._first = table, number
        self._last = number
        self._rows.append(row)
        self._characters += sum(len(value) for value in row if isinstance(value, str))

    def write(self) -> None:
        """Write the waiting rows. Raise BrokenExport if the tables refuse one of them."""
        try:
            if self._rows:
                self._target.change(self._table, (), self._rows)
        except (StoreError, UnicodeError) as error:
            if isinstance(error, StoreError) and not isinstance(error.__cause__, sqlite3.IntegrityError):
                raise  # the disk is full, for example
            why = "a text has a character that cannot be stored." if isinstance(error, UnicodeError) else error
            raise BrokenExport(
                f"{self._name}, lines {self._first} to {self._last}: {why} Nothing was imported."
            ) from error
        self._rows, self._characters = [], 0


def _check_end(name: str, end: Any, rows: Mapping[str, int], stored: Mapping[str, int]) -> Mapping[str, int]:  # noqa: ANN401
    """Return the counters of the last line. Its counts must be those of the rows."""
    if end is None:
        raise BrokenExport(f"{name} ends too early: its last line, with the counts, is missing. Nothing was imported.")
    try:
        counts, counters = dict(end["rows"]), dict(end["counters"])
        is_sound = all(number in _INTEGERS for number in counters.values())
    except (TypeError, ValueError, KeyError):
        is_sound, counts, counters = False, {}, {}
    if not is_sound:
        raise BrokenExport(f"{name}: its last line has no counts. Nothing was imported.")
    for table in sorted(counts.keys() | rows.keys()):
        found = {counts.get(table, 0), rows.get(table, 0), stored.get(table, 0)}
        if len(found) != 1:
            raise BrokenExport(
                f"{name} has {rows.get(table, 0)} rows of {table}, but counts {counts.get(table, 0)}. "
                "Nothing was imported."
            )
    return counters
