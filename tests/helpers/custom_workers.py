"""Workers of the user's own in teamsup.toml, and what the team shows of them."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from helpers.support import TeamsupCommand, eventually
from teamsup.hub.engines.marked_processes import TAG_VARIABLE, marked_processes

SLEEP_CODE = "import time; time.sleep(1000)"
HEARTBEAT_CODE = """
import os, time
from contextlib import suppress
from teamsup.hub import MessageHub, StoreError
hub = MessageHub(agent=os.environ["WHO"])
while True:
    with suppress(StoreError):
        hub.heartbeat(pid=os.getpid())
    time.sleep(float(os.environ["TEAMSUP_HEARTBEAT_SECONDS"]) / 4)
"""

HOLD_LOCK_CODE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


def worker_section(name: str, code: str = SLEEP_CODE, **options: object) -> str:
    """A section of teamsup.toml for a worker that runs this Python code."""
    command = json.dumps([sys.executable, "-c", code])
    if "heartbeat_seconds" not in options:
        options.setdefault("start_seconds", 0.1)
    lines = [f"{key} = {json.dumps(value)}" for key, value in options.items()]
    return "\n".join([f"[worker.{name}]", f"command = {command}", *lines, ""])


def heartbeat_worker_section(name: str, code: str = HEARTBEAT_CODE, **options: object) -> str:
    return worker_section(name, code, heartbeat_seconds=2, **options) + f'environment = {{ WHO = "{name}" }}\n'


def ps_row(teamsup: TeamsupCommand, name: str) -> dict[str, Any]:
    return teamsup.ps()[name]


def wait_for_state(teamsup: TeamsupCommand, name: str, state: str) -> dict[str, Any]:
    """The worker's row, once it is in that state."""

    def look() -> dict[str, Any] | None:
        found = teamsup.ps().get(name)
        return found if found is not None and found["state"] == state else None

    return eventually(look, f"{name} is {state}")


def wait_for_log_line(teamsup: TeamsupCommand, text: str) -> str:
    """The first line of the supervisor's log with that text, once it is there."""

    def look() -> str | None:
        return next((line for line in teamsup.log("supervisor").splitlines() if text in line), None)

    return eventually(look, f"the supervisor says {text!r}")


def tagged_processes(mark: str) -> list[psutil.Process]:
    """The processes that come from a worker whose mark contains this."""
    return [process for process, found in marked_processes(TAG_VARIABLE) if mark in found]


@contextlib.contextmanager
def hold_write_lock(database: Path) -> Iterator[int]:
    """The pid of a foreign process that holds the write lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK_CODE, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.communicate()
