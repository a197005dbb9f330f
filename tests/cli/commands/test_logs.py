"""Logs are kept within bounds, and read across their rotation."""

import contextlib
from pathlib import Path

import pytest

from teamsup.cli.commands.logs import LogReader
from teamsup.supervisor.processes.worker_logs import WorkerLogs


def test_a_log_is_rotated_by_size_and_count(tmp_path: Path) -> None:
    written = WorkerLogs(tmp_path, echo=False)
    written.open("user", size=1000, kept=3)

    for number in range(200):
        written.write("user", f"line {number}")

    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["user.log", "user.log.1", "user.log.2", "user.log.3"]
    assert all(file.stat().st_size <= 1000 for file in files)


def test_a_reader_follows_across_rotation(tmp_path: Path) -> None:
    written = WorkerLogs(tmp_path, echo=False)
    written.open("user", size=1000, kept=3)
    written.write("user", "line 0")
    with contextlib.closing(LogReader(tmp_path / "user.log")) as log:
        read = list(log.read_new())

        for number in range(1, 60):
            written.write("user", f"line {number}")
            read += log.read_new()

    assert [line.split(" ", 2)[2] for line in read] == [f"line {number}" for number in range(60)]


def test_control_characters_in_output_are_defused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = WorkerLogs(tmp_path, echo=True)
    shown.open("user")
    shown.open("lonely")
    shown.write("user", "a\x1b[31mb\r")
    shown.close()

    assert capsys.readouterr().out == "user   | a\ufffd[31mb\n"
