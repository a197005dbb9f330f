"""monitor-bridge, with every connection taken by somebody who says nothing, and the books on what a source said.

``python -m workers.monitor_bridge.hammer 2000`` lets the source say that many alerts.
"""

import asyncio
import contextlib
import http.client
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from helpers.support import clean_environment, eventually
from teamsup.hub import MessageHub, Team

SILENT = 300
_SECRET = "open sesame, please"  # noqa: S105
_BEARER = {"Authorization": f"Bearer {_SECRET}"}
_TOML = """[monitor-bridge]
listen = "127.0.0.1:{port}"
[source.script]
secret_variable = "OUR_SECRET"
"""


@dataclass(frozen=True)
class BridgeTally:
    """What the source said and what happened to it."""

    said: int
    cut_off: int
    """How many of those who were silent had to make room or had no more time."""
    refused: int
    lost: int
    doubled: int
    slowest: float
    """Seconds until 200."""

    @property
    def balanced(self) -> bool:
        return not (self.refused or self.lost or self.doubled)


class _IdleConnections:
    """So many connections at every moment that say nothing, or begin a request and never end it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cut_off = 0

    async def crowd(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(SILENT):
                tasks.create_task(self._be_silent(b"POST /script HTTP/1.1\r\n" if number % 2 else b""))

    async def _be_silent(self, words: bytes) -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(words)
                try:
                    await reader.read()
                finally:
                    writer.close()
            self.cut_off += 1
            await asyncio.sleep(0.05)


def _post_alert(port: int, title: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", "/script", title.encode(), _BEARER)
        answer = connection.getresponse()
        answer.read()
        return answer.status


async def hammer(team: Team, alerts: int) -> BridgeTally:
    """The source says so many alerts, one after another, among the crowd."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    team.create()
    team.configuration.write_text(_TOML.format(port=port))
    environment = {**clean_environment(), "TEAMSUP_HOME": str(team.folder.parent), "OUR_SECRET": _SECRET}
    command = [sys.executable, "-m", "teamsup.workers.monitor_bridge.bridge", "--team", team.name]
    bridge = await asyncio.create_subprocess_exec(*command, env=environment, stderr=subprocess.DEVNULL)
    try:
        await asyncio.to_thread(eventually, lambda: _is_listening(port), "the listener")
        strangers = _IdleConnections(port)
        crowd = asyncio.create_task(strangers.crowd())
        await asyncio.sleep(1)
        refused, slowest = 0, 0.0
        for number in range(alerts):
            began = time.monotonic()
            refused += await asyncio.to_thread(_post_alert, port, f"alert {number}") != 200
            slowest = max(slowest, time.monotonic() - began)
        crowd.cancel()
        await asyncio.wait([crowd])
    finally:
        bridge.terminate()
        await bridge.wait()
    with MessageHub(team) as hub:
        counts = {
            row["fingerprint"]: row["count"]
            for row in hub.query("SELECT fingerprint, count FROM incidents WHERE source = 'script'")
        }
    wanted = {f"alert {number}" for number in range(alerts)}
    doubled = sum(count != 1 for count in counts.values())
    return BridgeTally(alerts, strangers.cut_off, refused, len(wanted - counts.keys()), doubled, slowest)


def _is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def main() -> None:
    alerts = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as folder:
        books = asyncio.run(hammer(Team("crowded", Path(folder) / "crowded"), alerts))
    print(books)
    sys.exit(0 if books.balanced else 1)


if __name__ == "__main__":
    main()
