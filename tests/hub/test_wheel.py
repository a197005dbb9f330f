"""A wheel of the hub alone, which needs watchfiles and nothing else, runs the example of the docs."""

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from helpers.support import TIMEOUT_SECONDS
from teamsup.hub import MessageHub, Team

ROOT = Path(__file__).parents[2]
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "teamsup-hub"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["watchfiles>=1.1,<2"]

[tool.hatch.build.targets.wheel]
packages = ["teamsup"]
"""

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("hatchling"), reason="hatchling is not installed")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, install it into a new virtual environment, and return the Python of that."""
    folder = tmp_path_factory.mktemp("hub-alone")
    source, clean = folder / "source", folder / "clean"
    (source / "teamsup").mkdir(parents=True)
    (source / "teamsup" / "hub").symlink_to(ROOT / "hub" / "teamsup" / "hub")
    (source / "pyproject.toml").write_text(PYPROJECT)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=source)
    run(sys.executable, "-m", "venv", "--without-pip", clean)
    python = clean / "bin" / "python"
    (wheel,) = folder.glob("teamsup_hub-*.whl")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    (packages,) = (clean / "lib").glob("python3*/site-packages")
    for name in closure_of("watchfiles"):
        link_distribution(name, packages)
    return python


def test_the_example_of_the_docs_runs_with_the_hub_alone(python: Path, tmp_path: Path) -> None:
    with MessageHub(Team.named("default", tmp_path), agent="user_comm") as user_comm:
        user_comm.register("daemon")
        user_comm.enroll("adder")
        with run_example(python, tmp_path):
            assert user_comm.ask("adder", "1 2 3", TIMEOUT_SECONDS).content == "6"


def test_the_hub_alone_brings_nothing_of_the_rest_and_notices_foreign_writers(python: Path, tmp_path: Path) -> None:
    program = (
        "import importlib.util, sys; from teamsup.hub import MessageHub, Team; from pathlib import Path\n"
        "print(*[name for name in ('config', 'terminal', 'claude_code', 'supervisor', 'workers', 'cli')"
        " if importlib.util.find_spec(f'teamsup.{name}')])\n"
        "print(MessageHub(Team('crew', Path(sys.argv[1]))).start_watcher(), 'watchfiles._rust_notify' in sys.modules)\n"
    )
    ended = run(python, "-I", "-c", program, tmp_path / "crew")

    assert (ended.stdout, ended.stderr) == ("\nTrue True\n", "")


def run(*words: str | Path, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=True)


def link_distribution(name: str, packages: Path) -> None:
    """Let another site-packages find a distribution that is installed here."""
    distribution = importlib.metadata.distribution(name)
    for part in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
        (packages / part).symlink_to(Path(str(distribution.locate_file(part))))


def closure_of(name: str) -> set[str]:
    """Return a distribution and all that it needs, as far as they are installed here."""
    found: set[str] = set()
    todo = [name]
    while todo:
        with suppress(importlib.metadata.PackageNotFoundError):
            name = todo.pop()
            requirements = importlib.metadata.requires(name) or ()
            names = {re.split(r"[^\w.-]", text)[0] for text in requirements if "extra ==" not in text}
            found.add(name)
            todo += names - found
    return found


@contextmanager
def run_example(python: Path, home: Path) -> Iterator[None]:
    """Run the first example of docs/hub.md, which answers for ten minutes."""
    page = (ROOT / "docs" / "hub.md").read_text("utf-8")
    blocks = re.findall(r"(?:^(?: {4}.*)?\n)+", page, re.MULTILINE)
    example = next(block for block in blocks if "from teamsup.hub import MessageHub" in block)
    words: list[str | Path] = [python, "-I", "-c", textwrap.dedent(example)]
    with subprocess.Popen(words, env={**os.environ, "TEAMSUP_HOME": str(home)}) as process:
        try:
            yield
            assert process.poll() is None
        finally:
            process.kill()
