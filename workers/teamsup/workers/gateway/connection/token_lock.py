"""Allow one gateway for each token on this host, because two gateways would both answer every message."""

import hashlib
import os
import socket
import struct
import sys
import tempfile
from pathlib import Path

from discord.http import Route

from teamsup.hub.wakeup.file_lock import try_lock

_CREDENTIALS = struct.Struct("3i")  # of the process at the other end: its number, user and group


class TokenInUse(Exception):
    """Another process on this host uses the token."""


class TokenLock:
    """The lock of a token. The lock ends with the process, even after a crash."""

    def __init__(self) -> None:
        self._token = ""
        self._socket: socket.socket | None = None
        self._file: int | None = None

    def acquire(self, token: str) -> None:
        """Take the lock of this token, and release the lock of an earlier token. Raise TokenInUse, StoreError and
        OSError.

        This never waits, so call it on the event loop. A thread could take the lock after a cancelled caller has
        released it.
        """
        if token == self._token:
            return
        self.release()
        # The name of the lock depends on Discord's address too, because a test has a Discord of its own.
        name = f"teamsup-discord-{hashlib.sha256(f'{Route.BASE} {token}'.encode()).hexdigest()[:24]}"
        if sys.platform == "linux":
            self._acquire_socket(name)
        elif (file := try_lock(Path(tempfile.gettempdir()) / f"{name}.lock")) is None:
            raise TokenInUse("another gateway on this host uses the bot's token")
        else:
            self._file = file
        self._token = token

    def _acquire_socket(self, name: str) -> None:
        """Bind an abstract socket. Its name is taken for all users of the host, and no file is left."""
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            found.bind(f"\0{name}")
            found.listen()
        except OSError:
            found.close()
            raise TokenInUse(f"another gateway on this host uses the bot's token{_find_holder(name)}") from None
        self._socket = found

    def release(self) -> None:
        """Release the lock."""
        self._token = ""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _find_holder(name: str) -> str:
    """Return the number of the process that has bound the name, as the end of a sentence."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            # The holder accepts no connection. When its queue is full, a connect would wait for its end.
            client.setblocking(False)
            client.connect(f"\0{name}")
            found = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return ""
    return f": process {_CREDENTIALS.unpack(found)[0]}"
