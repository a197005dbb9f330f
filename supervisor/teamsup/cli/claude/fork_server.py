"""The fork server: it has loaded the MCP server, and forks a process for each new session.

A separate start of the MCP server would need half a second for imports. A launcher (deploy/claude/launcher.py)
connects, and passes its descriptors, environment and folder to the forked process. The fork server itself does not read
requests, open a hub or start a thread. So it cannot hang, and a fork does not copy anything that only one process may
use.
"""

import argparse
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from teamsup.hub import Team

from . import forked_session

SOCKET_NAME = "fork-server"
"""The name of the socket in the team's run/ folder. deploy/claude/launcher.py uses the same name."""
_CHECK_SECONDS = 5.0
_PROGRAM_SECONDS = 60.0
"""Seconds between two checks of the program's files, which are hundreds. Each launcher also causes a check."""
_BACKLOG = 64

FileStamp = tuple[int, int, int] | None


class ForkServer:
    """Listen for launchers, and fork a process for each, until the supervisor ends or the program on disk changes."""

    def __init__(self, team: Team) -> None:
        self._path = team.run / SOCKET_NAME
        self.supervisor = os.getppid()
        self._listener = _listen(self._path)
        self._socket_stamp = _read_stamp(self._path)
        self._files = ProgramFiles()
        self._program = self._files.read_stamps()
        self._look_at = time.monotonic() + _PROGRAM_SECONDS

    def serve(self) -> None:
        """Serve launchers. Return when this process must be replaced, or is no longer needed."""
        # The system reaps our forked processes, because nobody reads their exit codes.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        found, check_at = self._program, time.monotonic() + _CHECK_SECONDS
        while os.getppid() == self.supervisor:
            with suppress(TimeoutError):
                self._accept()
            if time.monotonic() < check_at:
                continue
            check_at = time.monotonic() + _CHECK_SECONDS
            if time.monotonic() >= self._look_at:
                before, found = found, self._files.read_stamps()
                # Do not start in the middle of an installation.
                if found != self._program and found == before:
                    print("the program has changed, and is loaded again", flush=True)
                    return
                self._look_at = time.monotonic() + (_PROGRAM_SECONDS if found == self._program else _CHECK_SECONDS)
            # While the team's folder is away there is nowhere to listen.
            if self._path.parent.is_dir() and _read_stamp(self._path) != self._socket_stamp:
                # The socket was removed or replaced, so no launcher finds this server.
                return

    def close(self) -> None:
        self._listener.close()
        with suppress(OSError):
            self._path.unlink()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except TimeoutError:
            raise
        except OSError as error:
            # The process may have no descriptor left, for example. The launcher waits, and then starts a server itself.
            print(f"cannot accept a launcher: {error}", flush=True)
            time.sleep(1.0)
            return
        with connection:
            # A launcher without an answer starts a server itself, too.
            if forked_session.peer_uid(connection) != os.getuid():
                return
            if self._files.read_stamps() != self._program:
                self._look_at = 0.0
                return
            try:
                pid = os.fork()
            except OSError as error:
                print(f"cannot fork: {error}", flush=True)
                return
            if pid == 0:
                forked_session.run(connection, self._listener)


class ProgramFiles:
    """The files of this program, and the folders into which packages are installed."""

    def __init__(self) -> None:
        files = {str(file) for module in sys.modules.values() if (file := getattr(module, "__file__", None))}
        folders = {folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")}
        # Keep one text instead of hundreds: reference counts would change in each, which copies pages that sessions
        # share.
        self._paths = "\0".join({*files, *folders, sys.executable})

    def read_stamps(self) -> int:
        """Return a number that changes whenever one of these files changes."""
        return hash(tuple(map(_read_stamp, self._paths.split("\0"))))


def _read_stamp(path: str | Path) -> FileStamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    path.unlink(missing_ok=True)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(_BACKLOG)
    listener.settimeout(_CHECK_SECONDS)
    return listener


def _remove_on_sigterm(path: Path) -> None:
    """Let SIGTERM remove the socket, even if a killed predecessor left it. In a forked process SIGTERM only ends the
    process.
    """
    pid = os.getpid()

    def end(number: int, _: object) -> None:
        if os.getpid() == pid:
            path.unlink(missing_ok=True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--team", required=True)
    team = Team.named(parser.parse_args(argv).team)
    _remove_on_sigterm(team.run / SOCKET_NAME)
    # The objects loaded now are never garbage. A collection would only copy the pages that all sessions share.
    gc.disable()
    forked_session.load()
    server = ForkServer(team)
    gc.freeze()
    server.serve()
    server.close()
    if os.getppid() == server.supervisor:
        # Keep the same process, so that the supervisor sees no crash.
        os.execv(sys.executable, [sys.executable, "-m", "teamsup.cli.claude.fork_server", "--team", team.name])  # noqa: S606
    return 0


if __name__ == "__main__":
    sys.exit(main())
