"""Restore a backup into the team's database, while other programs have it open.

The backup is copied to a file beside the database, checked and migrated there. SQLite's backup API then writes that
copy into the open database as one transaction. With its first page it takes the write lock, so that other programs
cannot change the database any more. Then the restore carries over rows that must be kept: the last ids, presence, and
facts from outside the team. An example is that people have already seen a message.
"""

import os
import sqlite3
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from ...errors import (
    CallerError,
    SchemaTooNew,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreReplaced,
    UnusableComponent,
)
from ...models import MAX_ID
from ...team import Team
from ..component_tables import ComponentTables
from ..engine import MAX_TRANSACTION_SECONDS, RestoreReport
from ..maintenance_progress import ReportProgress, announce_maintenance
from .component_migration import migrate_component
from .migrations import SCHEMA_VERSION, migrate
from .store import Store
from .store_tools import copy_in_batches, interruptible

_PAGES_PER_STEP = 1000


def plan_restore(team: Team, backup: Path, components: Collection[ComponentTables] = ()) -> RestoreReport:
    """Return the effects that restore_backup() would have now. Raise the same errors."""
    with prepare_copy(team, backup, components, lambda _: None) as copy:
        if not team.database.exists():
            return RestoreReport(0, 0, copy.execute("SELECT count(*) FROM messages").fetchone()[0])
        try:
            Store(team.database, run=team.run).close()
            copy.execute("ATTACH ? AS live", (str(team.database),))
            return report_differences(copy, components)
        except (StoreCorrupt, StoreReplaced, sqlite3.Error):
            return RestoreReport(None, None, None)


def restore_backup(team: Team, backup: Path, components: Collection[ComponentTables] = ()) -> RestoreReport:
    """Restore the team from a backup. Running programs continue from there. A database that cannot be read is set
    aside.

    Migrate the tables of ``components`` to the versions of their workers. Raise SchemaTooNew, CallerError if the file
    is not a backup of a team, and StoreError if nothing was restored.
    """
    team.create()
    with (
        announce_maintenance(team.run, "restore", 100) as progress,
        prepare_copy(team, backup, components, progress) as copy,
    ):
        set_aside: tuple[Path, ...] = ()
        try:
            store = Store(team.database, run=team.run)
        except (StoreCorrupt, StoreReplaced):
            set_aside = _move_unreadable(team)
            store = Store(team.database, run=team.run)
        with closing(store):
            taken_back = _overwrite(store, copy, components, progress)
    if set_aside:
        return RestoreReport(None, None, None, set_aside)
    return taken_back


@contextmanager
def prepare_copy(
    team: Team, backup: Path, components: Iterable[ComponentTables], progress: ReportProgress
) -> Iterator[sqlite3.Connection]:
    """Copy the backup to a new file, check it and migrate it there."""
    if not backup.is_file():
        raise CallerError(f"{backup} is not a file. Name a copy that 'teamsup hub backup' has written.")
    if team.database.exists() and os.path.samefile(backup, team.database):
        raise CallerError(f"{backup} is the team's database itself. Name a copy of it.")
    folder = team.folder if team.folder.is_dir() else Path(tempfile.gettempdir())
    path = folder / f".restore-{os.getpid()}.db"
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            copy.row_factory = sqlite3.Row
            for pragma in ("journal_mode=MEMORY", "synchronous=OFF"):
                copy.execute(f"PRAGMA {pragma}")
            _copy_backup(backup, copy)
            progress(20)
            _check_backup(backup, copy)
            migrate(copy)
            for tables in components:
                # The component itself refuses tables that it cannot use.
                with suppress(UnusableComponent):
                    migrate_component(copy, tables)
            yield copy
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"{backup} was not restored: {why}.") from error
    finally:
        for suffix in ("", "-journal"):
            with suppress(OSError):
                path.with_name(path.name + suffix).unlink()


def _copy_backup(backup: Path, copy: sqlite3.Connection) -> None:
    uri = backup.absolute().as_uri()
    # A copy of a database in WAL mode cannot be opened read-only without its log. So open such a copy as immutable.
    for options in ("mode=ro", "mode=ro&immutable=1"):
        try:
            with closing(sqlite3.connect(f"{uri}?{options}", uri=True)) as source:
                copy_in_batches(source, copy)
                return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN or "immutable" in options:
                raise
        except sqlite3.DatabaseError:
            break
    raise CallerError(f"{backup} is not a SQLite database, or a damaged one. Choose another backup.")


