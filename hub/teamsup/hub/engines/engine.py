"""The interface between the hub and the engine that stores a team. Modules outside of engines/ do not know which engine
it is.

An engine runs the SQL of the hub and of components, in the subset that SQLite and PostgreSQL share. Each has its own
tables, triggers, search, and texts of statements.py.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from .component_tables import ComponentTables

Values = tuple[Any, ...] | dict[str, Any]
Durability = Literal["full", "normal"]

BUSY_SECONDS = 10.0
"""Seconds that a writer waits for another writer."""

MAX_TRANSACTION_SECONDS = BUSY_SECONDS
"""Seconds. Other writers wait only this long, so a longer transaction makes them fail."""


class Row(Protocol):
    """A row of a result. A value is found by the number or the name of its column."""

    def __getitem__(self, column: Any, /) -> Any: ...  # noqa: ANN401
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def keys(self) -> Iterable[str]:
        """Return the names of the columns."""
        ...


class Result(Protocol):
    """The result of one statement."""

    @property
    def rowcount(self) -> int:
        """The number of changed rows."""
        ...

    @property
    def lastrowid(self) -> Any:  # noqa: ANN401 - an integer
        """The ``id`` that INSERT_MESSAGE has given to its message."""
        ...

    def fetchone(self) -> Any: ...  # noqa: ANN401 - a row, whose columns its reader knows
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Transaction(Protocol):
    """An open transaction."""

    def execute(self, sql: str, values: Values = ..., /) -> Result: ...
    def executemany(self, sql: str, values: Iterable[Values], /) -> object: ...


TransactionHook = Callable[[Any], None]
"""Gets the open Transaction."""


@dataclass(frozen=True, slots=True)
class StoreSize:
    """The version of the hub's tables, and the bytes of the store."""

    schema: int
    file_bytes: int
    wal_bytes: int


@dataclass(frozen=True, slots=True)
class StoreMetric:
    """A figure of the store for Prometheus, perhaps of one table."""

    name: str
    meaning: str
    value: float
    table: str = ""


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """The effects of a restore. A value of None is unknown, because the database cannot be read."""

    newer_messages: int | None
    """Messages that the backup does not have."""
    reopened_deliveries: int | None
    """Deliveries that have ended since the backup, and are open again."""
    removed_messages: int | None
    """Messages that were removed since the backup, and that the restore brings back."""
    set_aside: tuple[Path, ...] = ()
    """The new paths of files that could not be opened as a database."""

    @property
    def description(self) -> str:
        if self.newer_messages is None:
            return "the current database cannot be read, so it is not known what is newer than the backup"
        return (
            f"newer messages removed: {self.newer_messages:,}, ended deliveries open again: "
            f"{self.reopened_deliveries:,}, removed messages brought back: {self.removed_messages:,}"
        )


class ForeignWrites(Protocol):
    """The deliveries that came from programs which ring no doorbells."""

    def recipients(self) -> Generator[Iterable[str] | None, None, None]:
        """Yield the agents with new deliveries, or None if any agent may have one. End when the watch must begin again,
        or after stop(). Raise OSError and StoreError.
        """
        ...

    def stop(self) -> None:
        """Let recipients() end soon. Any thread may call it."""
        ...

    def close(self) -> None: ...


