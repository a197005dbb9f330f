"""A package that follows docs/workers.md brings a worker, a section, a table and a command."""

import re
import textwrap
import tomllib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from conftest import run_team
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, refusal_of, run_foreign_sql
from teamsup.hub import MessageHub

PAGE = Path(__file__).parents[2] / "docs" / "workers.md"
FILES = re.compile(r"`((?:greeter/)?[\w-]+\.(?:toml|py|sql))`[^\n]*(?:\n[^\n]+)?:\n\n((?:    [^\n]*\n|\n)+)")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of the page, installed for the processes that a test starts."""
    site = tmp_path / "site"
    for name, text in FILES.findall(PAGE.read_text("utf-8")):
        file = site / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    project = tomllib.loads(site.joinpath("pyproject.toml").read_text())["project"]
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    metadata = site / "greeter-1.dist-info"
    metadata.mkdir()
    metadata.joinpath("entry_points.txt").write_text("\n".join(lines))
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


@pytest.fixture
def start(teamsup: TeamsupCommand) -> Callable[[str], AbstractContextManager[object]]:
    """Start a team with this section and no other worker."""

    def make(toml: str) -> AbstractContextManager[object]:
        teamsup.configure(toml)
        return run_team(teamsup)

    return make


Start = Callable[[str], AbstractContextManager[object]]


def state_of(teamsup: TeamsupCommand, name: str) -> str:
    return str(teamsup.ps().get(name, {}).get("state"))


def greet(teamsup: TeamsupCommand) -> str:
    with MessageHub(teamsup.team, agent="console-ann") as ann:
        ann.register("console")
        ann.send("greeter", "good morning")
        assert ann.wait(TIMEOUT_SECONDS)
        (answer,) = ann.claim()
        ann.acknowledge(answer)
        return answer.message.content


@pytest.mark.slow
@pytest.mark.usefixtures("package")
def test_its_worker_runs_with_a_section_a_table_and_a_command(teamsup: TeamsupCommand, start: Start) -> None:
    assert "greetings" in teamsup.run("--help").stdout
    assert "show how many greetings there were" in teamsup.run("--help").stdout

    with start('[greeter]\ngreeting = "Good day"\n'):
        eventually(lambda: state_of(teamsup, "greeter") == "RUNNING", "the greeter runs")
        assert greet(teamsup) == "Good day, console-ann!"
        assert teamsup.run("greetings").stdout == "1 greetings.\n"
        assert run_foreign_sql(teamsup.team, "SELECT version FROM schema_versions WHERE component = 'greeter'") == [
            (1,)
        ]

        teamsup.configure('[greeter]\ngreting = "Good day"\n')
        assert "[greeter] has no key 'greting'; did you mean greeting?" in refusal_of(teamsup.run("reload"))
        teamsup.configure('[greeter]\ngreeting = ""\n')
        assert "[greeter] greeting must not be empty." in refusal_of(teamsup.run("reload"))

        assert teamsup.run("forget", "console-ann", "--yes").returncode == 0
        assert teamsup.run("greetings").stdout == "0 greetings.\n"
        assert teamsup.run("hub", "check").returncode == 0


@pytest.mark.slow
@pytest.mark.usefixtures("package")
def test_a_mistake_in_its_section_holds_it_alone(teamsup: TeamsupCommand, start: Start) -> None:
    with start("[greeter]\ngreeting = 1\n[worker.other]\ncommand = ['sleep', '100']\n"):
        eventually(lambda: state_of(teamsup, "other") == "RUNNING", "the other worker runs")
        row = teamsup.ps()["greeter"]
        assert row["state"] == "FATAL"
        assert "[greeter] greeting must be text in quotes, not 1." in row["note"]


@pytest.mark.slow
@pytest.mark.usefixtures("package")
def test_one_older_than_its_tables_is_held_alone_and_they_outlive_the_package(
    teamsup: TeamsupCommand, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(""):
        eventually(lambda: state_of(teamsup, "greeter") == "RUNNING", "the greeter runs")
        greet(teamsup)
    run_foreign_sql(teamsup.team, "UPDATE schema_versions SET version = 2 WHERE component = 'greeter'")

    with start("[worker.other]\ncommand = ['sleep', '100']\n"):
        eventually(lambda: state_of(teamsup, "other") == "RUNNING", "the other worker runs")
        eventually(lambda: state_of(teamsup, "greeter") == "not configured", "the greeter is held")
        assert "have version 2, made by a newer greeter; this one knows 1" in teamsup.ps()["greeter"]["note"]
        assert "have version 2" in refusal_of(teamsup.run("greetings"))

    monkeypatch.delenv("PYTHONPATH")
    with start("[worker.other]\ncommand = ['sleep', '100']\n"):
        eventually(lambda: state_of(teamsup, "other") == "RUNNING", "the other worker runs")
        assert "greeter" not in teamsup.ps() or teamsup.ps()["greeter"]["state"] != "RUNNING"
    assert run_foreign_sql(teamsup.team, "SELECT person FROM greetings") == [("console-ann",)]


@pytest.mark.slow
def test_one_with_a_mistake_in_its_sql_is_held_alone(teamsup: TeamsupCommand, start: Start, package: Path) -> None:
    package.joinpath("greeter", "1-tables.sql").write_text("CREATE TABLE greetings (message INTEGER;\n")

    with start(""):
        eventually(lambda: state_of(teamsup, "greeter") == "not configured", "the greeter is held")
        assert "The SQL of greeter in 1-tables.sql cannot be used" in teamsup.ps()["greeter"]["note"]
        # It takes part in the hub only after it has tried to make the tables of all.
        eventually(lambda: state_of(teamsup, "supervisor") == "RUNNING", "the supervisor takes part in the hub")
