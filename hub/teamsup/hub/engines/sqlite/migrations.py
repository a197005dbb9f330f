"""Migrate a database to the hub's schema of this program.

One script creates a new database. For an older database, the numbered scripts run that it has not run yet. In the past
these scripts also created the tables of teamsup's workers. Every migration creates the triggers again.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SchemaTooNew

if TYPE_CHECKING:
    from ..maintenance_progress import ReportProgress

_SCHEMA_SCRIPTS = (
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
    "12-names.sql",
    "13-components.sql",
    "14-dead-letters.sql",
)
_BASELINE_SCRIPT = "baseline.sql"
_TRIGGERS_SCRIPT = "triggers.sql"
_ADOPTION_SCRIPT = "adoption.sql"
SCHEMA_VERSION = len(_SCHEMA_SCRIPTS)
_STEPS_BETWEEN_REPORTS = 100_000  # of SQLite's virtual machine: some milliseconds
_CREATE_STATEMENT = re.compile(r"^CREATE (?P<kind>TRIGGER|VIEW) (?P<name>\w+)", re.MULTILINE)


def migrate(db: sqlite3.Connection, run: Path | None = None) -> None:
    """Bring a database to this program's schema, or refuse a newer schema.

    With ``run``, announce it in that folder, and keep a copy of the old database beside it. Raise SchemaTooNew,
    StoreFull, StoreError or sqlite3.Error; then nothing has changed.
    """
    if read_version(db) == SCHEMA_VERSION:
        return
    if run is None:
        _migrate_locked(db, lambda _: None, is_copied=False)
        return
    from ..maintenance_progress import announce_maintenance  # almost no start migrates

    with announce_maintenance(run, "migration", 100) as progress:
        _migrate_locked(db, progress, is_copied=True)


def _migrate_locked(db: sqlite3.Connection, progress: "ReportProgress", *, is_copied: bool) -> None:
    from .migration_backup import keep_copy

    try:
        db.execute("BEGIN IMMEDIATE")
        before = read_version(db)
        if before == SCHEMA_VERSION:  # another program was quicker
            return
        is_new = db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
        with (
            keep_copy(db, before, lambda part: progress(int(50 * part))) if is_copied and not is_new else nullcontext()
        ):
            # Report progress during a long statement.
            db.set_progress_handler(lambda: progress(50), _STEPS_BETWEEN_REPORTS)
            if is_new:
                _run_script(db, _BASELINE_SCRIPT)
                _run_script(db, _TRIGGERS_SCRIPT)
            else:
                _run_scripts(db, before)
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            db.execute("COMMIT")
    finally:
        db.set_progress_handler(None, 0)
        if db.in_transaction:
            db.execute("ROLLBACK")


def _run_scripts(db: sqlite3.Connection, before: int) -> None:
    for script in _SCHEMA_SCRIPTS[before:]:
        _run_script(db, script)
    _run_script(db, _TRIGGERS_SCRIPT)
    if not before:
        _run_script(db, _ADOPTION_SCRIPT)


def _run_script(db: sqlite3.Connection, script: str) -> None:
    for statement in split_statements(Path(__file__).with_name("schema").joinpath(script).read_text("utf-8")):
        if made := _CREATE_STATEMENT.search(statement):
            db.execute(f"DROP {made['kind']} IF EXISTS {made['name']}")
        db.execute(statement)


def read_version(db: sqlite3.Connection, advice: str = "Update teamsup.") -> int:
    """Return the schema's version. Raise SchemaTooNew, with ``advice``, if this program does not know it."""
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    if found > SCHEMA_VERSION:
        file = db.execute("PRAGMA database_list").fetchone()["file"]
        raise SchemaTooNew(
            f"{file} has schema {found}, written by a newer teamsup; this one knows {SCHEMA_VERSION}. {advice}"
        )
    return found


def split_statements(script: str) -> Iterator[str]:
    """Yield a script's statements one by one, because executescript() would end the caller's transaction."""
    statement = ""
    for part in re.split(r"(?<=;)", script):
        statement += part
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
