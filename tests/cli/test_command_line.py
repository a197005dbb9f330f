"""The words of the command line: where --team stands, what was meant by a mistyped word, and what help shows."""

import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest

from helpers.support import TeamsupCommand
from teamsup.cli.command_line import COMMANDS, _parse, build_parser
from teamsup.cli.completion.suggestions import suggest_choice, suggest_command, suggest_option
from teamsup.cli.component_commands import find_commands
from teamsup.hub import MessageHub
from teamsup.hub.errors import ExitCode

DOCS = Path(__file__).parents[2] / "docs"
COMPONENTS = {name: points[0].value for name, points in find_commands(COMMANDS).items()}
MODULES = {**{name: f"teamsup.cli.commands.{name}" for name in COMMANDS}, **COMPONENTS}


@pytest.mark.parametrize(
    "words",
    [
        ["--team", "crew", "ps"],
        ["--team=crew", "ps"],
        ["ps", "--team", "crew"],
        ["--team", "other", "ps", "--team", "crew"],
        ["--team", "crew", "hub", "stats"],
        ["hub", "--team", "crew", "stats"],
        ["hub", "stats", "--team", "crew"],
        ["--team", "crew", "alerts", "show", "3"],
        ["--team", "crew"],
    ],
)
def test_the_team_stands_on_either_side_of_the_command(words: list[str]) -> None:
    assert _parse(words).team == "crew"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("strat", "Did you mean: teamsup start"),
        ("PS", "Did you mean: teamsup ps"),
        ("status", "Did you mean: teamsup ps"),
        ("tail", "Did you mean: teamsup logs -f"),
        ("incidents", "Did you mean: teamsup alerts"),
        ("xyzzy", "All commands: teamsup --help"),
    ],
)
def test_a_mistyped_command_gets_the_one_that_was_meant(typed: str, meant: str) -> None:
    assert suggest_command(typed, list(MODULES)) == f"There is no command {typed!r}. {meant}"


def test_a_mistyped_option_or_verb_gets_the_one_that_was_meant() -> None:
    assert suggest_option(["--jsn"], ["-h", "--json"]) == "unrecognized arguments: --jsn. Did you mean --json?"
    assert suggest_option(["--jsn=1"], ["--json"]) == "unrecognized arguments: --jsn=1. Did you mean --json?"
    assert suggest_option(["-z", "more"], ["--json"]) == "unrecognized arguments: -z more"
    refused = "argument VERB: invalid choice: 'stts' (choose from 'stats', 'check')"
    assert suggest_choice(refused) == f"{refused}. Did you mean stats?"
    assert suggest_choice("argument VERB: invalid choice: 'stts' (choose from stats, check)").endswith(" mean stats?")
    assert suggest_choice("the following arguments are required: id") == "the following arguments are required: id"


def test_a_mistyped_word_ends_the_command_with_the_code_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for words, hint in (
        (["ps", "--jsn"], "teamsup ps: unrecognized arguments: --jsn. Did you mean --json?\n"),
        (["--team", "crew", "stp"], "teamsup: There is no command 'stp'. Did you mean: teamsup stop\n"),
        (["hub", "stats", "--jsn"], "teamsup hub stats: unrecognized arguments: --jsn. Did you mean --json?\n"),
    ):
        with pytest.raises(SystemExit) as end:
            _parse(words)
        assert (end.value.code, capsys.readouterr().err.splitlines(keepends=True)[-1]) == (ExitCode.USAGE, hint)


def test_a_mistyped_name_gets_the_one_that_was_meant(teamsup: TeamsupCommand) -> None:
    with MessageHub(teamsup.team, agent="lead") as hub:
        hub.register()

    assert "There is no agent 'laed' in this team. Did you mean 'lead'?" in teamsup.run("ps", "laed").stderr
    assert "yet. Did you mean 'default'? Start it with: " in teamsup.run("read", "--team", "defualt").stderr
    assert "is not running. Did you mean 'default'?" in teamsup.run("ps", "--team", "defualt").stderr


def test_help_names_each_command_in_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (60, 80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        shown = build_parser(["--help"]).format_help()
        assert max(map(len, shown.splitlines())) <= columns
        assert [name for name in MODULES if not re.search(rf"^  {name}\b", shown, re.MULTILINE)] == []


def examples() -> list[Sequence[str]]:
    """The words behind ``teamsup`` of all examples that help shows."""
    import shlex

    shown = [line for name in MODULES.values() for line in getattr(import_module(name), "EXAMPLES", ())]
    of_help = re.findall(r"^  (teamsup .*?)(?:  |$)", build_parser(["--help"]).format_help(), re.MULTILINE)
    assert of_help
    lines = [*(part for line in shown for part in line.split(" && ")), *of_help]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def test_each_example_of_help_is_understood() -> None:
    for words in examples():
        _parse(list(words))


def test_help_is_a_command_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        _parse(["help", "ps"])

    assert (end.value.code, "examples:" in capsys.readouterr().out) == (0, True)


def test_the_page_of_commands_has_each_exit_code_with_its_meaning() -> None:
    page = (DOCS / "commands.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", page, re.MULTILINE))

    assert list(map(int, rows)) == list(ExitCode)
    source = Path(import_module("teamsup.hub.errors").__file__ or "").read_text("utf-8")
    meanings = {
        int(code): " ".join(text.split())
        for code, text in re.findall(r"^    [A-Z_]+ = (\d+)\n    \"\"\"(.*?)\"\"\"", source, re.MULTILINE | re.DOTALL)
    }
    assert {code: " ".join(text.replace("`", "").split()) for code, text in meanings.items()} == {
        int(code): text.replace("`", "") for code, text in rows.items()
    }


def test_exit_codes_are_written_down_in_one_module_alone() -> None:
    root = DOCS.parent
    files = [path for folder in ("hub", "supervisor", "workers") for path in (root / folder).rglob("*.py")]
    found = [path.name for path in files if re.search(r"\bos\.EX_|\bexit_code(: int)? = \d", path.read_text("utf-8"))]

    assert found == []


def test_ps_is_ready_without_the_whole_hub(teamsup: TeamsupCommand) -> None:
    """A person waits for it. What is named here took more than half of its time."""
    with MessageHub(teamsup.team, agent="lead") as hub:
        hub.register()
    slow = {"teamsup.hub.message_hub", "teamsup.hub.engines.sqlite.store", "ast", "threading", "signal"}
    if sys.version_info >= (3, 12):
        slow.remove("ast")  # there Python's own dataclasses always need it
    code = (
        "import sys; from teamsup.cli.main import main; code = main(['ps']); "
        f"print(code, sorted({slow!r} & sys.modules.keys()), file=sys.stderr)"
    )
    # `make coverage` would load modules of its own.
    environment = {key: value for key, value in teamsup.environment.items() if not key.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )

    assert "lead " in done.stdout
    assert done.stderr.splitlines()[-1] == "3 []"
