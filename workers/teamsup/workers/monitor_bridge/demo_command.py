"""``teamsup demo``: one alert from its first news to its end, in a team of its own that leaves nothing behind."""

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
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from teamsup.hub import Message, MessageHub, Team, TeamsupError
from teamsup.hub.command_line import installed_command
from teamsup.hub.console import console
from teamsup.hub.wording import printable

_PATIENCE = 20.0
_READING_SECONDS = 1.5
_ENTER_SECONDS = 10.0
_AGENT = "alert-manager"
_YOU = "console-you"
_INDENT = "    "
_FINDING = "A backup has been running on web-01 since 02:00 and uses all of its CPU. It ends in about ten minutes."


class DemoFailed(TeamsupError):
    """The demo's own team did not do what it shows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "See an alert arrive, an agent look into it, and it end: offline, in a temporary team, in half a minute."
    )
    parser.add_argument("--quick", action="store_true", help="without pauses for reading")


def run(arguments: argparse.Namespace) -> int:
    pause = 0.0 if arguments.quick else _READING_SECONDS
    _say("One alert, from its first news to its end: in a team of its own, on this machine, of which nothing is left.")
    with _team() as (team, port):
        _show(team, port, pause)
    _say("The team has ended and its folder is gone. For alerts of your own: teamsup start, then docs/monitoring.md.")
    return 0


def _show(team: Team, port: int, pause: float) -> None:
    agent = threading.Thread(target=_be_agent, args=(team, pause), daemon=True)
    with console(team, _YOU) as you:
        agent.start()
        _wait_until(lambda: _is_here(you), f"{_AGENT} did not come")
        began = datetime.now(UTC)
        _say("1. Monitoring, here a stand-in for Prometheus Alertmanager, says:")
        _quote("HighCPU is firing: web-01 is at 99 % (critical)")
        time.sleep(pause)
        _post(port, began, None)
        found = _heard(you, "on incident")
        _say("3. It has looked, and you hear what it found (in Discord, or as here in a terminal):")
        _quote(found.content)
        time.sleep(pause)
        _say("4. You take care of it. From then on nobody is reminded:")
        _enter("/ack 1", pause)
        you.send("user_comm", "/ack 1")
        _quote(_heard(you, "takes care").content)
        time.sleep(pause)
        _say("5. Everybody can see that, at any time:")
        _quote("$ teamsup alerts\n" + _teamsup(team, "alerts"))
        time.sleep(pause)
        _say("6. Monitoring says that it is over. The incident ends by itself, and you hear:")
        _post(port, began, datetime.now(UTC))
        _quote(_heard(you, "Resolved").content)


@contextlib.contextmanager
def _team() -> Iterator[tuple[Team, int]]:
    """A team that runs, and where it hears Alertmanager. It is ended and removed whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="teamsup-demo-"))
    team = Team("demo", folder / "demo")
    ends = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda number, _: sys.exit(128 + number)) for number in ends]
    supervisor: subprocess.Popen[bytes] | None = None
    try:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        team.create()
        team.configuration.write_text(
            f'[team]\nagents = ["{_AGENT}"]\n[monitor-bridge]\nlisten = "127.0.0.1:{port}"\n'
            '[source.prometheus]\nkind = "alertmanager"\n[worker.gateway]\nautostart = false\n',
            encoding="utf-8",
        )
        log = folder / "log"
        with log.open("wb") as output:
            supervisor = subprocess.Popen(
                [*installed_command(), "start"], stdout=output, stderr=output, env=_environment(team)
            )
        _wait_until(lambda: _hears(port) or supervisor.poll() is not None, "its team did not start")
        if supervisor.poll() is not None:
            raise DemoFailed(f"The demo's team did not start: {log.read_text('utf-8', 'replace').strip()[-500:]}")
        yield team, port
    finally:
        if supervisor is not None and supervisor.poll() is None:
            supervisor.terminate()
            supervisor.wait(30)
        shutil.rmtree(team.run, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in zip(ends, before, strict=True):
            signal.signal(number, handler)


def _be_agent(team: Team, pause: float) -> None:
    """What an agent in Claude Code would do, by a script."""
    with MessageHub(team, agent=_AGENT) as hub:
        hub.register()
        for delivery in hub.listen(_PATIENCE):
            if "firing" in delivery.message.message_id:
                _say(f"2. It is incident 1 now. The agent {_AGENT}, here a script in the place of Claude Code, reads:")
                _quote(delivery.message.content)
                time.sleep(2 * pause)
                hub.reply(delivery, _FINDING)
            else:
                hub.acknowledge(delivery)


def _post(port: int, began: datetime, ended: datetime | None) -> None:
    """What Alertmanager says."""
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
    # An HTTP proxy that the environment names is for what is out there.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=_PATIENCE):
            pass
    except urllib.error.URLError as error:
        raise DemoFailed(f"The demo's team did not take the alert: {error.reason}.") from error


def _heard(you: MessageHub, words: str) -> Message:
    """The next message with these words."""
    for delivery in you.listen(_PATIENCE):
        you.acknowledge(delivery)
        if words in delivery.message.content:
            return delivery.message
    raise DemoFailed(f"The demo's team has not said {words!r} in {_PATIENCE:.0f} s.")


def _enter(words: str, pause: float) -> None:
    """Let the person press Enter, if there is one; or go on by itself."""
    if pause and sys.stdin.isatty() and sys.stdout.isatty():
        print(f"{_INDENT}you> {words}    (press Enter)", end="", flush=True)
        if select.select([sys.stdin], [], [], _ENTER_SECONDS)[0]:
            sys.stdin.readline()
        else:
            print()
    else:
        _quote(f"you> {words}")


def _is_here(hub: MessageHub) -> bool:
    agent = hub.agent_named(_AGENT)
    return agent is not None and agent.is_present(datetime.now(UTC))


def _hears(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    ends = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > ends:
            raise DemoFailed(f"The demo failed: {otherwise} in {_PATIENCE:.0f} s.")
        time.sleep(0.02)


def _teamsup(team: Team, *words: str) -> str:
    """What a command of that team prints."""
    command = [*installed_command(), *words]
    ran = subprocess.run(
        command, env=_environment(team), capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    return (ran.stdout or ran.stderr).rstrip()


def _environment(team: Team) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    return {**kept, "TEAMSUP_HOME": str(team.folder.parent), "TEAMSUP_TEAM": team.name}


def _say(text: str) -> None:
    """What happens, in words of ours."""
    print(f"\n{textwrap.fill(text, _width())}", flush=True)


def _quote(text: str) -> None:
    """What others say, as it is; long lines go on below."""
    for line in printable(text).split("\n"):
        print(textwrap.fill(line, _width(), initial_indent=_INDENT, subsequent_indent=_INDENT, tabsize=4), flush=True)


def _width() -> int:
    return max(40, min(100, shutil.get_terminal_size().columns - 1))
