"""What ``--json`` prints is one object with the team."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from teamsup.terminal.json_output import print_json


@dataclass(frozen=True)
class Row:
    name: str
    seen: datetime | None


def test_times_and_objects_become_texts_and_objects(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("né", datetime(2030, 1, 15, 10, tzinfo=UTC)), Row("b", None)]

    print_json("crew", rows=rows, folder=Path("/teams"))

    printed = capsys.readouterr().out
    assert json.loads(printed) == {
        "team": "crew",
        "rows": [{"name": "né", "seen": "2030-01-15T10:00:00+00:00"}, {"name": "b", "seen": None}],
        "folder": "/teams",
    }
    assert "né" in printed
