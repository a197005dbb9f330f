"""The process that started the server of a session: the session ends with it."""

import os
from contextlib import suppress

import anyio

_CHECK_SECONDS = 0.5


class SessionStarter:
    """Claude Code itself, which is the parent of this process."""

    def __init__(self, claude: int) -> None:
        self.claude = claude
        """The pid of Claude Code. The hooks of the session know the same."""

    async def wait_for_end(self) -> None:
        """Return when it has ended. Another process may keep stdin open, so only the parent's pid shows it."""
        while os.getppid() == self.claude:  # noqa: ASYNC110 - no event reports it
            await anyio.sleep(_CHECK_SECONDS)

    def report_exit(self, code: int) -> None:
        """Tell it the exit code of this process, which is about to end."""


class Launcher(SessionStarter):
    """A launcher that Claude Code has started. It is not our parent; ``connection`` is a socket to it."""

    def __init__(self, claude: int, connection: int) -> None:
        super().__init__(claude)
        self._connection = connection

    async def wait_for_end(self) -> None:
        """Return when the launcher has got a signal, which it passes on, or has ended."""
        await anyio.wait_readable(self._connection)

    def report_exit(self, code: int) -> None:
        with suppress(OSError):
            os.write(self._connection, bytes([code]))
