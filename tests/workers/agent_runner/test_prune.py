"""The files of runs that have no row are removed, and no others."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from teamsup.workers.agent_runner.agent_runner import AgentRunner


class BusyTable:
    """The runs, of which one begins while they are being read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prune(self, before: float, now: float) -> None:
        assert before < now

    def numbers(self) -> set[int]:
        (self.folder / "3").mkdir()
        return {2}


def test_the_folder_of_a_run_that_begins_meanwhile_stays(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    for name in ("1", "2", "notes"):
        (folder / name).mkdir(parents=True)
    runner: Any = SimpleNamespace(
        _table=BusyTable(folder), _keep_seconds=60, hub=SimpleNamespace(team=SimpleNamespace(folder=tmp_path))
    )
    AgentRunner._prune(runner)
    assert sorted(each.name for each in folder.iterdir()) == ["2", "3", "notes"]
