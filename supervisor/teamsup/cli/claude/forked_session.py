"""The process that a fork server has forked for one launcher: it becomes the MCP server instead of the launcher."""

import importlib
import io
import logging
import os
import signal
import socket
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mcp.server.mcpserver import MCPServer

from teamsup.claude_code.json_rpc import RequestLine, parse_line
from teamsup.claude_code.team_comm_mcp_server import tool_definitions
from teamsup.config.components import component_names
from teamsup.hub.errors import ExitCode

_PROTOCOL = b"1"
_TIMEOUT_SECONDS = 5.0
_MAX_REQUEST_BYTES = 16 * 2**20
_READY, _GO = b"r", b"g"
_MODULES = (
    "anyio._backends._asyncio",
    "anyio._core._signals",
    "teamsup.cli.commands.mcp",
    "teamsup.cli.command_line",
    "teamsup.hub.engines.sqlite.store_tools",
    "teamsup.hub.maintenance",
)
_SAME_NAMESPACES = ("mnt", "pid", "net", "user")
_SAME_CODE = ("PYTHONPATH", "PYTHONHOME")
"""Variables that can make a Python program run other code."""


class Refused(Exception):
    """The fork server cannot serve this launcher, which must start an MCP server itself."""


@dataclass(frozen=True)
class LaunchRequest:
    """The properties of a launcher that the forked process must take over."""

    installation: str
    """The folder of the program that the launcher would run."""
    directory: str
    claude: int
    """The pid of Claude Code."""
    words: tuple[str, ...]
    environment: dict[str, str]
    descriptors: tuple[int, ...] = ()


def load() -> None:
    """Load all modules that a session needs. They must not start a thread, or open a file that a fork must
    not share.
    """
    for name in _MODULES:
        importlib.import_module(name)
    with suppress(ImportError):
        # The SDK logs with rich if it is installed.
        importlib.import_module("rich.console")
        importlib.import_module("rich.logging")
    component_names()
    # Do the first steps of a session once, so that all sessions share the state of the libraries. This server serves
    # nobody.
    parse_line(RequestLine('{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'))
    MCPServer("warm-up", tools=[*tool_definitions()], log_level="WARNING")
    # MCPServer has configured the logging of this process. Undo that, because each session configures it for its
    # stderr.
    logging.root.handlers.clear()


def run(connection: socket.socket, listener: socket.socket) -> NoReturn:
    """Serve the session of this launcher, and exit with the exit code of its server."""
    code: int = ExitCode.INTERNAL
    try:
        listener.close()
        # Make a separate process group, because the end of the fork server's group must not end the session.
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        request = _receive(connection)
        _take_over(connection, request)
        code = _run_command(connection, request)
        with suppress(OSError):
            connection.sendall(bytes([code]))
    except Refused as reason:
        print(f"a launcher starts a server itself: {reason}", flush=True)
    except OSError as error:
        print(f"a launcher has gone: {error}", flush=True)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def peer_uid(connection: socket.socket) -> int:
    """Return the user of the process at the other end of the socket."""
    return _peer(connection)[1]


def _peer(connection: socket.socket) -> tuple[int, int]:
    """Return the pid and the user of the process at the other end of the socket. The pid is 0 if the system does not
    report it.
    """
    if sys.platform == "linux":
        pid, uid, _ = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return pid, uid
    # SOL_LOCAL, LOCAL_PEERCRED
    return 0, struct.unpack_from("II", connection.getsockopt(0, 1, 76))[1]


def _receive(connection: socket.socket) -> LaunchRequest:
    """Return the request of the launcher. Raise Refused unless it is complete and valid."""
    ends = time.monotonic() + _TIMEOUT_SECONDS
    connection.settimeout(_TIMEOUT_SECONDS)
    size, descriptors, _, _ = socket.recv_fds(connection, 8, 3)
    left = int.from_bytes(size, "big")
    if len(size) < 8 or len(descriptors) < 3 or left > _MAX_REQUEST_BYTES:
        raise Refused("its request is incomplete")
    received = bytearray()
    while len(received) < left:
        connection.settimeout(max(0.001, ends - time.monotonic()))
        chunk = connection.recv(left - len(received))
        if not chunk:
            raise Refused("its request is incomplete")
        received += chunk
    return parse_request(bytes(received), tuple(descriptors))


