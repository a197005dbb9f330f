"""The facts that the hub must know about the tables of one component."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..models import Message


def reads_nothing_expired(_: Message) -> bool:
    """Return False, so that a message that no agent has claimed in time is no longer delivered."""
    return False


@dataclass(frozen=True)
class ComponentTables:
    """The tables that the hub creates for one component, and respects in maintenance.

    All SQL is in the subset that SQLite and PostgreSQL share. It names only tables of this component.
    """

    component: str
    scripts: tuple[Path, ...]
    """Numbered scripts of tables and indexes; the version is their number. Each runs once in a database."""
    goes_with_message: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each table, the columns that contain a ``messages.id``. A row is removed together with its message."""
    keeps: tuple[str, ...] = ()
    """SELECTs of the ``messages.id`` of messages that pruning must not remove."""
    forgets_person: tuple[str, ...] = ()
    """Statements that remove a person's data. Each runs for each name of the person. ``:name`` is the name, such as
    chat:30 or console-ann. ``:id`` is the part after its first colon, or the whole name."""
    carried_over: tuple[str, ...] = ()
    """Tables with facts from outside the team. A restore keeps their rows if their ``message`` is in the backup.
    Deliveries that this component has ended since the backup stay ended."""

    reads_expired: Callable[[Message], bool] = reads_nothing_expired
    """Returns whether the component's worker also gets this message after its expiry. For such a message the worker
    decides what the deadline means.
    """

    @property
    def version(self) -> int:
        """The version of the tables after all scripts."""
        return len(self.scripts)
