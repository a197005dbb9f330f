"""Brings a database to this program's schema: tables in numbered scripts, each run once, and triggers made anew."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from .errors import SchemaTooNew
from .maintenance import Progress, announce

_SCHEMA = (
    "1-messages-and-deliveries.sql",
    "2-wake-ladder.sql",
    "3-discord.sql",
    "4-people.sql",
    "5-incidents.sql",
    "6-triggers-apart.sql",
    "7-bounds.sql",
    "8-incident-identity.sql",
    "9-rates.sql",
    "10-set-up.sql",
    "11-denials.sql",
)
_TRIGGERS = "triggers.sql"
_ADOPTION = "adoption.sql"
SCHEMA_VERSION = len(_SCHEMA)
_MAKES = re.compile(r"^CREATE (?P<kind>TRIGGER|VIEW) (?P<name>\w+)", re.MULTILINE)


def migrate(db: sqlite3.Connection, run: Path | None = None) -> None:
    """Bring a database to this program's schema, or refuse one that is newer. It is announced in the folder ``run``."""
    if version(db) == SCHEMA_VERSION:
        return
    with announce(run, "migration", SCHEMA_VERSION) if run is not None else nullcontext(lambda _: None) as progress:
        _migrate(db, progress)


def _migrate(db: sqlite3.Connection, progress: Progress) -> None:
    try:
        db.execute("BEGIN IMMEDIATE")
        before = version(db)
        for number, script in enumerate(_SCHEMA[before:], before):
            progress(number)
            _run(db, script)
        if before < SCHEMA_VERSION:
            _run(db, _TRIGGERS)
        if not before:
            _run(db, _ADOPTION)
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _run(db: sqlite3.Connection, script: str) -> None:
    for statement in _statements(Path(__file__).with_name("schema").joinpath(script).read_text("utf-8")):
        if made := _MAKES.search(statement):
            db.execute(f"DROP {made['kind']} IF EXISTS {made['name']}")
        db.execute(statement)


def version(db: sqlite3.Connection, advice: str = "Update teamsup.") -> int:
    """Return the schema's version. Raises SchemaTooNew, with ``advice``, for one that this program does not know."""
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    if found > SCHEMA_VERSION:
        file = db.execute("PRAGMA database_list").fetchone()["file"]
        raise SchemaTooNew(
            f"{file} has schema {found}, written by a newer teamsup; this one knows {SCHEMA_VERSION}. {advice}"
        )
    return found


def _statements(script: str) -> Iterator[str]:
    """The script's statements one by one, because executescript() would end the transaction it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
