"""The two connections of one store. The first writes, and also reads while it is free. The second reads while the first
is busy.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from ....errors import StoreInterrupted, StoreUnreachable
from ...engine import BUSY_SECONDS, log_waiting
from ..address import ServerAddress
from ..connection import ServerConnection, is_usable, open_connection, run_script
from ..server_errors import as_store_error, describe_error, is_lost, is_refusal

T = TypeVar("T")

_RETRY_SECONDS = 0.05


class ServerConnections:
    """The connections, each opened when it is needed, and again after it was lost."""

    def __init__(self, address: ServerAddress) -> None:
        self.address = address
        self.write_lock = threading.RLock()
        self.read_lock = threading.RLock()
        self.current: ServerConnection | None = None
        """The writer's connection, if there is one."""
        self._reader: ServerConnection | None = None

    def close(self) -> None:
        with self.write_lock, self.read_lock:
            for connection in (self.current, self._reader):
                if connection is not None:
                    connection.close()
            self.current = self._reader = None

    def writer(self) -> ServerConnection:
        if not is_usable(self.current):
            if self.current is not None:
                self.current.close()
            self.current = open_connection(self.address)
        return self.current

    def idle_writer(self) -> ServerConnection:
        """Return the writer's connection. First undo a transaction that an interrupt may have left open."""
        self.roll_back()
        return self.writer()

    def second_reader(self) -> ServerConnection:
        if not is_usable(self._reader):
            if self._reader is not None:
                self._reader.close()
            self._reader = open_connection(self.address)
        return self._reader

    def roll_back(self) -> None:
        """Undo the open transaction. Close a connection that is lost, or that an interrupt has left busy."""
        connection = self.current
        if connection is None:
            return
        try:
            if not is_usable(connection):
                connection.close()
            elif connection.info.transaction_status != TransactionStatus.IDLE:
                run_script(connection, "ROLLBACK")
        except BaseException as error:
            connection.close()
            if not isinstance(error, psycopg.Error):
                raise

    def retry(self, action: Callable[[], T], busy_seconds: float = 0.0, *, only_lost: bool = False) -> T:
        """Run an action outside of a transaction, and repeat it while the server cannot be reached.

        It ends after ``busy_seconds``, but not before BUSY_SECONDS, and logs a longer wait once. With ``only_lost``,
        repeat it only after a lost connection.
        """
        began = time.monotonic()
        deadline = began + max(BUSY_SECONDS, busy_seconds)
        is_logged = False
        while True:
            try:
                return action()
            except psycopg.Error as error:
                found = as_store_error(self.address.name, error)
                may_pass = isinstance(found, StoreUnreachable) or is_lost(error)
                if is_refusal(error) or not (may_pass or (isinstance(found, StoreInterrupted) and not only_lost)):
                    raise found from error
                if time.monotonic() > deadline:
                    raise StoreUnreachable(
                        f"{self.address.name} cannot be reached: {describe_error(error)}."
                    ) from error
                if not is_logged and time.monotonic() > began + 1.0:
                    is_logged = True
                    log_waiting(found)
            time.sleep(_RETRY_SECONDS)
