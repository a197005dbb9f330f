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
_FINDING = "A backup has been running on web-01 since 02:00 and uses all of its CPU. It ends in about ten minutes."


class DemoFailed(TeamsupError):
    """The demo's own team did not do what it shows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "See an alert arrive, an agent look into it, and it end: offline, in a temporary team, in less than a minute."
    )
    parser.add_argument("--quick", action="store_true", help="without pauses for reading")


def run(arguments: argparse.Namespace) -> int:
    pause = 0.0 if arguments.quick else _READING_SECONDS
    _say("", "A team of its own in a temporary folder. Nothing leaves this machine, and nothing of it is left.")
    with _team() as (team, port):
        _show(team, port, pause)
    _say("", "The team has ended and its folder is gone. Yours: teamsup start, then docs/monitoring.md.")
    return 0


def _show(team: Team, port: int, pause: float) -> None:
    agent = threading.Thread(target=_be_agent, args=(team, pause), daemon=True)
    with console(team, _YOU) as you:
        agent.start()
        _wait_until(lambda: _is_here(you), f"{_AGENT} did not come")
        began = datetime.now(UTC)
        _say("Alertmanager", "HighCPU is firing: web-01 is at 99 % (critical)")
        _post(port, began, None)
        _say("you hear", _heard(you, "on incident").content)
        time.sleep(pause)
        _enter("you>", "/ack 1", pause)
        you.send("user_comm", "/ack 1")
        _say("you hear", _heard(you, "takes care").content)
        time.sleep(pause)
        _say("$ teamsup alerts", "")
        _teamsup(team, "alerts")
        time.sleep(pause)
        _say("Alertmanager", "HighCPU is resolved")
        _post(port, began, datetime.now(UTC))
        _say("you hear", _heard(you, "Resolved").content)


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
                _say(f"{_AGENT} reads", delivery.message.content)
                time.sleep(pause)
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
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE):  # noqa: S310 - an address of ours
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


def _enter(prompt: str, words: str, pause: float) -> None:
    """Let the person press Enter, if there is one; or go on by itself."""
    if pause and sys.stdin.isatty() and sys.stdout.isatty():
        print(f"{prompt:>20} {words}    (press Enter to take care of it)", end="", flush=True)
        if select.select([sys.stdin], [], [], _ENTER_SECONDS)[0]:
            sys.stdin.readline()
        else:
            print()
    else:
        _say(prompt, words)


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


def _teamsup(team: Team, *words: str) -> None:
    sys.stdout.flush()
    subprocess.run([*installed_command(), *words], env=_environment(team), timeout=_PATIENCE, check=False)


def _environment(team: Team) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    return {**kept, "TEAMSUP_HOME": str(team.folder.parent), "TEAMSUP_TEAM": team.name}


def _say(who: str, text: str) -> None:
    lines = printable(text).split("\n")
    print(
        "\n".join(f"{who if not number else '':>20} {line}".rstrip() for number, line in enumerate(lines)), flush=True
    )