def _check_backup(backup: Path, copy: sqlite3.Connection) -> None:
    with interruptible(copy):
        problems = [row[0] for row in copy.execute("PRAGMA integrity_check(1)") if row[0] != "ok"]
    if problems:
        raise CallerError(f"{backup} is damaged: {problems[0]}. Choose another backup.")
    tables = {row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"messages", "agent_status"} <= tables:
        raise CallerError(f"{backup} is not the database of a team. Name a copy that 'teamsup hub backup' has written.")
    (version,) = copy.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"{backup} has schema {version}, written by a newer teamsup; this one knows {SCHEMA_VERSION}. "
            "Update teamsup."
        )


def _move_unreadable(team: Team) -> tuple[Path, ...]:
    """Move unreadable database files away, for a person to inspect."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    moved = []
    for suffix in ("", "-wal", "-shm"):
        file = team.database.with_name(team.database.name + suffix)
        target = file.with_name(f"replaced-{stamp}-{file.name}")
        with suppress(FileNotFoundError):
            file.rename(target)
            moved.append(target)
    return tuple(moved)


def _overwrite(
    store: Store, copy: sqlite3.Connection, components: Collection[ComponentTables], progress: ReportProgress
) -> RestoreReport:
    taken_back = RestoreReport(None, None, None)
    is_carried = False
    until = time.monotonic() + MAX_TRANSACTION_SECONDS
    _match_page_size(store, copy)
    copy.execute("ATTACH ? AS live", (str(store.path),))

    def step(status: int, remaining: int, total: int) -> None:
        nonlocal taken_back, is_carried
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            if time.monotonic() > until:
                raise StoreBusy(f"{store.path} is held by another program.")
        elif not is_carried:
            is_carried = True
            with suppress(sqlite3.DatabaseError):  # no rows can be copied from a damaged database
                taken_back = report_differences(copy, components)
                carry_over(copy, components)
        progress(30 + 70 * (total - remaining) // max(1, total))

    # Never copy everything in one step: that step would commit before step() has carried rows over.
    pages = copy.execute("PRAGMA page_count").fetchone()[0]
    store.overwrite(copy, min(_PAGES_PER_STEP, pages // 2), step)
    store.flush()
    return taken_back


def _match_page_size(store: Store, copy: sqlite3.Connection) -> None:
    """Give the copy the page size of the database, because a database in WAL mode cannot change its page size."""
    wanted = store.read("PRAGMA page_size")[0][0]
    if copy.execute("PRAGMA page_size").fetchone()[0] != wanted:
        copy.execute(f"PRAGMA page_size={wanted}")
        copy.execute("VACUUM")


def report_differences(copy: sqlite3.Connection, components: Iterable[ComponentTables]) -> RestoreReport:
    carried = _carried_names(components)

    def count(sql: str) -> int:
        return int(copy.execute(f"SELECT count(*) FROM {sql}").fetchone()[0])  # noqa: S608

    return RestoreReport(
        count(f"live.messages AS m WHERE NOT EXISTS ({_SAME.format(other='main')})"),
        count(
            "main.deliveries AS d JOIN live.deliveries AS l ON l.message = d.message AND l.recipient = d.recipient"
            f" JOIN main.messages AS m ON m.id = d.message WHERE EXISTS ({_SAME.format(other='live')})"
            f" AND d.done_at IS NULL AND l.done_at IS NOT NULL AND d.recipient NOT IN ({carried})"
        ),
        count(f"main.messages AS m WHERE NOT EXISTS ({_SAME.format(other='live')})"),
    )


def carry_over(copy: sqlite3.Connection, components: Collection[ComponentTables]) -> None:
    """Carry over the rows that must stay true after every restore."""
    copy.execute("BEGIN")
    try:
        for sql in (_SEQUENCES, _NEW_SEQUENCES):
            copy.execute(sql, {"most": MAX_ID})
        copy.execute("UPDATE main.agent_status SET status = 'offline'")
        _replace_rows(copy, "agent_status")
        _carry_components(copy, components)
        copy.execute("COMMIT")
    finally:
        if copy.in_transaction:
            copy.execute("ROLLBACK")


def _carry_components(copy: sqlite3.Connection, components: Collection[ComponentTables]) -> None:
    """Carry over the facts from outside the team, so that no message is sent or received twice."""
    if not _is_related(copy):
        return
    carried = _carried_names(components)
    copy.execute(_ENDED_SINCE.format(carried=carried))
    copy.execute(_REMOVED_SINCE.format(carried=carried))
    for table in (table for tables in components for table in tables.carried_over):
        if not _read_columns(copy, "live", table):
            continue
        which = f"message IN ({_IN_BOTH})" if "message" in _read_columns(copy, "main", table) else "1 = 1"
        copy.execute(f"DELETE FROM main.{table} WHERE {which}")  # noqa: S608
        _replace_rows(copy, table, which)


def _carried_names(components: Iterable[ComponentTables]) -> str:
    """Return the components with facts from outside the team, as a list in SQL."""
    return ", ".join(f"'{tables.component}'" for tables in components if tables.carried_over) or "''"


def _is_related(copy: sqlite3.Connection) -> bool:
    """Return whether the backup comes from this database, not from another team or a lost database."""
    is_empty = copy.execute("SELECT 1 FROM main.messages LIMIT 1").fetchone() is None
    return is_empty or copy.execute(f"{_IN_BOTH} LIMIT 1").fetchone() is not None


def _replace_rows(copy: sqlite3.Connection, table: str, which: str = "1") -> None:
    """Replace rows of the copy by the live rows with the same keys."""
    columns = ", ".join(f'"{name}"' for name in _read_columns(copy, "main", table) & _read_columns(copy, "live", table))
    copy.execute(
        f"INSERT OR REPLACE INTO main.{table} ({columns}) SELECT {columns} FROM live.{table} WHERE {which}"  # noqa: S608
    )


def _read_columns(copy: sqlite3.Connection, schema: str, table: str) -> set[str]:
    return {row["name"] for row in copy.execute(f"PRAGMA {schema}.table_info({table})")}


# Compare the message_id too: a backup of another team may have other messages with the same ids.
_SAME = "SELECT 1 FROM {other}.messages AS o WHERE o.id = m.id AND o.message_id = m.message_id"
_IN_BOTH = f"SELECT m.id FROM main.messages AS m WHERE EXISTS ({_SAME.format(other='live')})"  # noqa: S608

_SEQUENCES = """
    UPDATE main.sqlite_sequence SET seq = max(seq, (SELECT l.seq FROM live.sqlite_sequence AS l
        WHERE l.name = main.sqlite_sequence.name AND l.seq < :most))
      WHERE name IN (SELECT name FROM live.sqlite_sequence WHERE seq < :most)