class EngineTools(Protocol):
    """The functions of an engine that only tools need."""

    def search(self, words: str, limit: int) -> list[Any]:
        """Return the newest ``limit`` rows of ``messages`` with all of these words, the newest first."""
        ...

    def remove_from_search(self, db: Any, ids: Collection[int]) -> None: ...  # noqa: ANN401
    def optimize_search(self, db: Any) -> None:  # noqa: ANN401
        """Remove words of removed texts from the store for good."""
        ...

    def measure(self) -> StoreSize: ...
    def metrics(self) -> list[StoreMetric]:
        """Return figures that show whether the store will still be fast in some years."""
        ...

    def check_integrity(self) -> list[str]:
        """Return the faults of the store; empty if it is sound."""
        ...

    def count_orphans(self, table: str, columns: tuple[str, ...]) -> int:
        """Return the number of rows of a component's table that name a missing message in one of these columns."""
        ...

    def reclaim_space(self, pause_seconds: float) -> None:
        """Return freed space to the system in small steps, with a pause after each."""
        ...

    def secure_delete(self, db: Any) -> AbstractContextManager[None]:  # noqa: ANN401
        """Overwrite the content that is deleted inside the ``with`` block."""
        ...

    def write_backup(self, target: Path, components: "Collection[ComponentTables]") -> None:
        """Write a consistent copy, also of the tables of these components. Raise CallerError and StoreError."""
        ...


class Engine(Protocol):
    """The open store of a team. Threads may share it.

    A commit survives the death of the process. It survives a power loss once flush() has returned. Every error of the
    store is a StoreError, and its transaction is undone.
    """

    name: str
    """The store as errors name it: without any secret."""
    own_tables: "ComponentTables | None"
    """The tables of the component that this program belongs to."""
    has_cheap_looks: bool
    """Whether a look costs much less than a transaction that finds nothing. If not, a reader claims as soon as its
    doorbell rings.
    """

    def close(self) -> None: ...
    def is_in_transaction(self) -> bool:
        """Return whether this thread is inside a transaction."""
        ...

    def read(self, sql: str, parameters: Values = ...) -> list[Any]:
        """Return all rows of one query. Inside a transaction of this thread they include its changes."""
        ...

    def read_on_writer(self, sql: str, parameters: dict[str, Any]) -> list[Any]:
        """Return all rows of a short query that decides whether a transaction is useful."""
        ...

    def data_version(self) -> int:
        """Return a number that changes when another connection commits."""
        ...

    def transaction(self) -> AbstractContextManager[Any]:
        """Store all changes inside together, or none of them. An inner transaction is part of the outer one."""
        ...

    def transact(
        self,
        on_begin: TransactionHook = ...,
        on_end: TransactionHook = ...,
        longest: float | None = None,
        busy_seconds: float = 0.0,
        *,
        shared: bool = False,
    ) -> Generator[Any, None, None]:
        """Do the same as transaction(), as a generator, with the first and last actions of an outermost transaction.

        ``shared`` is for a single verb about one conversation, which stays correct while others run. Each of its
        changes checks its own condition, or is about rows that no other verb changes.
        """
        ...

    def flush(self) -> None:
        """Flush every commit so far to the disk, unless durability is "normal"."""
        ...

    def tidy_up(self) -> None:
        """Do occasional upkeep after a commit."""
        ...

    def correct_values(self, db: Any) -> None:  # noqa: ANN401
        """Correct wrong rows that a foreign program can store in this engine, and that triggers cannot prevent."""
        ...

    def ring_elsewhere(self, agents: Iterable[str]) -> None:
        """Ring these agents on the other hosts of the team, after a commit. It never fails."""
        ...

    def newest_id(self) -> int:
        """Return an ``id`` that is below the ids of all later messages."""
        ...

    def migrate_component(self, tables: "ComponentTables") -> None:
        """Migrate the tables of a component to its version. Raise UnusableComponent and StoreError."""
        ...

    def use_component(self, tables: "ComponentTables") -> None:
        """Use the component's tables too. After another program has migrated them to a newer version, refuse further
        transactions.
        """
        ...

    def watch_foreign_writes(self) -> ForeignWrites:
        """Begin to watch. Raise StoreError and OSError when that cannot be done now."""
        ...


def log_waiting(error: Exception) -> None:
    """Log that the caller is waiting for a database that another program holds."""
    with suppress(OSError):  # no descriptor may be left
        import logging  # imported late: it takes 4 ms, and this line is rare

        logging.getLogger(__name__).warning("%s Waiting for it.", error)
