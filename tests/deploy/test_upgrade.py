"""A running team survives the installation of a new version, and goes on with it."""

import importlib.util
import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from helpers.custom_workers import wait_for_state
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, run_foreign_sql
from helpers.wheel_environment import build, install, make_environment
from teamsup.hub.engines.sqlite.migrations import SCHEMA_VERSION
from teamsup.status.state_file import read_state

ROOT = Path(__file__).parents[2]
MIGRATIONS = Path("hub", "teamsup", "hub", "engines", "sqlite", "migrations.py")
CLERK = """
[worker.user_comm]
[worker.clerk]
command = [
    "{python}",
    "-c",
    '''
from teamsup.workers.worker import Worker, main
class Clerk(Worker):
    name = "clerk"
    async def handle(self, delivery):
        await self.in_thread(self.hub.reply, delivery, delivery.content)
main(Clerk)
''',
]
heartbeat_seconds = 60
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not importlib.util.find_spec("hatchling"), reason="hatchling is not installed"),
]


@pytest.fixture
def wheels(tmp_path: Path) -> tuple[Path, Path]:
    """This version, and a next one with further tables."""
    source = tmp_path / "source"
    for name in ("hub", "supervisor", "workers", "deploy", "docs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    old = build(source, tmp_path / "old")
    project = source / "pyproject.toml"
    project.write_text(re.sub(r'(?m)^version = ".*"', 'version = "99.0.0"', project.read_text("utf-8")), "utf-8")
    migrations = source / MIGRATIONS
    text = migrations.read_text("utf-8")
    changed = re.sub(r"(?s)(_SCHEMA_SCRIPTS = \(.*?)\n\)", r'\1\n    "next.sql",\n)', text, count=1)
    assert changed != text
    migrations.write_text(changed, "utf-8")
    (migrations.parent / "schema" / "next.sql").write_text("CREATE TABLE next_things (name TEXT);\n")
    return old, build(source, tmp_path / "next")


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The Python of a new environment, with what teamsup needs but without teamsup."""
    return make_environment(tmp_path / "clean")


def test_a_running_team_goes_on_with_the_new_version(
    teamsup: TeamsupCommand, wheels: tuple[Path, Path], python: Path
) -> None:
    install(python, wheels[0])
    program = str(python.with_name("teamsup"))
    teamsup.configure(CLERK.format(python=python))

    def ask(number: int) -> None:
        run_foreign_sql(
            teamsup.team,
            "INSERT INTO messages (message_id, sender, recipient, content) VALUES (?, 'cron', 'clerk', ?)",
            f"q{number}",
            str(number),
        )

    def answers() -> list[str]:
        return [row[0] for row in run_foreign_sql(teamsup.team, "SELECT content FROM messages WHERE sender = 'clerk'")]

    def wait_for_answers(count: int) -> None:
        eventually(lambda: len(answers()) >= count, f"{count} answers")

    command = [program, "start"]
    with subprocess.Popen(command, env=teamsup.environment, stdout=subprocess.DEVNULL) as supervisor:
        try:
            wait_for_state(teamsup, "clerk", "RUNNING")
            wait_for_state(teamsup, "user_comm", "RUNNING")
            install(python, wheels[1])
            ask(0)
            eventually(lambda: answers() == ["0"], "an answer of the old version")
            before = read_state(teamsup.team)
            assert before is not None

            sent = 1
            words = [program, "restart", "--rolling", "--timeout", "120"]
            with subprocess.Popen(
                words, env=teamsup.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as restart:
                while restart.poll() is None:
                    ask(sent)
                    sent += 1
                    wait_for_answers(sent - 20)
                output, _ = restart.communicate()
            assert restart.returncode == 0, output

            after = read_state(teamsup.team)
            assert after is not None
            assert after.pid == before.pid == supervisor.pid
            assert after.started_at > before.started_at
            assert "continues with the workers of its predecessor, as teamsup 99.0.0" in teamsup.log("supervisor")
            pids = [{worker.pid for worker in state.workers if worker.pid} for state in (before, after)]
            assert len(pids[1]) == 2
            assert not pids[0] & pids[1]
            with closing(sqlite3.connect(teamsup.team.database)) as db:
                assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION + 1,)
            wait_for_answers(sent)
            assert sorted(answers(), key=int) == [str(number) for number in range(sent)]
            subprocess.run([program, "stop"], env=teamsup.environment, check=True, capture_output=True)
            assert supervisor.wait(TIMEOUT_SECONDS) == os.EX_OK
        finally:
            supervisor.kill()
