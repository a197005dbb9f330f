"""``teamsup demo``: show how an alert arrives, how an agent examines it, and how it ends."""

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import Message, MessageHub, Team, TeamsupError
from teamsup.terminal.console import open_console
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import installed_command

_TIMEOUT_SECONDS = 20.0
_PAUSE_SECONDS = 1.5
_POLL_SECONDS = 0.2
_PROMPT_SECONDS = 10.0
_AGENT = "alert-manager"
_CONSOLE = "console-you"
_INDENT = "    "
_FINDING = "A backup has been running on web-01 since 02:00 and uses all of its CPU. It ends in about ten minutes."


class DemoFailed(TeamsupError):
    """The demo's team did not do what the demo shows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show how an alert arrives, how an agent examines it, and how it ends. "
        "The demo needs ten seconds and no network. It uses a temporary team and removes it."
    )
    parser.add_argument("--quick", action="store_true", help="do not pause for reading")


def run(arguments: argparse.Namespace) -> int:
    pause = 0.0 if arguments.quick else _PAUSE_SECONDS
    _narrate("This is one alert from its first message to its end. A temporary team on this machine handles it.")
    with _temporary_team() as (team, port, besides):
        besides.start(_act_as_agent, team, pause)
        _run_story(team, port, pause)
    _narrate(
        "The team has stopped, and its folder is removed. For your own alerts run teamsup start, and read "
        "docs/monitoring.md."
    )
    return 0


def _run_story(team: Team, port: int, pause: float) -> None:
    with open_console(team, _CONSOLE) as you:
        _wait_until(lambda: _is_agent_present(you), f"{_AGENT} did not register")
        began = datetime.now(UTC)
        _narrate("1. Prometheus Alertmanager (simulated here) sends an alert:")
        _print_quoted("HighCPU is firing: web-01 is at 99 % (critical)")
        time.sleep(pause)
        _post_alert(port, began, None)
        found = _wait_for_message(you, "on incident")
        _narrate("3. The agent answers. You read its finding in Discord or, as here, in a terminal:")
        _print_quoted(found.content)
        time.sleep(pause)
        _narrate("4. You acknowledge the incident. The reminders stop:")
        _prompt("/ack 1", pause)
        you.send(USER_COMM, "/ack 1")
        _print_quoted(_wait_for_message(you, "takes care").content)
        time.sleep(pause)
        _narrate("5. Everybody can see who takes care of it:")
        _print_quoted("$ teamsup alerts\n" + _run_teamsup(team, "alerts"))
        time.sleep(pause)
        _narrate("6. Alertmanager reports the end of the problem. The incident is resolved:")
        _post_alert(port, began, datetime.now(UTC))
        _print_quoted(_wait_for_message(you, "Resolved").content)


class _BackgroundTasks:
    """Threads beside the person's part; they end before the folder is removed."""

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
        """Let signals end the demo from now on, also one that arrived meanwhile."""
        self._is_held = False
        if self._received:
            self._exit()

    def restore(self) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _temporary_team() -> Iterator[tuple[Team, int, _BackgroundTasks]]:
    """Start a temporary team; stop and remove it in any case. Yield it with its port for Alertmanager."""
    interruptions, besides = _SignalGuard(), _BackgroundTasks()
    folder: Path | None = None
    supervisor: subprocess.Popen[bytes] | None = None
    try:
        try:
            folder = Path(tempfile.mkdtemp(prefix="teamsup-demo-"))
            team, port, log = Team("demo", folder / "demo"), _free_port(), folder / "log"
            supervisor = _start_supervisor(team, port, log)
        except OSError as error:
            parent = tempfile.gettempdir()
            raise DemoFailed(f"The demo has no place for its team in {parent}: {error.strerror}.") from error
        interruptions.release()
        _wait_until(lambda: _is_listening(port) or supervisor.poll() is not None, "its team did not start")
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
                # Its workers end when the supervisor is gone.
                supervisor.kill()
                supervisor.wait()
        if folder is not None:
            shutil.rmtree(Team("demo", folder / "demo").run, ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)
        interruptions.restore()


