"""Runs ``teamsup`` commands in forked processes: starting an interpreter for each costs ten times as much.

Each command has a process, a working directory, an environment and standard streams of its own. How the interpreter
itself starts is the matter of the tests that start one. Run as a module it is the server, until its input ends.
"""

import contextlib
import functools
import importlib
import io
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

_NUMBER = struct.Struct("i")
_MAX_REQUEST_BYTES = 1 << 20


class CommandServer:
    """The server of this test process, as its client."""

    def __init__(self) -> None:
        self._address = str(Path(tempfile.mkdtemp(prefix="commands-"), "socket"))
        self._interpreter = _interpreter_settings(dict(os.environ))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "helpers.command_server", self._address],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def can_run(self, environment: dict[str, str]) -> bool:
        """Return whether a command in this environment needs no interpreter of its own."""
        return _interpreter_settings(environment) == self._interpreter

    def run(
        self, words: Sequence[str], environment: dict[str, str], stdin: str, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, as subprocess.run does."""
        deadline = time.monotonic() + timeout
        with contextlib.ExitStack() as stack:
            given = stack.enter_context(tempfile.TemporaryFile())
            given.write(stdin.encode())
            given.seek(0)
            outputs, theirs = zip(*(os.pipe() for _ in range(2)), strict=True)
            for output in outputs:
                stack.callback(os.close, output)
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(self._address)
            request = json.dumps({"words": words, "environment": environment, "folder": os.getcwd()}).encode()
            connection.sendall(_NUMBER.pack(len(request)))
            socket.send_fds(connection, [request[:1]], [given.fileno(), *theirs])
            connection.sendall(request[1:])
            for each in theirs:
                os.close(each)
            (pid,) = _NUMBER.unpack(connection.recv(_NUMBER.size))
            try:
                stdout, stderr = _read_all(outputs, deadline)
                connection.settimeout(max(0.1, deadline - time.monotonic()))
                (code,) = _NUMBER.unpack(connection.recv(_NUMBER.size))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(words), timeout) from None
        return subprocess.CompletedProcess(list(words), code, _as_text(stdout), _as_text(stderr))


@functools.cache
def command_server() -> CommandServer:
    """Return the one server of this process, which ends with it."""
    return CommandServer()


def _interpreter_settings(environment: dict[str, str]) -> dict[str, str]:
    """Return what an interpreter only reads when it starts."""
    return {key: value for key, value in environment.items() if key.startswith(("PYTHON", "LC_", "LANG"))}


def _read_all(outputs: Sequence[int], deadline: float) -> list[bytes]:
    found = {output: bytearray() for output in outputs}
    reading = set(outputs)
    while reading:
        ready, _, _ = select.select(list(reading), [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        for output in ready:
            data = os.read(output, 1 << 16)
            found[output] += data
            if not data:
                reading.discard(output)
    return [bytes(found[output]) for output in outputs]


def _as_text(data: bytes) -> str:
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()


def _serve(address: str) -> None:
    from teamsup.cli.command_line import COMMANDS

    for name in COMMANDS:
        importlib.import_module(f"teamsup.cli.commands.{name}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for the commands
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener.fileno(), 0], [], [])
            if 0 in ready:
                return
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _serve_one(connection)
            connection.close()


def _serve_one(connection: socket.socket) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    (length,) = _NUMBER.unpack(connection.recv(_NUMBER.size))
    data, streams, _, _ = socket.recv_fds(connection, 1, 3)
    while len(data) < length:
        data += connection.recv(_MAX_REQUEST_BYTES)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become_command(streams, **json.loads(data))
    for stream in streams:
        os.close(stream)
    connection.sendall(_NUMBER.pack(pid))
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        connection.sendall(_NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become_command(streams: Sequence[int], words: list[str], environment: dict[str, str], folder: str) -> NoReturn:
    from teamsup.cli import __file__ as package
    from teamsup.cli.main import main

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Those of the server remember what kind of file theirs was.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.path[0] = folder
    sys.argv = [str(Path(package).with_name("__main__.py")), *words]
    sys.exit(main())


if __name__ == "__main__":
    _serve(sys.argv[1])
