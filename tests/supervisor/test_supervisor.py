"""A supervisor of which a part breaks mends it, or ends to be started again: it never only looks well."""

import contextlib
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from helpers.custom_workers import wait_for_log_line
from helpers.support import TIMEOUT_SECONDS, OpenCommand, TeamsupCommand, eventually

BREAK = """
import sys
from teamsup.hub.wakeup.doorbell import Doorbell
from teamsup.cli import main
from teamsup.supervisor import metrics

def break_once(kind, name, error):
    whole = getattr(kind, name)
    def broken(*args):
        setattr(kind, name, whole)
        raise error
    setattr(kind, name, broken)

break_once(%s)
sys.exit(main.main(["start"]))
"""


@contextlib.contextmanager
def start_broken(teamsup: TeamsupCommand, what: str) -> Iterator[OpenCommand]:
    """A supervisor of which that breaks once."""
    with OpenCommand(
        [sys.executable, "-c", BREAK % what],
        env=teamsup.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield process
        process.terminate()


def test_one_that_cannot_use_its_doorbell_goes_on(teamsup: TeamsupCommand) -> None:
    teamsup.configure("")

    with start_broken(teamsup, "Doorbell, 'wait_async', RuntimeError('broken')") as process:
        wait_for_log_line(teamsup, "The doorbell does not work: RuntimeError: broken.")
        wait_for_log_line(teamsup, "over: The doorbell does not work")

    assert process.returncode == 0


def test_one_that_serves_no_more_ends_with_a_failure(teamsup: TeamsupCommand) -> None:
    teamsup.configure("")

    with start_broken(teamsup, "Doorbell, 'wait_async', BaseException('broken')") as process:
        assert process.wait(TIMEOUT_SECONDS) == 1

    assert "stopped" in teamsup.run("logs", "supervisor").stdout


@pytest.mark.slow
def test_metrics_that_broke_are_served_again(teamsup: TeamsupCommand) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    teamsup.configure(f"[metrics]\nport = {port}\n")

    with start_broken(teamsup, "metrics._Server, 'service_actions', RuntimeError('broken')"):
        wait_for_log_line(teamsup, "over: The server of metrics has ended.")
        eventually(lambda: _answers(port), "metrics are served")


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
