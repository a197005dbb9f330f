"""What a supervisor hands over to its successor arrives there as it was."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from teamsup.hub import StoreError
from teamsup.status.process_state import State
from teamsup.supervisor.configuration.roles import HeldRole
from teamsup.supervisor.control.handover import (
    HANDOVER_VERSION,
    Handover,
    read_handover,
    write_handover,
)
from teamsup.supervisor.processes.child import HandedChild
from teamsup.supervisor.processes.lifecycle import Process
from teamsup.supervisor.processes.managed_process import HandedWorker

STOPPED = HandedWorker("ann", False, False, None, "", None, 0.0, (), Process(), None)


@pytest.fixture
def handover() -> Handover:
    """A worker that runs, and one that is stopped. Nobody has the descriptors open."""
    child = HandedChild(17, 1001, {"TOKEN": "ä"}, (("TOKEN", "ä"),))
    process = Process(State.RUNNING, ready_at=5.5, restarts=2, failures=1, due=None, reason="")
    runs = HandedWorker("bob", True, True, -9, "bob@1.2", 1.5, 2.5, ("a", "b"), process, child)
    return Handover(HANDOVER_VERSION, 1000, True, 7, {"bob": HeldRole(3, 4.5)}, (runs, STOPPED))


def test_the_successor_reads_what_was_written(handover: Handover, tmp_path: Path) -> None:
    assert read_handover(write_handover(handover, tmp_path)) == handover
    assert handover.descriptors == [1000, 1001]


def test_the_file_has_no_name_because_it_has_secrets(handover: Handover, tmp_path: Path) -> None:
    file = write_handover(handover, tmp_path)
    assert list(tmp_path.iterdir()) == []
    os.close(file)


def test_another_version_is_refused_with_both(handover: Handover, tmp_path: Path) -> None:
    file = write_handover(dataclasses.replace(handover, version=99), tmp_path)
    with pytest.raises(StoreError, match=f"hands over state 99; this program knows {HANDOVER_VERSION}"):
        read_handover(file)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"version": HANDOVER_VERSION})])
def test_a_broken_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(StoreError, match="The state of the predecessor cannot be read"):
        read_handover(os.open(tmp_path / "file", os.O_RDONLY))
