"""Choose the engine of a team. Only this module knows that there are several engines.

A team is stored in messages.db of its folder, or on the server that TEAMSUP_HUB or ``hub`` of [team] names.
"""

import functools
import os
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import CallerError, NotConfigured, StoreError
from ..team import check_owner

if TYPE_CHECKING:
    from ..team import Team
    from .component_tables import ComponentTables
    from .copying.row_copy import CopyReport, ReportRows, RowStore
    from .copying.row_export import ExportReport
    from .copying.server_rows import ServerRows
    from .engine import Durability, Engine, EngineTools, RestoreReport, Row, Values
    from .hosts.team_hosts import TeamHosts

ADDRESS_VARIABLE = "TEAMSUP_HUB"
"""The environment variable with the address of the hub; it takes precedence over ``hub`` in [team]."""
_MENTIONS_HUB = re.compile(rb"(?m)^[^#\n]*\bhub\b[\"']?\s*=")
_INSTALL = "pip install 'teamsup[postgres]'"


def open_engine(team: "Team", durability: "Durability") -> "Engine":
    """Open the team's store, or create it. Raise NotConfigured and StoreError."""
    url = find_address(team)
    if url is None:
        from .sqlite.store import Store  # ``ps`` reads without it

        return Store(team.database, durability, team.run)
    try:
        from .postgresql.address import parse_address
        from .postgresql.postgres_store import PostgresStore
    except ImportError as error:
        raise NotConfigured(f"The hub of team {team.name!r} is on a server. Install: {_INSTALL} ({error}).") from error
    return PostgresStore(parse_address(url), durability, team.run, team.name)


def read_once(team: "Team", queries: "Sequence[tuple[str, Values]]") -> "list[list[Row]] | None":
    """Return the rows of each query, without opening the hub. Return None if the store can only be read
    with the hub.
    """
    if find_address(team) is not None:
        return None
    for path in (team.folder, team.database):
        check_owner(path)
    from .sqlite.snapshot_reader import read_once

    return read_once(team.database, team.run, queries)


def open_hosts(team: "Team") -> "TeamHosts | None":
    """Return the hosts of a team that is stored on a server, or None, because a team in a folder has one host. Raise
    NotConfigured.
    """
    if (url := find_address(team)) is None:
        return None
    from .postgresql.address import parse_address
    from .postgresql.server_hosts import ServerHosts

    return ServerHosts(parse_address(url), team.run)


def find_host_identity(team: "Team") -> str | None:
    """Return the identity of this host among the team's hosts, or None if the team has one host. Raise
    NotConfigured.
    """
    hosts = open_hosts(team)
    return None if hosts is None else hosts.identity


def open_tools(engine: "Engine") -> "EngineTools":
    """Return the engine's functions for tools. Raise StoreError if it cannot be loaded."""
    from .sqlite.store import Store

    try:  # imported late, because most processes only send and read
        if isinstance(engine, Store):
            from .sqlite.store_tools import StoreTools

            return StoreTools(engine)
        from .copying.server_backup import back_up_server
        from .postgresql.postgres_store import PostgresStore
        from .postgresql.server_tools import ServerTools
    except OSError as error:  # no descriptor is left
        raise StoreError(f"The tools of {engine.name} cannot be loaded: {error.strerror}.") from error
    assert isinstance(engine, PostgresStore)  # noqa: S101 - for mypy
    return ServerTools(engine, functools.partial(back_up_server, engine.address, engine.team))


def find_address(team: "Team") -> str | None:
    """Return the address of the server that stores the team, or None if the team is in its folder. Raise NotConfigured
    and UnsafeFile.

    It may have a password in it: check_address() first.
    """
    if url := os.environ.get(ADDRESS_VARIABLE):
        return _check_kind(url)
    try:
        text = team.configuration.read_bytes()
    except OSError:  # the program that needs the configuration reports it
        return None
    if not _MENTIONS_HUB.search(text):
        return None
    import tomllib  # few teams have a server

    try:
        section = tomllib.loads(text.decode()).get("team", {})
    except (ValueError, RecursionError):
        raise NotConfigured(
            f"{team.configuration} cannot be read, so it is not known where the hub of team {team.name!r} is."
        ) from None
    url = section.get("hub") if isinstance(section, dict) else None
    if url is None:
        return None
    check_owner(team.configuration)
    return _check_kind(url)


def has_store(team: "Team") -> bool:
    """Return whether the team may have a store: a file, or a server that was chosen for it."""
    return team.database.exists() or find_address(team) is not None


def describe_store(team: "Team") -> str:
    """Return the name of the team's store, without any secret."""
    url = find_address(team)
    if url is None:
        return str(team.database)
    from .postgresql.address import parse_address

    return parse_address(url).name


def sqlite_version() -> str:
    """Return the version of SQLite. A team on a server does not need it."""
    from .sqlite.connection import LIBRARY_VERSION

    return LIBRARY_VERSION


def read_journal_mode(team: "Team") -> str | None:
    """Return how SQLite logs the changes of the team's file: "wal" where the file system allows that. Return None if no
    file stores the team. Raise StoreError.
    """
    if find_address(team) is not None or not team.database.exists():
        return None
    from .sqlite.store_tools import read_journal_mode as read_mode

    return read_mode(team)


def check_address(url: str) -> None:
    """Raise NotConfigured unless this is an address without a password."""
    _check_kind(url)
    try:
        from .postgresql.address import parse_address
    except ImportError:
        return  # the program that opens the hub reports it
    parse_address(url)