def parse_request(received: bytes, descriptors: tuple[int, ...]) -> LaunchRequest:
    """Return the request in these bytes. Raise Refused unless it is valid."""
    try:
        protocol, *parts = received.split(b"\0")
        if protocol != _PROTOCOL:
            raise Refused(f"it speaks protocol {protocol!r}, and not {_PROTOCOL!r}")
        installation, directory, claude, count, *rest = map(os.fsdecode, parts)
        words, variables = rest[: int(count)], rest[int(count) :]
        environment = dict(variable.split("=", 1) for variable in variables)
        return LaunchRequest(installation, directory, int(claude), tuple(words), environment, descriptors)
    except ValueError as error:
        raise Refused("its request has the wrong form") from error


def _take_over(connection: socket.socket, request: LaunchRequest) -> None:
    """Take over the properties of the launcher. Raise Refused if that is impossible."""
    own = os.path.realpath(os.path.dirname(sys.executable))
    if os.path.realpath(request.installation) != own:
        raise Refused(f"it belongs to the installation in {request.installation}, and this is {own}")
    if changed := [name for name in _SAME_CODE if request.environment.get(name) != os.environ.get(name)]:
        raise Refused(f"it has another {changed[0]}")
    join_surroundings(_peer(connection)[0])
    try:
        os.chdir(request.directory)
    except OSError as error:
        raise Refused(str(error)) from error
    connection.sendall(_READY)
    if connection.recv(1) != _GO:
        raise Refused("it has given up")
    connection.settimeout(None)
    for number, descriptor in enumerate(request.descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for name in list(os.environ):
        del os.environ[name]
    os.environ.update(request.environment)
    time.tzset()
    tempfile.tempdir = None
    sys.argv = list(request.words)
    _show_command([os.path.basename(request.words[0]), *request.words[1:]])
    sys.stdin = sys.__stdin__ = _open_text(0, "r")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _open_text(1, "w")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _open_text(2, "w")  # type: ignore[misc]


def _show_command(words: Sequence[str]) -> None:
    """Replace the fork server's command in ``ps`` by this command, as far as there is room."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, end = int(fields[45]), int(fields[46])  # arg_start and arg_end, see proc(5)
        shown = b"\0".join(map(os.fsencode, words))[: end - begin - 1]
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(begin)
            memory.write(shown.ljust(end - begin, b"\0"))


def _open_text(descriptor: int, mode: str) -> io.TextIOWrapper:
    stream = open(descriptor, mode, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    assert isinstance(stream, io.TextIOWrapper)  # noqa: S101 - what open() returns for text
    return stream


def join_surroundings(launcher: int) -> None:
    """Move to the namespaces and the control group of the launcher. So this process sees its files and processes, and
    ends with its service.

    Raise Refused if that is impossible, for example between a system service and a terminal.
    """
    if not launcher or not Path("/proc/self/ns").is_dir():
        return
    try:
        for name in _SAME_NAMESPACES:
            if os.readlink(f"/proc/{launcher}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}"):
                raise Refused(f"it has another {name} namespace")
        theirs, ours = (Path(f"/proc/{pid}/cgroup").read_text() for pid in (launcher, "self"))
    except OSError as error:
        raise Refused(f"it has ended, or cannot be inspected: {error.strerror}") from error
    if theirs == ours:
        return
    try:
        Path(f"/sys/fs/cgroup{control_group(theirs)}/cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        raise Refused(f"its control group is not accessible: {error.strerror}") from error


def control_group(lines: str) -> str:
    """Return the only control group of a process, from its /proc/PID/cgroup. Raise Refused if there are several."""
    if lines.count("\n") != 1 or not lines.startswith("0::"):
        raise Refused("it has control groups of the first version")
    return lines[3:].strip()


def _run_command(connection: socket.socket, request: LaunchRequest) -> int:
    """Run the command, and return its exit code."""
    from teamsup.cli.command_line import main

    hidden = ["--launcher", str(request.claude), str(connection.fileno())]
    try:
        code = main([request.words[1], *hidden, *request.words[2:]])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    return code & 0xFF
