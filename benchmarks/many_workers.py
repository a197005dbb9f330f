"""A team of very many workers: how long it takes to come up and to end, and how long the event loop is held up."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from teamsup.hub import Team
from teamsup.status.process_state import State
from teamsup.status.state_file import read_state

WORKERS = 500
MOST_SECONDS = 5.0
LONGEST_SILENCE = 0.5
LIMIT = 60.0
_ALIVE_SECONDS = 0.02


class Ear:
    """Stands where systemd would, and hears the event loop say that it lives."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(_ALIVE_SECONDS)
        self.longest = 0.0
        self._last: float | None = None

    def listen_until(self, condition: Callable[[], bool]) -> float:
        """Seconds until the condition holds; ``longest`` is the longest time without a word in between."""
        begun = time.monotonic()
        while not condition():
            if time.monotonic() - begun > LIMIT:
                raise TimeoutError
            try:
                heard = b"WATCHDOG=1" in self._socket.recv(65536)
            except TimeoutError:
                continue
            if heard:
                now = time.monotonic()
                self.longest, self._last = max(self.longest, now - (self._last or now)), now
        return time.monotonic() - begun


def run() -> int:
    with tempfile.TemporaryDirectory() as name:
        team = Team("bench", Path(name) / "bench")
        team.folder.mkdir(mode=0o700)
        sections = [
            f"[worker.{own}]\nautostart = false"
            for own in ("gateway", "user_comm", "monitor-bridge", "agent-runner", "web")
        ]
        command = json.dumps(["sleep", "1000000"])
        sections += [f"[worker.w{number}]\ncommand = {command}" for number in range(WORKERS)]
        team.configuration.write_text("\n".join(sections))
        ear = Ear(Path(name) / "notify")
        environment = {
            **os.environ,
            "TEAMSUP_HOME": name,
            "NOTIFY_SOCKET": str(Path(name) / "notify"),
            "WATCHDOG_USEC": str(int(3 * _ALIVE_SECONDS * 1e6)),
        }

        def are_up() -> bool:
            state = read_state(team)
            return state is not None and sum(each.state == State.RUNNING for each in state.workers) == WORKERS

        with subprocess.Popen(
            [sys.executable, "-m", "teamsup.cli", "start", "--team", "bench"],
            env=environment,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                up = ear.listen_until(are_up)
                held_up, ear.longest = ear.longest, 0.0
                process.send_signal(signal.SIGTERM)
                down = ear.listen_until(lambda: process.poll() is not None)
            finally:
                process.kill()
    print(
        f"{WORKERS} workers that sleep, and count as started after one second: up in {up:.2f} s, down in {down:.2f} s"
    )
    print(f"longest time without an answer of the event loop: {held_up:.2f} s coming up, {ear.longest:.2f} s ending")
    return int(max(up, down) > MOST_SECONDS or max(held_up, ear.longest) > LONGEST_SILENCE)


if __name__ == "__main__":
    sys.exit(run())
