"""Changes of files wake the watcher: through the kernel on Linux, through watchfiles elsewhere."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from watchfiles._rust_notify import RustNotify

from helpers.support import TIMEOUT_SECONDS
from teamsup.hub.engines.sqlite.foreign_writes import FileEvents, KernelEvents, Pauses, TimedEvents


@pytest.fixture(params=[KernelEvents, TimedEvents])
def events(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileEvents]:
    if request.param is KernelEvents and sys.platform != "linux":
        pytest.skip("only Linux has inotify")
    with closing(request.param(tmp_path)) as events:
        yield events


def test_a_changed_file_with_the_wanted_name_ends_a_wait(events: FileEvents, tmp_path: Path) -> None:
    (tmp_path / "messages.db-wal").write_text("row")

    assert events.wait("messages.db", TIMEOUT_SECONDS)


def test_other_files_do_not_end_a_wait(events: FileEvents, tmp_path: Path) -> None:
    (tmp_path / "teamsup.toml").write_text("[team]")

    assert not events.wait("messages.db", 0.02)


def test_a_watch_that_is_stopped_waits_no_more(events: FileEvents) -> None:
    events.stop()

    assert not events.wait("messages.db", TIMEOUT_SECONDS)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has inotify")
def test_inotify_reports_the_end_of_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with closing(KernelEvents(folder)) as events:
        folder.rmdir()

        assert events.wait("messages.db", TIMEOUT_SECONDS)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has inotify")
def test_a_watch_that_has_ended_is_stopped_without_a_trace(tmp_path: Path) -> None:
    events = KernelEvents(tmp_path)
    events.close()
    receiver, sender = os.pipe()  # perhaps with the numbers of that watch
    events.stop()
    os.close(sender)

    assert os.read(receiver, 1) == b""
    os.close(receiver)


class _CountedPauses(Pauses):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def is_set(self) -> bool:
        self.count += 1
        return super().is_set()


def test_watchfiles_looks_no_more_than_twice_a_pause(tmp_path: Path) -> None:
    events = RustNotify([str(tmp_path)], False, False, 0, False, False)
    pauses = _CountedPauses()
    pauses.set_length(0.01)

    assert events.watch(0, 0, 200, pauses) == "timeout"
    assert pauses.count <= 2 * 200 / 10 + 2


def test_watchfiles_returns_an_event_without_a_pause_between_its_two_looks(tmp_path: Path) -> None:
    events = RustNotify([str(tmp_path)], False, False, 0, False, False)
    pauses = _CountedPauses()
    pauses.set_length(0.05)
    (tmp_path / "file").touch()

    assert isinstance(events.watch(0, 0, 10_000, pauses), set)
    assert pauses.count % 2 == 0
