"""Choose the engine of a team. Only this module knows that there are several."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StoreError
from .sqlite.store import Store

if TYPE_CHECKING:
    from ..team import Team
    from .component_tables import ComponentTables
    from .engine import Durability, Engine, EngineTools, RestoreReport


def open_engine(team: "Team", durability: "Durability") -> "Engine":
    """Open the team's store, or create it. Raise StoreError."""
    return Store(team.database, durability, team.run)


def open_tools(engine: "Engine") -> "EngineTools":
    """Return what only tools need of an engine. Raise StoreError if it cannot be loaded."""
    assert isinstance(engine, Store)  # noqa: S101 - there is no other yet
    try:
        from .sqlite.store_tools import StoreTools  # most processes only send and read
    except OSError as error:  # without a descriptor left
        raise StoreError(f"The tools of {engine.path} cannot be loaded: {error.strerror}.") from error
    return StoreTools(engine)


def plan_restore(team: "Team", backup: Path, components: "Collection[ComponentTables]" = ()) -> "RestoreReport":
    """Return the effects that restore_backup() would have now. Raise the same errors."""
    from .sqlite import restore  # few need it

    return restore.plan_restore(team, backup, components)


def restore_backup(team: "Team", backup: Path, components: "Collection[ComponentTables]" = ()) -> "RestoreReport":
    """Take the team back to a backup; running programs continue from it. A database that cannot be read is set aside.

    Raise CallerError if the file is not a backup of a team; SchemaTooNew; StoreError if nothing was restored.
    """
    from .sqlite import restore

    return restore.restore_backup(team, backup, components)
