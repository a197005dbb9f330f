"""What holds for every command and every verb, also for those of components and for those of tomorrow."""

import ast
import contextlib
import io
import json
import os
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.support import TeamsupCommand
from teamsup.cli import main as program
from teamsup.cli.command_line import _parse, main
from teamsup.cli.completion.known_commands import Command, all_commands, options_of
from teamsup.cli.help_text import GROUPS
from teamsup.config.components import open_hub
from teamsup.hub import MessageHub, Team
from teamsup.hub.errors import ExitCode
from teamsup.workers.gateway.access.pairing import create_code, redeem_code
from teamsup.workers.gateway.component import component

ROOT = Path(__file__).parents[2]
Runner = Callable[[list[str]], tuple[object, str, str]]
ALL = {" ".join(each.words): each for each in all_commands() if each.runs}

WITHOUT_JSON = {
    **dict.fromkeys(("start", "stop", "restart", "reload", "signal"), "their exit codes tell, and 'ps --json'"),
    **dict.fromkeys(("demo", "completion", "init"), "a person calls it once"),
    **dict.fromkeys(("service install", "service uninstall"), "'service status --json' shows the state afterwards"),
    **dict.fromkeys(("mcp", "watch"), "Claude Code calls it"),
    **dict.fromkeys(("config schema", "hub export"), "all that it prints is JSON of a form of its own"),
    "open": "its link is a secret for one person",
}
DESTROYS = re.compile(
    r"(remove|forget|prune|delete|drop|discard|erase|clear|take the team back|uninstall)", re.IGNORECASE
)
KEEPS = {
    "service uninstall": "'service install' writes the unit again, and the team stays",
    "init": "--remove takes back what it has written itself, and --force keeps the former file",
}
"""Commands whose summary sounds like it, but after which nothing of a person is lost."""


def option_names(command: Command) -> set[str]:
    return {name for action in options_of(command.parser) for name in action.option_strings}


def test_the_help_and_the_man_page_have_each_command_in_a_group() -> None:
    """Else ``--help`` shows it among those of other packages, and the man page does not show it at all."""
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted({each.words[0] for each in all_commands()})


def test_each_command_prints_json_too_or_we_know_why_not() -> None:
    assert {name for name, command in ALL.items() if "--json" not in option_names(command)} == WITHOUT_JSON.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", *sorted(ALL.keys() - WITHOUT_JSON.keys() - {"chat", "doctor"})])
def test_json_is_objects_that_begin_with_the_team(name: str, run_at_home: Runner) -> None:
    _, printed, told = run_at_home([*name.split(), *(needed_words(ALL[name]) if name in ALL else []), "--json"])

    assert printed or told
    for found in objects_in(printed):
        assert next(iter(found.items())) == ("team", "default")


def test_json_is_printed_by_one_module_so_that_it_always_names_the_team() -> None:
    commands = [ROOT / "supervisor/teamsup/cli", ROOT / "hub/teamsup/terminal", *ROOT.glob("workers/**/*command.py")]
    sources = [path for each in commands for path in ([each] if each.is_file() else each.rglob("*.py"))]

    found = {path.stem for path in sources if re.search(r"print\(.*json\.dumps|stdout.*json\.dumps", path.read_text())}

    assert len(sources) > 50
    assert found == {"json_output"}


@pytest.mark.parametrize("words", [
    ["agents", "rm", "lead"], ["forget", "console-ann"], ["hub", "prune", "--days", "0"],
    ["pair", "--remove", "7"],
], ids=" ".join)  # fmt: skip
def test_a_dry_run_for_programs_says_that_it_was_one(words: list[str], run_at_home: Runner) -> None:
    first, printed, told = run_at_home([*words, "--dry-run", "--json"])
    (found,) = objects_in(printed)

    assert (first, found["team"], found["dry_run"], told) == (0, "default", True, "")
    assert found["text"].startswith("Would ")
    assert run_at_home([*words, "--dry-run", "--json"])[1] == printed


@pytest.mark.parametrize("name", ALL)
def test_a_command_that_destroys_something_asks_and_can_show_before_what_it_would_do(name: str) -> None:
    command = ALL[name]
    helps = [action.help or "" for action in options_of(command.parser) if action.dest not in ("yes", "dry_run")]
    if any(DESTROYS.match(text) for text in (command.summary, *helps)) and name not in KEEPS:
        assert {"--yes", "--dry-run", "--json"} <= option_names(command)


def test_quiet_verbose_and_team_mean_the_same_in_every_command() -> None:
    meanings: dict[str, set[str]] = {}
    for name, command in ALL.items():
        assert {"--team", "-v"} <= option_names(command), name
        for action in options_of(command.parser):
            for option in {"-q", "-v", "--team", "--json", "--yes"} & set(action.option_strings):
                meanings.setdefault(option, set()).add(action.dest)

    assert meanings == {
        "-q": {"quiet"}, "-v": {"verbose"}, "--team": {"team"}, "--json": {"json"}, "--yes": {"yes"}
    }  # fmt: skip


RUN_ON = {"start", "chat", "mcp", "watch", "demo", "doctor", "open", "service install", "service uninstall"}
"""They go on, take seconds, or change this machine. Tests of their own run them."""


