"""A hook of Claude Code: passes on what it is given to the session's teamsup server, and prints the answer.

Only what every Python has, and little of that: Claude Code waits for it at every tool call. Without a server, or with
one that takes too long, it says nothing: no turn may suffer from that.
"""

import os
import socket
import stat
import sys

PATIENCE_SECONDS = 2.0


def place() -> str:
    """The socket of this Claude Code's server. Raises OSError where others could have put one there."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("TMPDIR") or "/tmp"
    folder = os.path.join(folder, "teamsup-%d" % os.getuid())
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise OSError("%s is not a folder of ours alone" % folder)
    return os.path.join(folder, "claude-%s" % (os.environ.get("CLAUDE_PID") or os.getppid()))


def main() -> None:
    given = sys.stdin.buffer.read()
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.settimeout(PATIENCE_SECONDS)
            server.connect(place())
            server.sendall(given)
            server.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := server.recv(65536):
                answer += piece
    except OSError:
        return
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main()