def copy_team(
    source: str,
    target: str,
    team: str,
    components: "Collection[ComponentTables]",
    report_rows: "ReportRows" = lambda *_: None,
) -> "CopyReport":
    """Copy a team from one store to another, which must be new, and compare every row.

    Both are a file or an address. Raise CallerError, StoreInUse and StoreError. After an error or a kill, the same call
    continues the copy.
    """
    from contextlib import ExitStack, closing  # few programs copy

    from .copying.file_rows import open_file, open_new_file
    from .copying.row_copy import copy_rows

    if source == target:
        raise CallerError("A team cannot be copied onto itself. Name another store.")
    with ExitStack() as stack:
        ends: list[RowStore] = []
        for store in (source, target):
            is_source = store == source
            if is_address(store):
                on_server = _open_server_rows(store, team, alone=True, may_create=not is_source)
                stack.enter_context(closing(on_server))
                if is_source:
                    stack.enter_context(on_server.snapshot())
                ends.append(on_server)
            else:
                path = Path(store).absolute()
                is_there = is_source or path.exists()
                in_file = open_file(path, components) if is_there else open_new_file(path)
                ends.append(stack.enter_context(closing(in_file)))
        return copy_rows(ends[0], ends[1], components, report_rows)


def export_team(
    team: "Team",
    program_version: str,
    components: "Collection[ComponentTables]",
    write: Callable[[str], object],
    report_rows: "ReportRows" = lambda *_: None,
) -> "ExportReport":
    """Write each row that the team has at one moment, as a line of JSON. Raise CallerError and StoreError."""
    from contextlib import ExitStack, closing

    from .copying.file_rows import open_snapshot
    from .copying.row_export import export_rows

    with ExitStack() as stack:
        if (url := find_address(team)) is not None:
            on_server = _open_server_rows(url, team.name, alone=False, may_create=False)
            stack.enter_context(closing(on_server))
            stack.enter_context(on_server.snapshot())
            rows: RowStore = on_server
        else:
            rows = stack.enter_context(closing(open_snapshot(team.database)))
        return export_rows(rows, team.name, program_version, components, write, report_rows)


def import_team(
    team: "Team",
    name: str,
    lines: BinaryIO,
    components: "Collection[ComponentTables]",
    report_rows: "ReportRows" = lambda *_: None,
) -> "ExportReport":
    """Fill the empty store of a team with the lines of export_team(), or change nothing. ``name`` is shown as the name
    of the export. After an interrupted import into a server, the same call continues it.

    Raise CallerError if the store has rows; StoreInUse, BrokenExport, SchemaTooNew and StoreError.
    """
    from contextlib import ExitStack, closing
    from tempfile import TemporaryDirectory

    from .copying.file_rows import open_file, open_new_file, remove_unfinished
    from .copying.row_copy import copy_rows, has_rows
    from .copying.row_export import import_rows

    with ExitStack() as stack:
        url, path, target = find_address(team), team.database, None
        if url is not None:
            target = _open_server_rows(url, team.name, alone=True, may_create=True)
            stack.enter_context(closing(target))
            path = Path(stack.enter_context(TemporaryDirectory(prefix="teamsup-"))) / "import.db"
            is_used = not target.is_unfinished and has_rows(target)
        else:  # the open empty database keeps other programs away until the new database replaces it
            is_used = path.exists() and has_rows(stack.enter_context(closing(open_file(path, components))))
        if is_used:
            raise CallerError(f"{describe_store(team)} has rows of its own. Import into a new team.")
        file = open_new_file(path)
        stack.callback(remove_unfinished, path)
        stack.enter_context(closing(file))
        report = import_rows(name, lines, file, components, report_rows)
        if target is not None:
            copy_rows(file, target, components, report_rows)
        else:
            file.finish()
        return report


def _open_server_rows(url: str, team: str, *, alone: bool, may_create: bool) -> "ServerRows":
    try:
        from .copying.server_rows import open_rows
        from .postgresql.address import parse_address
    except ImportError as error:
        raise NotConfigured(f"{_INSTALL} ({error}).") from error
    return open_rows(parse_address(url), team, alone=alone, may_create=may_create)


def is_address(store: str) -> bool:
    """Return whether this is the address of a server, and not a file."""
    return "://" in store and bool(_check_kind(store))


def plan_restore(team: "Team", backup: Path, components: "Collection[ComponentTables]" = ()) -> "RestoreReport":
    """Return the effects that restore_backup() would have now. Raise the same errors."""
    if (url := find_address(team)) is not None:
        return _server_restore(team, url, backup, components, is_plan=True)
    from .sqlite import restore  # few need it

    return restore.plan_restore(team, backup, components)


def restore_backup(team: "Team", backup: Path, components: "Collection[ComponentTables]" = ()) -> "RestoreReport":
    """Restore the team from a backup. Running programs continue from there. A database that cannot be read is set
    aside.

    Raise SchemaTooNew, CallerError if the file is not a backup of a team, and StoreError if nothing was restored.
    """
    if (url := find_address(team)) is not None:
        return _server_restore(team, url, backup, components, is_plan=False)
    from .sqlite import restore

    return restore.restore_backup(team, backup, components)


def _server_restore(
    team: "Team", url: str, backup: Path, components: "Collection[ComponentTables]", *, is_plan: bool
) -> "RestoreReport":
    from .copying.server_backup import restore_on_server
    from .postgresql.address import parse_address

    return restore_on_server(parse_address(url), team, backup, components, is_plan=is_plan)


def _check_kind(url: object) -> str:
    if not isinstance(url, str) or not url.startswith(("postgresql://", "postgres://")):
        raise NotConfigured("The address of the hub must begin with postgresql://. Without one the hub is a file.")
    return url
