"""The temporary team of a demo: start it, send it an alert, read its messages, and remove it in any case."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from teamsup.hub import Message, MessageHub, Team, TeamsupError
from teamsup.terminal.hints import installed_command

_TIMEOUT_SECONDS = 20.0
_PORT = "PORT"
"""The placeholder in a configuration for the port of monitor-bridge."""


class DemoFailed(TeamsupError):
    """The demo's team did not act as expected."""


class DemoTasks:
    """Background threads, which end before the folder is removed."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, act: Callable[[Team, float, Callable[[], bool]], None], team: Team, pause: float) -> None:
        thread = threading.Thread(target=act, args=(team, pause, self._stopping.is_set), daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_SECONDS)


class _SignalGuard:
    """Let signals end the demo, but not while it creates or removes its team."""

    def __init__(self) -> None:
        self._is_held = True
        self._received = 0
        ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._previous_handlers = {number: signal.signal(number, self._on_signal) for number in ends}

    def _on_signal(self, number: int, _: object) -> None:
        self._received = number
        if not self._is_held:
            self._exit()

    def _exit(self) -> None:
        self._is_held = True
        if self._received == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + self._received)

    def hold(self) -> None:
        self._is_held = True

    def release(self) -> None:
        """Let signals end the demo from now on. A signal that arrived earlier ends the demo now."""
        self._is_held = False
        if self._received:
            self._exit()

    def restore(self) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def temporary_team(configuration: str) -> Iterator[tuple[Team, int, DemoTasks]]:
    """Start a temporary team. Stop and remove it in any case. Yield it with its port for Alertmanager.

    The port replaces the word PORT in its configuration.
    """
    interruptions, besides = _SignalGuard(), DemoTasks()
    folder: Path | None = None
    supervisor: subprocess.Popen[bytes] | None = None
    try:
        try:
            folder = Path(tempfile.mkdtemp(prefix="teamsup-demo-"))
            team, port, log = Team("demo", folder / "demo"), _free_port(), folder / "log"
            supervisor = _start_supervisor(team, configuration.replace(_PORT, str(port)), log)
        except OSError as error:
            parent = tempfile.gettempdir()
            raise DemoFailed(f"The demo has no place for its team in {parent}: {error.strerror}.") from error
        interruptions.release()
        wait_until(lambda: _is_listening(port) or supervisor.poll() is not None, "its team did not start")
        if supervisor.poll() is not None:
            raise DemoFailed(f"The demo's team did not start: {log.read_text('utf-8', 'replace').strip()[-500:]}")
        yield team, port, besides
    finally:
        interruptions.hold()
        besides.stop()
        if supervisor is not None and supervisor.poll() is None:
            supervisor.terminate()
            try:
                supervisor.wait(30)
            except subprocess.TimeoutExpired:
                # The workers end when the supervisor is gone.
                supervisor.kill()
                supervisor.wait()
        if folder is not None:
            shutil.rmtree(Team("demo", folder / "demo").run, ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)
        interruptions.restore()


def _start_supervisor(team: Team, configuration: str, log: Path) -> subprocess.Popen[bytes]:
    team.create()
    team.configuration.write_text(configuration, encoding="utf-8")
    with log.open("wb") as output:
        return subprocess.Popen([*installed_command(), "start"], stdout=output, stderr=output, env=_environment(team))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    ends = time.monotonic() + _TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > ends:
            raise DemoFailed(f"The demo failed: {otherwise} in {_TIMEOUT_SECONDS:.0f} s.")
        time.sleep(0.02)


def post_alert(port: int, labels: Mapping[str, str], summary: str, began: datetime, ended: datetime | None) -> None:
    """Send the alert in the form of Alertmanager. ``ended`` is the time when its problem ended."""
    import urllib.error  # too slow for --help
    import urllib.request

    status = "firing" if ended is None else "resolved"
    alert = {
        "status": status,
        "labels": labels,
        "annotations": {"summary": summary},
        "startsAt": began.isoformat(),
        "endsAt": "0001-01-01T00:00:00Z" if ended is None else ended.isoformat(),
        "fingerprint": "d3m0",
        "generatorURL": "",
    }
    group = {"version": "4", "status": status, "receiver": "teamsup", "groupKey": "{}:{}", "alerts": [alert]}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/prometheus", json.dumps(group).encode())
    # The request stays on this machine, so a proxy of the environment must not get it.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=_TIMEOUT_SECONDS):
            pass
    except urllib.error.URLError as error:
        raise DemoFailed(f"The demo's team did not accept the alert: {error.reason}.") from error


def wait_for_message(you: MessageHub, words: str) -> Message:
    """Return the next message with these words."""
    for delivery in you.listen(_TIMEOUT_SECONDS):
        you.acknowledge(delivery)
        if words in delivery.message.content:
            return delivery.message
    raise DemoFailed(f"The demo's team sent no message with {words!r} in {_TIMEOUT_SECONDS:.0f} s.")


def run_teamsup(team: Team, *words: str) -> str:
    """Return the output of a command on this team."""
    command = [*installed_command(), *words]
    ran = subprocess.run(
        command, env=_environment(team), capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
    )
    return (ran.stdout or ran.stderr).rstrip()


def _environment(team: Team) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    return {**kept, "TEAMSUP_HOME": str(team.folder.parent), "TEAMSUP_TEAM": team.name}
