"""The process that started the server of a session: the session ends with it."""

import os
from contextlib import suppress

import anyio

_CHECK_SECONDS = 0.5


class SessionStarter:
    """The starter is Claude Code itself, which is the parent of this process."""

    def __init__(self, claude: int) -> None:
        self.claude = claude
        """The pid of Claude Code. The hooks of the session have the same pid."""

    async def wait_for_end(self) -> None:
        """Wait until Claude Code has ended. Another process may keep stdin open, so only the parent's pid shows the
        end.
        """
        while os.getppid() == self.claude:  # noqa: ASYNC110 - no event reports it
            await anyio.sleep(_CHECK_SECONDS)

    def report_exit(self, code: int) -> None:
        """Report the exit code of this process, which is about to end."""


class Launcher(SessionStarter):
    """The starter is a launcher, which Claude Code has started. It is not the parent of this process. ``connection`` is
    a socket to it.
    """

    def __init__(self, claude: int, connection: int) -> None:
        super().__init__(claude)
        self._connection = connection

    async def wait_for_end(self) -> None:
        """Wait until the launcher has ended, or has passed on a signal."""
        await anyio.wait_readable(self._connection)

    def report_exit(self, code: int) -> None:
        with suppress(OSError):
            os.write(self._connection, bytes([code]))
