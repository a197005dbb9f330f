"""Long work on the database says in run/ what it does, and how far it is."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.support import eventually
from teamsup.hub.engines import maintenance_progress


def test_maintenance_is_seen_while_it_runs_and_not_afterwards(tmp_path: Path) -> None:
    with maintenance_progress.announce_maintenance(tmp_path, "migration", total=7):
        work = maintenance_progress.read_maintenance(tmp_path)
        assert work is not None
        assert (work.kind, work.pid, work.done, work.total) == ("migration", os.getpid(), 0, 7)
        (file,) = tmp_path.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert maintenance_progress.read_maintenance(tmp_path, os.getpid()) == work
        assert maintenance_progress.read_maintenance(tmp_path, os.getppid()) is None

    assert maintenance_progress.read_maintenance(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_progress_is_seen_by_others(tmp_path: Path) -> None:
    def done(progress: maintenance_progress.ReportProgress) -> bool:
        progress(500)
        work = maintenance_progress.read_maintenance(tmp_path)
        return work is not None and work.done == 500

    with maintenance_progress.announce_maintenance(tmp_path, "pruning") as progress:
        eventually(lambda: done(progress), "the progress is written")


def test_the_announcement_of_a_killed_process_is_ignored(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from teamsup.hub.engines import maintenance_progress\n"
        "with maintenance_progress.announce_maintenance(Path(sys.argv[1]), 'restore'): time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as worker:
        eventually(lambda: maintenance_progress.read_maintenance(tmp_path, worker.pid), "it is announced")
        worker.send_signal(signal.SIGKILL)
        worker.wait()

        assert maintenance_progress.read_maintenance(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="start times come from /proc")
def test_a_later_process_with_the_same_pid_is_not_taken_for_it(tmp_path: Path) -> None:
    with maintenance_progress.announce_maintenance(tmp_path, "migration"):
        (file,) = tmp_path.iterdir()
        data = json.loads(file.read_text())
        file.write_text(json.dumps({**data, "process_start": data["process_start"] - 1}))

        assert maintenance_progress.read_maintenance(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "\udcff", '{"kind": 1, "pid": 1e999}'])
def test_a_file_that_nobody_understands_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "maintenance-1.json").write_bytes(text.encode("utf-8", "surrogateescape"))

    assert maintenance_progress.read_maintenance(tmp_path) is None


def test_work_goes_on_where_nothing_can_be_announced(tmp_path: Path) -> None:
    with maintenance_progress.announce_maintenance(tmp_path / "missing", "compaction") as progress:
        progress(1)

    assert maintenance_progress.read_maintenance(tmp_path / "missing") is None