@pytest.mark.parametrize("name", ["", "--help", "ps --help", *sorted(ALL.keys() - RUN_ON)])
def test_a_reader_that_has_left_ends_every_command_without_a_word(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [*name.split(), *(needed_words(ALL[name]) if name in ALL else [])]
    reader, writer = os.pipe()
    os.close(reader)

    with contextlib.chdir(home), monkeypatch.context() as here, os.fdopen(writer, "w") as output:
        here.setenv("TEAMSUP_HOME", str(home))
        here.setattr("sys.stdout", output)
        here.setattr("sys.stdin", io.StringIO())
        try:
            code: object = main(words)
        except SystemExit as end:
            code = end.code

    told = capfd.readouterr().err
    assert code in list(ExitCode)
    assert "Traceback" not in told
    assert "Broken pipe" not in told
    if code != ExitCode.NO_READER:
        # It had nothing to print, because something is missing here.
        assert told


@pytest.fixture
def run_at_home(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    """Run a command in this process; return its exit code and what it has printed."""

    def run(words: list[str]) -> tuple[object, str, str]:
        with contextlib.chdir(home), monkeypatch.context() as here:
            here.setenv("TEAMSUP_HOME", str(home))
            here.setattr("sys.stdin", io.StringIO())
            try:
                code: object = main(words)
            except SystemExit as end:
                code = end.code
        return code, *capsys.readouterr()

    return run


def objects_in(text: str) -> list[dict[str, Any]]:
    """Read the objects of JSON, one after another."""
    decoder, found = json.JSONDecoder(), []
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        with MessageHub(Team("default", Path(folder, "default")), agent="lead") as lead:
            lead.register()
            for number in range(3):
                lead.send("lead", "hi", message_id=str(number))
        with open_hub(component, Team("default", Path(folder, "default"))) as gateway:
            redeem_code(gateway, create_code(gateway), 7, "Ann")
        yield Path(folder)


def needed_words(command: Command) -> list[str]:
    """Words for what a command cannot do without."""
    needed = [
        each
        for each in command.parser._actions
        if each.required or (not each.option_strings and each.nargs in (None, "+"))
    ]
    return [
        word
        for each in needed
        if each.dest not in ("help",) and not each.choices
        for word in (*each.option_strings[-1:], "1")
    ]


def test_ctrl_c_while_python_still_imports_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "_import_when_needed", interrupted)

    assert program.main(["ps"]) == ExitCode.INTERRUPTED


def test_a_quiet_command_says_no_more_than_its_exit_code(
    teamsup: TeamsupCommand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEAMSUP_HOME", str(teamsup.home))

    assert (main(["init", "-q"]), capsys.readouterr()) == (0, ("", ""))
    assert main(["-q", "init"]) == ExitCode.USAGE
    assert "exists already" in capsys.readouterr().err
    assert (main(["teams"]), "default" in capsys.readouterr().out) == (0, True)


def test_a_verbose_command_says_where_in_the_program_an_error_arose(
    teamsup: TeamsupCommand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEAMSUP_HOME", str(teamsup.home))
    told = []
    for words in (["read"], ["read", "-v"], ["-v", "read"]):
        assert main(words) == ExitCode.NO_TEAM
        told.append(capsys.readouterr().err)

    assert ["in find_team" in text for text in told] == [False, True, True]
    assert len({text.splitlines()[-1] for text in told}) == 1


def test_a_fault_of_a_command_ends_with_a_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("teamsup.cli.commands.teams.list_teams", lambda _: 1 / 0)

    assert main(["teams"]) == ExitCode.INTERNAL
    assert "ZeroDivisionError" in capsys.readouterr().err


def hints() -> Iterator[tuple[str, list[str]]]:
    """The words behind ``teamsup`` of each hint in the source, with "1" for what is known only when it is printed."""
    for folder in ("hub", "supervisor", "workers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text("utf-8")
            if not re.search(r"command_hint\(|\bcall\(|(: |')teamsup ", text):
                continue
            for node in ast.walk(ast.parse(text)):
                where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    given = {"command_hint": node.args[1:], "call": node.args}.get(node.func.id, [])
                    if given and isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
                        yield (
                            where,
                            [
                                word
                                for each in given
                                if not isinstance(each, ast.Starred)
                                for word in text_of(each).split()
                            ],
                        )
                elif isinstance(node, ast.JoinedStr | ast.Constant):
                    for found in re.finditer(r"(?:: |')teamsup ([a-z-][^.;,:'()\n]*)", text_of(node)):
                        yield where, shlex.split(found[1])


def text_of(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(each) for each in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "1"


def test_each_hint_names_a_command_that_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    found, unknown = list(hints()), []
    for where, words in found:
        try:
            _parse(words)
        except SystemExit as end:
            refused = capsys.readouterr().err
            # "the message_id, as 'teamsup send' prints it" names a command, and not how to call it.
            if end.code and not re.search("arguments are required|expected one argument", refused):
                unknown.append((where, words, refused.splitlines()[-1]))

    assert unknown == []
    assert len(found) > 80
