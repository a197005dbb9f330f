"""What the hub must know about the tables that one component keeps in the team's database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..models import Message


def reads_nothing_expired(_: Message) -> bool:
    """Return False: a message that no agent has claimed in time is not delivered any more."""
    return False


@dataclass(frozen=True)
class ComponentTables:
    """What the hub does for one component: create its tables, and respect them in maintenance.

    All SQL is in the subset that SQLite and PostgreSQL share. It names tables of this component, and ``messages``.
    """

    component: str
    scripts: tuple[Path, ...]
    """Numbered scripts of tables and indexes; the version is their number. Each runs once in a database."""
    goes_with_message: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns by table: a row goes when the message goes whose ``messages.id`` is in one of these."""
    keeps: tuple[str, ...] = ()
    """SELECTs of the ``messages.id`` of messages that no pruning may remove."""
    forgets_person: tuple[str, ...] = ()
    """Statements that remove what the tables have about a person. Each runs for each name of the person: ``:name`` is
    the name, such as chat:30 or console-ann; ``:id`` is the number or name behind its first colon, or all of it."""
    carried_over: tuple[str, ...] = ()
    """Tables with what is true of the world outside: a restore keeps their rows as they are, as far as their
    ``message`` is in the backup. What this component has ended since the backup stays ended."""

    reads_expired: Callable[[Message], bool] = reads_nothing_expired
    """Returns whether the component's worker also gets a message to it that expired, because the deadline is not for
    reading it: the worker itself says what counts then."""

    @property
    def version(self) -> int:
        """The version of the tables that the scripts make."""
        return len(self.scripts)
