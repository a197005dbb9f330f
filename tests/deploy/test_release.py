"""What is published: a wheel with everything that a team needs, and an sdist that gives the same wheel."""

import importlib.util
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand
from helpers.wheel_environment import build, install, make_environment

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not importlib.util.find_spec("hatchling"), reason="hatchling is not installed"),
]


def test_the_sdist_gives_the_wheel_of_the_checkout_and_the_wheel_alone_runs_a_team(
    teamsup: TeamsupCommand, tmp_path: Path
) -> None:
    of_checkout = build(ROOT, tmp_path / "wheel")
    with tarfile.open(build(ROOT, tmp_path / "sdist", "sdist")) as sdist:
        sdist.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    wheel = build(source, tmp_path / "again")
    assert names_in(wheel) == names_in(of_checkout)

    python = make_environment(tmp_path / "clean")
    install(python, wheel)
    assert (tmp_path / "clean" / "share" / "man" / "man1" / "teamsup.1").is_file()

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [str(python.with_name("teamsup")), *words]
        return subprocess.run(
            command, env=teamsup.environment, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
        )

    teamsup.configure("[worker.user_comm]\n")
    started = run("start", "--detach")
    try:
        assert started.returncode == 0, started.stderr
        assert run("ps", "user_comm").stdout.splitlines()[1].split()[1] == "RUNNING"
        assert run("chat", "--once", "Hello").stdout == "Hi there! 👋\n"
    finally:
        run("stop")
    project = tmp_path / "project"
    project.mkdir()
    joined = run("init", "--claude", "--project", str(project))
    assert joined.returncode == 0, joined.stderr
    assert "teamsup" in (project / ".claude" / "settings.local.json").read_text()
    assert run("docs", "monitoring").stdout == (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    assert set(run("docs").stdout.split()) >= {"README", "CHANGELOG", "guides", "decisions/README"}
    assert str(tmp_path / "clean") in run("docs", "--path", "README").stdout
    unit = run("service", "install", "--user", "--dry-run")
    assert "ExecStart=" in unit.stdout, unit.stderr


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as file:
        return {name for name in file.namelist() if not name.endswith(os.sep)}
