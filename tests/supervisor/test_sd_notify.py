"""What the supervisor tells the service manager, on a real socket. The processes are in test_process_manager.py and in
test_rolling_restart.py.
"""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamsup.supervisor.sd_notify import ServiceNotifier

BEAT, EXTENSION = ["WATCHDOG=1"], ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=90000"]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(20)
        yield listener


@pytest.fixture
def notifier(manager: socket.socket) -> ServiceNotifier:
    """Return a notifier of a process that counts as hung after 90 ms."""
    return ServiceNotifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "90000"})


def heard(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().splitlines()


def test_a_beat_extends_the_limits_of_a_start_a_reload_and_a_stop(
    notifier: ServiceNotifier, manager: socket.socket
) -> None:
    def beat() -> list[str]:
        notifier.beat()
        return heard(manager)

    assert beat() == EXTENSION
    notifier.ready("all run")
    assert heard(manager) == ["READY=1", "STATUS=all run"]
    assert beat() == BEAT  # RuntimeMaxSec= is not for us to extend
    notifier.reloading()
    assert heard(manager)[0] == "RELOADING=1"
    assert beat() == EXTENSION
    notifier.ready("all run")
    heard(manager)
    assert beat() == BEAT
    notifier.stopping()
    assert heard(manager) == ["STOPPING=1", "STATUS=stopping"]
    assert beat() == EXTENSION


def test_it_beats_while_the_hub_is_opened(notifier: ServiceNotifier, manager: socket.socket) -> None:
    with notifier.beating():
        assert [heard(manager), heard(manager)] == [EXTENSION, EXTENSION]

    notifier.status("opened")
    lines = [heard(manager)]
    while lines[-1] == EXTENSION:
        lines.append(heard(manager))
    assert lines[-1] == ["STATUS=opened"]


def test_a_full_queue_does_not_swallow_that_the_team_is_ready(
    notifier: ServiceNotifier, manager: socket.socket
) -> None:
    for number in range(1000):
        notifier.status(f"{number}")
    sender = threading.Thread(target=notifier.ready, args=("all run",))
    sender.start()

    while heard(manager) != ["READY=1", "STATUS=all run"]:
        pass
    sender.join()


def test_a_watchdog_that_is_meant_for_another_process_sets_no_limit(manager: socket.socket) -> None:
    address = manager.getsockname()
    notifier = ServiceNotifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "90000", "WATCHDOG_PID": "1"})

    assert notifier.limit_seconds == 30


def test_without_a_service_manager_nothing_is_sent() -> None:
    notifier = ServiceNotifier({})

    assert not notifier.is_wanted
    with notifier.beating():
        notifier.ready("all run")
