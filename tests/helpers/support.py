"""What the tests share: the real command in a home of its own, and waiting for conditions."""

import contextlib
import http.server
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from helpers.command_server import command_server
from helpers.postgres_server import run_sql_on_server
from teamsup.config.components import installed_components
from teamsup.hub import Team
from teamsup.hub.engines.choice import ADDRESS_VARIABLE, find_address
from teamsup.hub.engines.sqlite.migrations import SCHEMA_VERSION
from teamsup.status.team_status import read_team_status

T = TypeVar("T")
TIMEOUT_SECONDS = 45.0
"""How long a test waits. Shorter than a lease: what only the end of one gives back must not pass for what came."""
FORK_SERVER, WEB = "fork-server", "web"


def eventually(condition: Callable[[], T | None], what: str) -> T:
    """The first true value of the condition; fails when none comes."""
    begin = began = time.monotonic()
    while not (value := condition()):
        now = time.monotonic()
        assert now < begin + TIMEOUT_SECONDS, f"not within {TIMEOUT_SECONDS:.0f} s: {what}"
        # What costs much to look at must not slow down what it waits for.
        time.sleep(max(0.01, now - began))
        began = time.monotonic()
    return value


@dataclass(frozen=True)
class TeamsupCommand:
    """``teamsup`` as a person runs it, in a home that nobody else uses."""

    home: Path
    team_name: str = "default"

    @property
    def team(self) -> Team:
        return Team(self.team_name, self.home / self.team_name)

    def configure(self, toml: str) -> None:
        """A teamsup.toml with these workers and none of those that come with teamsup."""
        names = [name for name in installed_components() if f"[worker.{name}]" not in toml]
        quiet = "".join(f"[worker.{name}]\nautostart = false\n" for name in names)
        self.team.folder.mkdir(parents=True, exist_ok=True)
        self.team.configuration.write_text(quiet + toml)

    @property
    def environment(self) -> dict[str, str]:
        return {**clean_environment(), "TEAMSUP_HOME": str(self.home)}

    @staticmethod
    def line(*words: str) -> list[str]:
        return [sys.executable, "-m", "teamsup.cli", *words]

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        if command_server().can_run(self.environment):
            return command_server().run(words, self.environment, stdin, timeout=120)
        return subprocess.run(
            self.line(*words),
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=120,
            check=False,
        )

    def open(self, *words: str, stdin: int | None = None, stdout: int = subprocess.PIPE) -> "OpenCommand":
        return OpenCommand(
            self.line(*words), stdin=stdin, stdout=stdout, stderr=subprocess.STDOUT, text=True, env=self.environment
        )

    def ps(self) -> dict[str, dict[str, Any]]:
        """What ``ps --json`` says of each participant, by name; without a process, because it is asked often."""
        rows = json.loads(json.dumps([asdict(row) for row in read_team_status(self.team).rows]))
        return {row["name"]: row for row in rows}

    def log(self, name: str) -> str:
        """The log of this worker or of the supervisor: each line with its time."""
        path = self.team.logs / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""


class OpenCommand(subprocess.Popen[str]):
    """A command that runs beside the test. A test that fails ends it, else the test would wait for it without end."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self.poll() is None:
            self.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(TIMEOUT_SECONDS)
            self.kill()
        super().__exit__(kind, error, trace)


def clean_environment() -> dict[str, str]:
    """Ours, without what says who we are: the tests may run in a session of a team themselves."""
    return {
        key: value
        for key, value in os.environ.items()
        if key == ADDRESS_VARIABLE  # a fixture has set it
        or (key not in ("DISCORD_TOKEN", "CLAUDECODE", "CLAUDE_PID") and not key.startswith("TEAMSUP"))
    }


@contextlib.contextmanager
def serve_http(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address on loopback of a server that answers so."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def count_listeners(team: Team, agent: str) -> int:
    """How many wait for messages to that agent now."""
    return len(list(team.run.glob(f"{agent}@*")))


def is_team_ready(teamsup: TeamsupCommand) -> bool:
    """Whether all run that people wait for: the fork server starts after them, and few tests look at the page."""
    states = {name: row["state"] for name, row in teamsup.ps().items() if name not in (FORK_SERVER, WEB)}
    return states == {
        "supervisor": "RUNNING",
        "user_comm": "RUNNING",
        "monitor-bridge": "RUNNING",
        "gateway": "not configured",
        "agent-runner": "not configured",
    }


def run_foreign_sql(team: Team, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Run one statement as a program does that knows nothing of teamsup."""
    if (address := find_address(team)) is not None:
        return run_sql_on_server(address, sql, *values)
    with contextlib.closing(sqlite3.connect(team.database, timeout=10)) as db, db:
        return db.execute(sql, values).fetchall()


def migrate_further(team: Team) -> None:
    """Change the tables as the next version of teamsup may, while programs of this one have them open."""
    with contextlib.closing(sqlite3.connect(team.database, timeout=10, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ALTER TABLE agent_status RENAME COLUMN is_watched TO is_observed")
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
        db.execute("COMMIT")


def round_ages(text: str) -> str:
    """The text, with every age below a minute as "just now": a busy machine needs some seconds for a look."""
    return re.sub(r"\b\d+s ago", "just now", text)


def refusal_of(result: subprocess.CompletedProcess[str]) -> str:
    """The one sentence with which a command refused; fails when there was more, or a traceback."""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("teamsup: "), result.stderr
    assert result.stdout == ""
    return lines[0]
