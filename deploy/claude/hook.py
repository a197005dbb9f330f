"""Passes the input of Claude Code's hooks to the MCP server of the session, and prints the server's answer.

Claude Code waits for it several times a turn, and it must never disturb a turn. So it imports next to nothing. If no
server answers in time, it prints nothing.
"""

from __future__ import annotations

import _socket  # importing `socket` takes as long as all the rest of this program
import os
import stat
import sys
import time

_PATIENCE_SECONDS = 2.0
_MAX_ANSWER = 2**20


def connect() -> _socket.socket:
    """Connect to the server of this Claude Code, which listens in the first of these folders that it can use.

    Raise OSError if there is none. A folder that another user could have made is not used.
    """
    environment = os.environ.get
    claude = int(environment("CLAUDE_PID") or os.getppid())
    for parent in (environment("XDG_RUNTIME_DIR"), environment("TMPDIR"), "/tmp"):  # noqa: S108
        folder = os.path.join(parent or "", f"teamsup-{os.getuid()}")
        try:
            found = os.lstat(folder) if parent else None
            if found and stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
                connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
                connection.settimeout(_PATIENCE_SECONDS)
                connection.connect(os.path.join(folder, f"claude-{claude}"))
                return connection
        except OSError:
            continue
    raise OSError("no server")


def ask(connection: _socket.socket, given: bytes) -> bytes:
    """Return the server's whole answer. Raise OSError if none comes in time."""
    patience = float(sys.argv[1]) if sys.argv[1:] else _PATIENCE_SECONDS
    ends = time.monotonic() + patience
    connection.sendall(given)
    connection.shutdown(_socket.SHUT_WR)
    answer = b""
    while len(answer) <= _MAX_ANSWER:
        connection.settimeout(max(0.001, ends - time.monotonic()))
        received = connection.recv(65536)
        if not received:
            return answer
        answer += received
    raise OSError("too long an answer")


def main() -> None:
    given = sys.stdin.buffer.read()
    answer = ask(connect(), given)
    # Claude Code would show any other text than JSON to the model.
    if answer[:1] == b"{" and answer[-1:] == b"}":
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    try:  # noqa: SIM105 - contextlib would take longer to import than this takes to run
        main()
    except Exception:  # noqa: S110 - after any error the turn goes on
        pass
