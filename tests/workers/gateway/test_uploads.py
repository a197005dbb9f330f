"""Files that agents send."""

from pathlib import Path

from teamsup.workers.gateway import uploads


def test_file_names_are_made_safe() -> None:
    assert uploads.safe_name(Path("/x/a b\n(1)é.txt")) == "a_b_1_.txt"
    assert uploads.safe_name(Path("/x/..")) == "file"
