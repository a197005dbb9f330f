"""A socket between a program and a PostgreSQL server, which a test can cut: nothing passes, and no connection ends."""

import contextlib
import os
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

SOCKET = ".s.PGSQL.5432"


class SocketProxy:
    """Passes bytes between its own socket in ``folder`` and the server's in ``target``."""

    def __init__(self, target: Path, folder: Path) -> None:
        self._target = target
        self._folder = folder
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._folder.mkdir()
        # A socket's path is short, and a test's folder is long.
        previous = os.getcwd()
        os.chdir(self._folder)
        try:
            self._listener.bind(SOCKET)
        finally:
            os.chdir(previous)
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.mend()
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def address_of(self, address: str) -> str:
        """Return the address of the same database through this socket."""
        return address.replace(str(self._target), str(self._folder))

    def cut(self) -> None:
        """Let nothing pass from now on, and keep all connections."""
        self._open.clear()

    def mend(self) -> None:
        """Let everything pass that waits."""
        self._open.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                theirs = socket.socket(socket.AF_UNIX)
                theirs.connect(str(self._target / SOCKET))
                self._sockets += [ours, theirs]
                for source, sink in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
