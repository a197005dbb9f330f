"""Let the team's fork server, which has loaded the MCP server, serve a session; otherwise run the given command.

    launcher.py teamsup mcp --agent lead

It passes its input, output and error output to a process that the fork server has forked for it. Then it only waits,
because Claude Code knows this process. It passes signals and its end on to the forked process, and returns that
process's exit code. If no fork server takes the session over in time, it becomes the given command.
"""

from __future__ import annotations

import _signal  # importing `signal` or `socket` takes as long as all the rest of this program
import _socket
import os
import sys
import time

_PROTOCOL = b"1"
_TIMEOUT_SECONDS = 5.0
_CHECK_SECONDS = 0.5
_TRIED_VARIABLE = "TEAMSUP_FORK_SERVER"
"""Set to "off" where no fork server is wanted, or one has been tried already."""
_SOCKET_NAME = "fork-server"
_LONGEST_FOLDER = 61
"""Bytes of a team's run/ folder; a longer one is elsewhere, as the address of a socket has to be short."""
_READY, _GO = b"r", b"g"
_KILLED = 137
_SIGNALS = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP)


def find_socket(words: list[str]) -> str | None:
    """Where the fork server of that team listens; None if the team's name is not one."""
    name = _option(words, "--team")
    name = (os.environ.get("TEAMSUP_TEAM") or "default" if name is None else name).strip().lower()
    if not name or not set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.-") or name[0] in "_.-":
        return None
    home = os.path.expanduser(os.environ.get("TEAMSUP_HOME") or "~/.claude/teams")
    folder = os.path.join(os.getcwd(), home, name)
    run = os.path.join(folder, "run")
    if len(os.fsencode(run)) > _LONGEST_FOLDER:
        import hashlib  # few have such a path
        import tempfile

        name = f"teamsup-{os.getuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
        run = os.path.join(tempfile.gettempdir(), name)
        if len(os.fsencode(run)) > _LONGEST_FOLDER:
            run = os.path.join("/tmp", name)  # noqa: S108 - both sides check whose it is
    return os.path.join(run, _SOCKET_NAME)


def find_program(program: str) -> str:
    """The folder of the program that the command runs. Raises OSError when there is none."""
    folders = [""] if "/" in program else os.environ.get("PATH", os.defpath).split(":")
    for folder in folders:
        file = os.path.join(folder, program)
        if os.access(file, os.X_OK) and os.path.isfile(file):
            return os.path.dirname(os.path.realpath(file))
    raise OSError(f"there is no {program}")


def hand_over(words: list[str], installation: str) -> _socket.socket | None:
    """Pass this process's streams to a forked server. Return the connection to it, or None if no server took them.

    ``installation`` is the folder of the program that ``words`` run.
    """
    connection = None
    try:
        # Where a stream is closed, Python has given its number to some file of its own.
        is_whole = None not in (sys.stdin, sys.stdout, sys.stderr)
        path = find_socket(words) if is_whole and os.environ.get(_TRIED_VARIABLE) != "off" else None
        if path is None:
            return None
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        ends = time.monotonic() + _TIMEOUT_SECONDS
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(path)
        if peer_uid(connection) != os.getuid():
            raise OSError("another user listens there")
        given = b"\0".join(_request(words, installation))
        descriptors = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)]
        connection.sendmsg([len(given).to_bytes(8, "big")], rights)
        connection.sendall(given)
        connection.settimeout(max(0.001, ends - time.monotonic()))
        if connection.recv(1) != _READY:
            raise OSError("refused")
        # Only from here on it may read our input. Had we given up before, it would have met the end of the connection.
        connection.sendall(_GO)
    except (OSError, ValueError):
        if connection is not None:
            connection.close()
        return None
    return connection


def wait_for_end(connection: _socket.socket) -> int:
    """Pass on signals until the server, or the process that has started us, ends; the exit code."""
    parent = os.getppid()

    def pass_on(number: int, _: object) -> None:
        try:  # noqa: SIM105
            connection.send(bytes([number]))
        except OSError:
            pass  # it ends already

    for number in _SIGNALS:
        _signal.signal(number, pass_on)
    # Only the server may hold our input and output, because Claude Code waits for the end of the output.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    connection.settimeout(_CHECK_SECONDS)
    said = None
    while said is None:
        try:
            said = connection.recv(1)
        except _socket.timeout:  # the one name before Python 3.10
            if os.getppid() != parent:
                # Our end is the server's: another process may keep its input open.
                return 0
        except OSError:
            said = b""
    if said:
        return said[0]
    os.write(2, b"teamsup: The server of this session was killed.\n")
    return _KILLED


def peer_uid(connection: _socket.socket) -> int:
    """Whose process is at the other end."""
    if hasattr(_socket, "SO_PEERCRED"):
        credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    else:
        credentials = connection.getsockopt(0, 1, 76)  # macOS: SOL_LOCAL, LOCAL_PEERCRED
    return int.from_bytes(credentials[4:8], sys.byteorder)


def _request(words: list[str], installation: str) -> list[bytes]:
    numbers = (os.getppid(), len(words))
    environment = [name + b"=" + value for name, value in os.environb.items()]
    parts = [installation, os.getcwd(), *map(str, numbers), *words]
    return [_PROTOCOL, *map(os.fsencode, parts), *environment]


def _option(words: list[str], name: str) -> str | None:
    for word, following in zip(words, [*words[1:], ""]):  # noqa: B905
        if word == name:
            return following
        if word.startswith(name + "="):
            return word[len(name) + 1 :]
    return None


def main(words: list[str]) -> int:
    try:
        installation = find_program(words[0])
    except OSError:
        installation = ""
    connection = hand_over(words, installation) if installation and words[1:2] == ["mcp"] else None
    if connection is not None:
        return wait_for_end(connection)
    try:
        os.execvpe(words[0], words, {**os.environ, _TRIED_VARIABLE: "off"})  # noqa: S606
    except OSError as error:
        os.write(2, f"{words[0]}: {error.strerror}\n".encode(errors="replace"))
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
