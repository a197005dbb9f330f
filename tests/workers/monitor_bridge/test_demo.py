"""``teamsup demo``: one alert from its first news to its end."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support import Command, eventually


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder of its own, so that what is left there can be seen; with a name that sockets can have."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="td-") as folder:
        yield Path(folder)


def run_demo(home: Path, temporary: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        Command.line("demo", *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**Command(home).environment, "TMPDIR": str(temporary), "http_proxy": "http://127.0.0.1:1"},
    )


def test_it_shows_an_alert_until_its_end_and_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    home = tmp_path / "home"
    with run_demo(home, temporary, "--quick") as demo:
        shown, errors = demo.communicate(timeout=60)
    assert (demo.returncode, errors) == (0, "")
    steps = ("HighCPU is firing", "<alert>", "A backup has been running", "/ack 1", "takes care", "Resolved")
    places = [shown.index(step) for step in steps]
    assert places == sorted(places)
    assert "acknowledged by console-you" in shown
    assert list(temporary.iterdir()) == []
    assert not home.exists()


def test_it_leaves_nothing_when_it_is_told_to_end(tmp_path: Path, temporary: Path) -> None:
    with run_demo(tmp_path / "home", temporary) as demo:
        process = psutil.Process(demo.pid)
        eventually(lambda: len(process.children(recursive=True)) > 2, "its team runs")
        family = process.children(recursive=True)
        os.kill(demo.pid, signal.SIGTERM)
        demo.wait(40)
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert list(temporary.iterdir()) == []