def _start_supervisor(team: Team, port: int, log: Path) -> subprocess.Popen[bytes]:
    team.create()
    team.configuration.write_text(
        f'[team]\nagents = ["{_AGENT}"]\n[monitor-bridge]\nlisten = "127.0.0.1:{port}"\n'
        '[source.prometheus]\nkind = "alertmanager"\n[worker.gateway]\nautostart = false\n',
        encoding="utf-8",
    )
    with log.open("wb") as output:
        return subprocess.Popen([*installed_command(), "start"], stdout=output, stderr=output, env=_environment(team))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _act_as_agent(team: Team, pause: float, is_ending: Callable[[], bool]) -> None:
    """Answer the alert as an agent in Claude Code would."""
    introduction = f"2. The alert becomes incident 1. The agent {_AGENT} (here a script) reads:"
    with MessageHub(team, agent=_AGENT) as hub:
        hub.register()
        while not is_ending():
            for delivery in hub.listen(_POLL_SECONDS):
                if "firing" in delivery.message.message_id:
                    _narrate(introduction)
                    _print_quoted(delivery.message.content)
                    time.sleep(2 * pause)
                    hub.reply(delivery, _FINDING)
                else:
                    hub.acknowledge(delivery)


def _post_alert(port: int, began: datetime, ended: datetime | None) -> None:
    """Send the alert as Alertmanager would."""
    import urllib.error  # too slow for --help
    import urllib.request

    labels = {"alertname": "HighCPU", "instance": "web-01", "severity": "critical"}
    status = "firing" if ended is None else "resolved"
    alert = {
        "status": status,
        "labels": labels,
        "annotations": {"summary": "web-01 is at 99 %"},
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


def _wait_for_message(you: MessageHub, words: str) -> Message:
    """Return the next message with these words."""
    for delivery in you.listen(_TIMEOUT_SECONDS):
        you.acknowledge(delivery)
        if words in delivery.message.content:
            return delivery.message
    raise DemoFailed(f"The demo's team sent no message with {words!r} in {_TIMEOUT_SECONDS:.0f} s.")


def _prompt(words: str, pause: float) -> None:
    """Wait until the person presses Enter; without a terminal continue at once."""
    if pause and sys.stdin.isatty() and sys.stdout.isatty():
        print(f"{_INDENT}you> {words}    (press Enter)", end="", flush=True)
        if select.select([sys.stdin], [], [], _PROMPT_SECONDS)[0]:
            sys.stdin.readline()
        else:
            print()
    else:
        _print_quoted(f"you> {words}")


def _is_agent_present(hub: MessageHub) -> bool:
    agent = hub.find_agent(_AGENT)
    return agent is not None and agent.is_present(datetime.now(UTC))


def _is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    ends = time.monotonic() + _TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > ends:
            raise DemoFailed(f"The demo failed: {otherwise} in {_TIMEOUT_SECONDS:.0f} s.")
        time.sleep(0.02)


def _run_teamsup(team: Team, *words: str) -> str:
    """Return what a command of that team prints."""
    command = [*installed_command(), *words]
    ran = subprocess.run(
        command, env=_environment(team), capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
    )
    return (ran.stdout or ran.stderr).rstrip()


def _environment(team: Team) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    return {**kept, "TEAMSUP_HOME": str(team.folder.parent), "TEAMSUP_TEAM": team.name}


def _narrate(text: str) -> None:
    """Print what happens next."""
    print(f"\n{textwrap.fill(text, _width())}", flush=True)


def _print_quoted(text: str) -> None:
    """Print foreign text, indented and wrapped."""
    for line in sanitize(text).split("\n"):
        print(textwrap.fill(line, _width(), initial_indent=_INDENT, subsequent_indent=_INDENT, tabsize=4), flush=True)


def _width() -> int:
    return max(40, min(100, shutil.get_terminal_size().columns - 1))
