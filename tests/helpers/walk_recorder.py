"""Run a program, and write down in which order it enters the modules of teamsup's workers.

As in ``WALK_FILE=PATH python -m helpers.walk_recorder MODULE ARGUMENTS …``. It records as soon as that file exists. A
loop that runs by itself while nothing happens is left out, with all that it calls.
"""

import os
import runpy
import sys
import threading
from contextvars import ContextVar
from pathlib import Path
from types import FrameType

_PACKAGE = "teamsup.workers."
_IDLE_LOOPS = {
    "Worker._heartbeat_loop",
    "Inbox.run",
    "DiscordConnection._monitor",
    "ReactionUpdater.run",
    "DiscordGateway._watch_home_channel",
    "DiscordGateway._watch_unread_questions",
    "UserCommDaemon._follow_up_loop",
    "UserCommDaemon._decision_loop",
}
"""By the names of their coroutines."""
_is_idle: ContextVar[bool] = ContextVar("is_idle", default=False)


class _Recorder:
    """Knows which modules were entered."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._entered: set[str] = set()

    def on_event(self, frame: FrameType, event: str, _: object) -> None:
        """Note the module of a function that is called, or of a coroutine that goes on."""
        module = frame.f_globals.get("__name__") or ""
        if module == "__main__":
            module = getattr(frame.f_globals.get("__spec__"), "name", "")
        if event != "call" or not module.startswith(_PACKAGE) or not _is_written(frame):
            return
        if frame.f_code.co_qualname in _IDLE_LOOPS:
            # A task has a context of its own, which what it calls in a thread has too.
            _is_idle.set(True)
        if module not in self._entered and not _is_idle.get() and self._file.exists():
            self._entered.add(module)
            with self._file.open("a") as file:
                file.write(module.removeprefix(_PACKAGE) + "\n")


def _is_written(frame: FrameType) -> bool:
    """Return whether a person wrote that function, not ``dataclass``."""
    return not frame.f_code.co_filename.startswith("<")


def main() -> None:
    recorder = _Recorder(Path(os.environ["WALK_FILE"]))
    module, *rest = sys.argv[1:]
    sys.argv = [module, *rest]
    threading.setprofile(recorder.on_event)
    sys.setprofile(recorder.on_event)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
