"""Work outside the main loop: calls of the hub in threads, and tasks without a waiting caller."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import ParamSpec, TypeVar

from teamsup.hub import SchemaTooNew, StoreError, TeamsupError

from .health.troubles import Troubles

P = ParamSpec("P")
T = TypeVar("T")


class BackgroundTasks:
    """Tasks that run until they end; ``log`` gets the error of a task that fails."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[object]] = set()

    def run(self, work: Coroutine[object, object, object]) -> None:
        """Begin the work, and do not wait for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log(f"{type(error).__name__}: {error}")


class HubCaller:
    """Calls the hub in threads, because a busy database must not delay the workers."""

    def __init__(self, troubles: Troubles, stopping: asyncio.Event, log: Callable[[str], None]) -> None:
        self._troubles = troubles
        self._stopping = stopping
        self._log = log
        self.refusal: SchemaTooNew | None = None
        """Set once this program has become too old for the hub."""

    async def call(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return the action's result, or None if it failed. A failure becomes a trouble, or a line in the log."""
        try:
            return await asyncio.to_thread(action, *args, **kwargs)
        except SchemaTooNew as error:
            # The next start uses the new version.
            if self.refusal is None:
                self.refusal = error
                self._log(str(error))
            self._stopping.set()
        except StoreError as error:
            self._troubles.begin("hub", str(error))
        except TeamsupError as error:
            self._log(str(error))
        except Exception as error:
            # Continue after any error, because the supervisor must look after its workers.
            self._log(f"{type(error).__name__}: {error}")
        return None
