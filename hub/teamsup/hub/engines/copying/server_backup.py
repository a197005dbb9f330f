"""Back up a team's schema, and restore a backup into it, while other programs have it open.

A backup is a SQLite file, as for a team without a server. A restore copies the backup to one file and the server's
present rows to another. It carries over the rows that it must keep, from the second file to the first. Then it writes
the first file to the server. All this is one transaction that has the lock of the team.
"""

import sqlite3
import tempfile
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CallerError
from ...team import Team
from ..engine import RestoreReport
from ..maintenance_progress import announce_maintenance
from ..postgresql.address import ServerAddress
from ..postgresql.connection import run_script
from ..postgresql.migrations import TEAM_LOCK
from ..postgresql.server_watch import RING_EVERYBODY
from ..sqlite.restore import carry_over, prepare_copy, report_differences
from .file_rows import FileRows, open_new_file, remove_unfinished
from .row_copy import copy_rows, replace_rows
from .server_rows import ServerRows, open_rows

if TYPE_CHECKING:
    from ..component_tables import ComponentTables


def back_up_server(address: ServerAddress, team: str, target: Path, components: "Collection[ComponentTables]") -> None:
    """Write a SQLite file with the server's rows of one moment. Raise CallerError and StoreError."""
    if target.exists():
        raise CallerError(f"{target} is there already; choose another name.")
    remove_unfinished(target)
    try:
        with (
            closing(open_rows(address, team, alone=False)) as rows,
            rows.snapshot(),
            closing(open_new_file(target)) as file,
        ):
            copy_rows(rows, file, components)
    finally:
        remove_unfinished(target)


def restore_on_server(
    address: ServerAddress, team: Team, backup: Path, components: "Collection[ComponentTables]", *, is_plan: bool
) -> RestoreReport:
    """Take the team back to a backup, or with ``is_plan`` return the effects that this would have now."""
    team.create()
    with (
        announce_maintenance(team.run, "restore", 100) as progress,
        prepare_copy(team, backup, components, progress) as copy,
        closing(open_rows(address, team.name, alone=False)) as live,
    ):
        if is_plan:
            with live.snapshot(), _attached(live, copy, components):
                return report_differences(copy, components)
        with live.transaction() as connection:
            run_script(connection, TEAM_LOCK)
            with _attached(live, copy, components):
                progress(50)
                report = report_differences(copy, components)
                carry_over(copy, components)
            path = Path(copy.execute("PRAGMA database_list").fetchone()["file"])
            replace_rows(FileRows(copy, path), live, components)
            run_script(connection, RING_EVERYBODY)
        return report


@contextmanager
def _attached(live: ServerRows, copy: sqlite3.Connection, components: "Collection[ComponentTables]") -> Iterator[None]:
    """Attach a file with the present rows of the server, as ``live``."""
    with tempfile.TemporaryDirectory(prefix="teamsup-") as folder:
        file = Path(folder) / "live.db"
        with closing(open_new_file(file)) as present:
            copy_rows(live, present, components)
        copy.execute("ATTACH ? AS live", (str(file),))
        try:
            yield
        finally:
            copy.execute("DETACH live")
