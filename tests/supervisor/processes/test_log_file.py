"""A log file that others move, empty or remove, and a disk that is full for a while."""

import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from teamsup.cli.commands.logs import LogReader as Reader
from teamsup.supervisor.processes import log_file
from teamsup.supervisor.processes.log_file import LogFile


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a log that looks after its name at every line, not once a second."""
    monkeypatch.setattr(log_file, "_CHECK_SECONDS", 0.0)
    return tmp_path / "logs" / "own.log"


@contextmanager
def full_disk(size: int = 0) -> Iterator[None]:
    """No file of this process grows beyond that size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_it_is_opened_again_when_it_was_renamed(path: Path) -> None:
    log = LogFile(path, 10_000, 3)
    log.write("at", ["one"])
    path.rename(path.with_suffix(".old"))

    log.write("at", ["two"])

    assert path.with_suffix(".old").read_text() == "at one\n"
    assert path.read_text() == "at two\n"


@pytest.mark.parametrize("what", ["the file", "its folder"])
def test_it_is_made_again_when_it_was_removed(path: Path, what: str) -> None:
    log = LogFile(path, 10_000, 3)
    log.write("at", ["one"])
    if what == "the file":
        path.unlink()
    else:
        shutil.rmtree(path.parent)

    log.write("at", ["two"])

    assert path.read_text() == "at two\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_team_that_was_away_for_a_moment_has_lost_no_line(path: Path) -> None:
    team, away = path.parents[1] / "team", path.parents[1] / "away"
    team.mkdir()
    log = LogFile(team / "logs" / "own.log", 10_000, 3)
    log.write("at", ["one"])
    team.rename(away)
    log.write("at", ["two"])
    away.rename(team)
    log.write("at", ["three"])

    assert (team / "logs" / "own.log").read_text() == "at one\nat two\nat three\n"


def test_one_that_was_copied_and_emptied_is_rotated_by_its_real_size(path: Path) -> None:
    log, reader = LogFile(path, 60, 3), None
    for number in range(4):
        log.write("at", [f"line {number}"])
        reader = reader or Reader(path)
        list(reader.read_new())
        os.truncate(path, 0)
    log.write("at", ["last"])

    assert path.read_text() == "at last\n"
    assert list(path.parent.glob("own.log.*")) == []
    assert reader is not None
    assert list(reader.read_new()) == ["at last"]
    reader.close()


def test_it_is_rotated_with_so_many_older_ones(path: Path) -> None:
    log = LogFile(path, 20, 2)
    for number in range(6):
        log.write("at", [f"line number {number}"])

    assert [Path(f"{path}{end}").read_text() for end in ("", ".1", ".2")] == [
        f"at line number {number}\n" for number in (5, 4, 3)
    ]
    assert not Path(f"{path}.3").exists()


def test_the_lines_that_a_full_disk_has_lost_are_counted_as_soon_as_there_is_space(path: Path) -> None:
    log = LogFile(path, 10_000, 3)
    log.write("at", ["one"])
    with full_disk(12):
        log.write("at", ["two", "three"])
        log.write("at", ["four"])

    log.write("later", ["five"])
    log.write("later", ["six"])

    assert path.read_text() == "at one\nlater 3 lines were lost while the disk was full\nlater five\nlater six\n"


def test_a_disk_that_was_full_at_the_start_is_writable_again_for_every_file(path: Path) -> None:
    logs = [LogFile(path.with_name(f"{name}.log"), 10_000, 3) for name in ("own", "supervisor")]
    with full_disk():
        for log in logs:
            log.write("at", ["one"])

    for log in logs:
        log.write("later", ["two"])

    for name in ("own", "supervisor"):
        text = path.with_name(f"{name}.log").read_text()
        assert text == "later 1 lines were lost while the disk was full\nlater two\n"
