"""Nothing of ours makes Python warn: no file is left open, nothing that is to go away is used."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.support import TeamsupCommand

ROOT = Path(__file__).parents[1]
SESSION = """
import asyncio, sys
from pathlib import Path
from teamsup.hub import MessageHub, Team

with MessageHub(Team("default", Path(sys.argv[1]) / "default"), agent="lead") as hub:
    hub.register()
    hub.start_watcher()
    hub.send("lead", "hi", metadata={"n": 1})
    for delivery in hub.listen(0.01):
        hub.acknowledge(delivery)
    asyncio.run(hub.wait_async(0.01))
    hub.broadcast("all"), hub.queries.search("hi"), hub.queries.stats(), hub.agents()
    hub.maintenance.check_integrity(), hub.maintenance.prune(keep=1)
    hub.maintenance.backup(Path(sys.argv[1]) / "copy.db")
"""


def test_a_connection_to_sqlite_is_closed_after_its_with_block() -> None:
    """``with connect()`` ends a transaction and closes nothing. Python warns of that since 3.13 only."""
    open_ones = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("hub", "supervisor", "workers", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(r"(with|,) sqlite3\.connect\(", line)
    ]
    assert open_ones == []


def test_a_team_that_is_started_and_stopped_warns_of_nothing(tmp_path: Path) -> None:
    command = TeamsupCommand(tmp_path)
    command.configure("")

    told = [
        subprocess.run(
            [sys.executable, "-W", "error", *command.line(*words)[1:]],
            capture_output=True,
            text=True,
            env=command.environment,
            timeout=60,
            check=False,
        ).stderr
        for words in (["start", "--detach"], ["stop"])
    ]

    assert told == ["", ""]


@pytest.mark.parametrize(
    "words",
    [["-c", SESSION], ["-m", "teamsup.cli", "--help"], ["-m", "teamsup.cli", "ps"]],
    ids=["a session", "--help", "ps"],
)
def test_python_has_nothing_to_warn_of(tmp_path: Path, words: list[str]) -> None:
    command = TeamsupCommand(tmp_path)
    command.configure("")

    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", *words, *([str(tmp_path)] if words[0] == "-c" else [])],
        capture_output=True,
        text=True,
        env=command.environment,
        timeout=60,
        check=False,
    )

    told = [line for line in done.stderr.splitlines() if "is not running" not in line]
    assert told == []
    assert done.returncode in (0, 3)
