"""A command that runs for a bounded time, and leaves nothing."""

import asyncio
import os
import select
from pathlib import Path

import pytest

from helpers.support import TIMEOUT_SECONDS
from teamsup.terminal import bounded_command
from teamsup.terminal.bounded_command import BoundedRun, run_bounded


async def test_its_end_and_both_outputs_are_told() -> None:
    script = "read word; echo got $word; echo but >&2; exit 3"
    assert await run_bounded(["sh", "-c", script], b"this\n", 60) == BoundedRun(3, b"got this\n", b"but\n")


async def test_only_the_beginning_of_its_output_and_the_end_of_its_errors_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded_command, "_MAX_OUTPUT_BYTES", 5)
    monkeypatch.setattr(bounded_command, "_MAX_ERROR_BYTES", 5)
    end = await run_bounded(["sh", "-c", "echo 123456789; echo 123456789 >&2"], b"", 60)
    assert end == BoundedRun(0, b"12345", b"6789\n")


async def test_it_need_not_read_its_input() -> None:
    assert await run_bounded(["true"], b"text\n" * 100_000, 60) == BoundedRun(0, b"", b"")


class Processes:
    """The processes that a script has begun. They hold the other end of a pipe."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "fifo"
        os.mkfifo(self._path)
        self._end = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)

    def script(self, text: str) -> list[str]:
        return ["sh", "-c", f"exec 3>{self._path}; {text}"]

    async def read(self) -> bytes:
        """Return what the next one says; empty: all have ended."""
        assert (await asyncio.to_thread(select.select, [self._end], [], [], TIMEOUT_SECONDS))[0], "one is left"
        return os.read(self._end, 100)

    def close(self) -> None:
        os.close(self._end)


async def test_a_process_left_in_the_background_delays_nothing(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    script = processes.script("(sleep 1000 & echo $! >&3); echo yes")
    assert await run_bounded(script, b"", 60) == BoundedRun(0, b"yes\n", b"")
    os.kill(int(await processes.read()), 9)
    assert await processes.read() == b""
    processes.close()


@pytest.mark.parametrize("at", ["its start", "its work"])
async def test_the_end_of_its_caller_ends_it_with_all_that_it_began(tmp_path: Path, at: str) -> None:
    processes = Processes(tmp_path)
    script = processes.script("echo begun >&3; sleep 1000 & wait")
    running = asyncio.create_task(run_bounded(script, b"", 60))
    if at == "its start":
        await asyncio.sleep(0)
    else:
        assert await processes.read() == b"begun\n"
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    if at == "its work":
        assert await processes.read() == b""
    processes.close()


async def test_the_end_of_its_time_ends_it_with_all_that_it_began(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    script = processes.script("echo said; sleep 1000 & echo begun >&3; wait")
    running = asyncio.create_task(run_bounded(script, b"", 0.2))
    assert (await running).code is None
    while await processes.read():
        pass
    processes.close()
