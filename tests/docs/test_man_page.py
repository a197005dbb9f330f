"""docs/teamsup.1 has the commands and options of today."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def test_the_man_page_is_that_of_the_parser() -> None:
    """`.venv/bin/python docs/write_man_page.py` writes it again."""
    spec = importlib.util.spec_from_file_location("write_man_page", DOCS / "write_man_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "teamsup.1").read_text("utf-8") == module.write()


def test_man_reads_it_without_a_warning() -> None:
    if shutil.which("groff") is None:
        pytest.skip("there is no groff here")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", str(DOCS / "teamsup.1")], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