"""
_NEW_SEQUENCES = """
    INSERT INTO main.sqlite_sequence (name, seq) SELECT name, seq FROM live.sqlite_sequence
      WHERE seq < :most AND name NOT IN (SELECT name FROM main.sqlite_sequence)
        AND name IN (SELECT name FROM main.sqlite_master WHERE sql LIKE '%AUTOINCREMENT%')
"""
_ENDED_SINCE = f"""
    UPDATE main.deliveries SET state = l.state, lease_token = NULL, lease_expires_at = NULL, read_at = l.read_at,
        done_at = l.done_at, outcome = l.outcome
      FROM live.deliveries AS l WHERE l.message = main.deliveries.message AND l.recipient = main.deliveries.recipient
        AND l.recipient IN ({{carried}}) AND l.done_at IS NOT NULL AND main.deliveries.done_at IS NULL
        AND EXISTS (SELECT 1 FROM main.messages AS m WHERE m.id = l.message
          AND EXISTS ({_SAME.format(other="live")}))
"""  # noqa: S608
_REMOVED_SINCE = f"""
    UPDATE main.deliveries SET state = 'cancelled', lease_token = NULL, lease_expires_at = NULL,
        done_at = strftime('%Y-%m-%d %H:%M:%f', 'now'), outcome = 'ended before the restore'
      WHERE recipient IN ({{carried}}) AND done_at IS NULL
        AND message <= coalesce((SELECT seq FROM live.sqlite_sequence WHERE name = 'messages'), 0)
        AND NOT EXISTS (SELECT 1 FROM main.messages AS m WHERE m.id = main.deliveries.message
          AND EXISTS ({_SAME.format(other="live")}))
"""  # noqa: S608
