"""The Python programs of README.md and docs/hub.md run as they are printed."""

import contextlib
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.source_tree import ROOT
from helpers.support import OpenCommand, TeamsupCommand, eventually
from teamsup.hub import MessageHub

_PROGRAM = re.compile(r"(?:^    (?:from|import) .*\n(?:(?:    .*)?\n)*)", re.MULTILINE)


def programs_of(page: str) -> list[str]:
    """The indented blocks of a page that begin with an import."""
    return [textwrap.dedent(block).strip() + "\n" for block in _PROGRAM.findall((ROOT / page).read_text("utf-8"))]


@pytest.mark.parametrize(("page", "count"), [("README.md", 1), ("docs/hub.md", 4)])
def test_a_page_has_its_programs(page: str, count: int) -> None:
    found = programs_of(page)

    assert len(found) == count
    for program in found:
        compile(program, page, "exec")


@contextlib.contextmanager
def run_program(teamsup: TeamsupCommand, program: str, folder: Path) -> Iterator[OpenCommand]:
    file = folder / f"{abs(hash(program))}.py"
    file.write_text(program)
    with OpenCommand(
        [sys.executable, str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=teamsup.environment,
    ) as process:
        yield process
        if process.poll() is None:
            process.terminate()


@pytest.mark.slow
def test_the_programs_of_the_page_answer_ask_and_watch(teamsup: TeamsupCommand, tmp_path: Path) -> None:
    answer, ask, shout, watch = programs_of("docs/hub.md")
    MessageHub(teamsup.team).close()
    with (
        MessageHub(teamsup.team, agent="tester") as hub,
        run_program(teamsup, answer, tmp_path),
        run_program(teamsup, shout, tmp_path),
        run_program(teamsup, watch, tmp_path) as watching,
    ):
        eventually(lambda: hub.find_agent("adder"), "the first program")
        eventually(lambda: hub.find_agent("shouter"), "the third program")
        with run_program(teamsup, ask, tmp_path) as asking:
            assert asking.communicate(timeout=30)[0] == "adder 6\n"
        assert hub.ask("shouter", "hello", 30).content == "HELLO"
        assert watching.stdout is not None
        shown = [watching.stdout.readline() for _ in range(4)]
        assert shown == [
            "shop -> adder 1 2 3\n",
            "adder -> shop 6\n",
            "tester -> shouter hello\n",
            "shouter -> tester HELLO\n",
        ]


@pytest.mark.slow
def test_the_program_of_the_readme_sends_and_thanks(teamsup: TeamsupCommand, tmp_path: Path) -> None:
    (program,) = programs_of("README.md")
    with MessageHub(teamsup.team, agent="user_comm") as hub:
        hub.register("daemon")
        with run_program(teamsup, program, tmp_path):
            told = next(hub.listen(30))
            assert (told.message.sender, told.content) == ("deployer", "v1.2 is out")
            assert hub.ask("deployer", "well done", 30).content == "thank you for 'well done'"
