"""Logs are kept within bounds, and read across their rotation."""

import argparse
import contextlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from teamsup.cli.commands.logs import LogReader, _since, parse_since, split_line
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


def test_a_program_that_is_about_to_be_replaced_has_printed_every_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = WorkerLogs(tmp_path, echo=True)
    shown.open("user")
    shown.write("user", *map(str, range(500)))
    shown.flush()

    assert capsys.readouterr().out.splitlines()[-1] == "user | 499"
    shown.close()


NOW = datetime(2026, 5, 4, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("90s", "2026-05-04 13:58:30.000"),
        ("10m", "2026-05-04 13:50:00.000"),
        ("2h", "2026-05-04 12:00:00.000"),
        ("3d", "2026-05-01 14:00:00.000"),
        ("9:30", "2026-05-04 09:30:00.000"),
        ("15:00", "2026-05-03 15:00:00.000"),
        ("2026-05-01", "2026-05-01 00:00:00.000"),
        ("2026-05-01T10:20", "2026-05-01 10:20:00.000"),
        ("2026-05-01 10:20:30 UTC", "2026-05-01 10:20:30.000"),
        ("2026-05-01T10:20+02:00", "2026-05-01 08:20:00.000"),
        ("2026-05-01T10:20:30.500Z", "2026-05-01 10:20:30.500"),
    ],
)
def test_a_time_is_meant_as_people_write_it(text: str, since: str) -> None:
    assert parse_since(text, NOW) == since


def test_a_line_has_its_time_in_utc_and_one_of_an_older_teamsup_its_local_time() -> None:
    assert split_line("2026-05-01 10:20:30.500Z it  began") == ("2026-05-01 10:20:30.500Z", "it  began")
    assert split_line("2026-05-01 10:20:30.500 it  began") == ("2026-05-01 10:20:30.500", "it  began")


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "10", "2026-13-01"])
def test_another_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_since(text, NOW)
    with pytest.raises(argparse.ArgumentTypeError, match="is not a time: write 10m, 2h, 3d"):
        _since(text)
