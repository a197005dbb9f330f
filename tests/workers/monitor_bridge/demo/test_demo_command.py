"""``teamsup demo``: one alert from its first news to its end."""

import argparse
import errno
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from helpers.support import TeamsupCommand, eventually
from teamsup.workers.monitor_bridge.demo import demo_command
from teamsup.workers.monitor_bridge.demo.demo_team import DemoFailed


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder of its own, so that what is left there can be seen; with a name that sockets can have."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="td-") as folder:
        yield Path(folder)


def run_demo(home: Path, temporary: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        TeamsupCommand.line("demo", *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**TeamsupCommand(home).environment, "TMPDIR": str(temporary), "http_proxy": "http://127.0.0.1:1"},
    )


def test_it_shows_an_alert_until_its_end_and_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    home = tmp_path / "home"
    with run_demo(home, temporary, "--quick") as demo:
        shown, errors = demo.communicate(timeout=60)
    assert (demo.returncode, errors) == (0, "")
    steps = ("HighCPU is firing", "<alert>", "A backup has been running", "/ack 1", "takes care", "Resolved")
    places = [shown.index(step) for step in steps]
    assert places == sorted(places)
    assert "acknowledged by ann" in shown
    assert list(temporary.iterdir()) == []
    assert not home.exists()


@pytest.mark.slow
def test_it_shows_an_alert_that_starts_an_agent_until_its_end(tmp_path: Path, temporary: Path) -> None:
    home = tmp_path / "home"
    with run_demo(home, temporary, "--agent", "--quick") as demo:
        shown, errors = demo.communicate(timeout=120)
    assert (demo.returncode, errors) == (0, "")
    # A decision has the number of its message: which messages come before it is nobody's promise.
    words = re.sub(r"/decide \d+ 1", "/decide N 1", " ".join(shown.split()))
    steps = ("QueueStuck is firing", "Restart the service", "/decide N 1", "I have restarted", "Resolved", "$0.0311")
    assert [step for step in steps if step not in words] == [], shown
    places = [words.index(step) for step in steps]
    assert places == sorted(places)
    assert list(temporary.iterdir()) == []
    assert not home.exists()


def test_it_leaves_nothing_when_a_signal_ends_it(tmp_path: Path, temporary: Path) -> None:
    with run_demo(tmp_path / "home", temporary) as demo:
        process = psutil.Process(demo.pid)
        eventually(lambda: len(process.children(recursive=True)) > 2, "its team runs")
        family = process.children(recursive=True)
        os.kill(demo.pid, signal.SIGTERM)
        demo.wait(40)
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_leaves_nothing_when_it_is_interrupted_while_it_begins_and_again_while_it_ends(
    tmp_path: Path, temporary: Path, number: signal.Signals
) -> None:
    begun = {
        "its folder": lambda: any(temporary.iterdir()),
        "its team": lambda: any(temporary.glob("*/log")),
        "its processes": lambda: any(temporary.glob("*/demo/run/*")),
        "its hub": lambda: any(temporary.glob("*/demo/messages.db")),
    }
    for what, is_there in begun.items():
        with run_demo(tmp_path / "home", temporary, "--quick") as demo:
            eventually(is_there, what)
            family = psutil.Process(demo.pid).children(recursive=True)
            for _ in range(2):
                demo.send_signal(number)
            demo.communicate(timeout=60)
        assert not psutil.wait_procs(family, timeout=10)[1]
        assert [path.name for path in temporary.iterdir()] == [], what


def test_a_temporary_folder_without_room_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: str) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", fails)
    with pytest.raises(DemoFailed, match=r"has no place for its team in .+No space left on device"):
        demo_command.run(argparse.Namespace(quick=True, agent=False))
