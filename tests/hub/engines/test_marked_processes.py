"""Every process with a mark is found, also one that executes a program at that moment."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from teamsup.hub.engines.marked_processes import kill_all, marked_processes, read_variable

Run = Callable[..., "subprocess.Popen[bytes]"]

MARK = "TEAMSUP_TEST_MARK"
READS = 2000
"""Without a second read, one of a hundred reads of such a process finds nothing."""


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts a process with no variables but these; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def start(*words: str, **variables: str) -> "subprocess.Popen[bytes]":
            process = stack.enter_context(subprocess.Popen(words, env=variables))
            stack.callback(process.kill)
            return process

        yield start


@pytest.mark.skipif(sys.platform != "linux", reason="only there does an execution empty the environment")
def test_a_process_that_executes_a_program_keeps_its_mark(run: Run, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.write_text(f"exec sh '{again}'\n")
    process = psutil.Process(run("sh", str(again), **{MARK: "x"}).pid)

    assert {read_variable(process, MARK) for _ in range(READS)} == {"x"}


@pytest.mark.skipif(sys.platform != "linux", reason="only there does an execution empty the environment")
def test_a_search_finds_a_process_that_executes_a_program(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = tmp_path / "again"
    again.write_text(f"exec sh '{again}'\n")
    pid = run("sh", str(again), **{MARK: "x"}).pid
    monkeypatch.setattr(psutil, "pids", lambda: [pid])

    assert all([value for _, value in marked_processes(MARK)] == ["x"] for _ in range(READS // 4))


def test_a_search_finds_only_the_processes_with_the_variable(run: Run) -> None:
    marked, other = run("sleep", "1000", **{MARK: "x"}), run("sleep", "1000", **{f"NOT_{MARK}": "x"})

    found = {process.pid: value for process, value in marked_processes(MARK)}

    assert found.get(marked.pid) == "x"
    assert other.pid not in found


def test_a_process_without_variables_has_no_mark(run: Run) -> None:
    assert read_variable(psutil.Process(run("sleep", "1000").pid), MARK) == ""


def test_a_process_that_is_started_during_the_search_is_killed_too(run: Run) -> None:
    """The first look lists the parent, which has started a child and has ended when it is looked at."""
    child = run("sleep", "1000")
    looks = iter([[], [psutil.Process(child.pid)]])

    assert kill_all(lambda: next(looks, [])) == [child.pid]
