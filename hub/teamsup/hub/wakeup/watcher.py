"""Watch for writers that ring no doorbells. Watching slows every writer a little, so a team has one watcher: the
process with the lock on ``watch.lock``. The engine finds the recipients of new rows, and the watcher rings their
doorbells.
"""

import atexit
import os
import threading
from contextlib import closing, suppress

from ..engines.engine import Engine, ForeignWrites
from ..errors import StoreError
from ..team import Team
from .doorbell import Doorbells
from .file_lock import try_lock


class Watcher:
    """A thread that watches the team's store while this process holds the team's watch lock."""

    def __init__(self, team: Team, engine: Engine) -> None:
        self._team = team
        self._engine = engine
        self._doorbells = Doorbells(team.run)
        self._thread: threading.Thread | None = None
        self._writes: ForeignWrites | None = None

    def start_if_free(self) -> bool:
        """Take the lock and watch, unless another process does. Return whether this process watches."""
        if self._thread is not None and self._thread.is_alive():
            return True
        try:
            lock_file = try_lock(self._team.folder / "watch.lock")
        except StoreError:
            return False
        if lock_file is None:
            return False
        try:
            writes = self._engine.watch_foreign_writes()
        except (OSError, StoreError):
            os.close(lock_file)
            return False
        if self._thread is None:
            atexit.register(self.stop)  # a thread that waits inside of the engine must not outlive the interpreter
        self._writes = writes
        self._thread = threading.Thread(
            target=self._watch, args=(writes, lock_file), name="teamsup-watcher", daemon=True
        )
        self._thread.start()
        return True

    def stop(self) -> None:
        """End the watch and free the lock."""
        atexit.unregister(self.stop)
        if self._writes is not None:
            self._writes.stop()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, writes: ForeignWrites, lock_file: int) -> None:
        try:
            # After an error, such as a missing folder, this thread ends. Then any process can become the watcher.
            with closing(writes), suppress(OSError, StoreError), closing(writes.recipients()) as looks:
                for recipients in looks:
                    if recipients is None:
                        self._doorbells.ring_all()
                    elif recipients:
                        self._doorbells.ring(recipients)
        finally:
            os.close(lock_file)
