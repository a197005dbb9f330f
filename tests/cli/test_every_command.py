"""What holds for every command and every verb, also for those of components and for those of tomorrow."""

import ast
import contextlib
import io
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.support import TeamsupCommand
from teamsup.cli import main as program
from teamsup.cli.command_line import _parse, main
from teamsup.cli.completion.known_commands import Command, all_commands, options_of
from teamsup.hub import MessageHub, Team
from teamsup.hub.errors import ExitCode

ROOT = Path(__file__).parents[2]
ALL = {" ".join(each.words): each for each in all_commands() if each.runs}

READS = re.compile(r"(show|list|read|check)\b", re.IGNORECASE)
WITHOUT_JSON = {
    "demo": "its story is for people",
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


@pytest.mark.parametrize("name", ALL)
def test_a_command_that_shows_something_prints_json_too(name: str) -> None:
    if READS.match(ALL[name].summary) and name not in WITHOUT_JSON:
        assert "--json" in option_names(ALL[name])


@pytest.mark.parametrize("name", ALL)
def test_a_command_that_destroys_something_asks_and_can_show_before_what_it_would_do(name: str) -> None:
    command = ALL[name]
    helps = [action.help or "" for action in options_of(command.parser) if action.dest not in ("yes", "dry_run")]
    if any(DESTROYS.match(text) for text in (command.summary, *helps)) and name not in KEEPS:
        assert {"--yes", "--dry-run"} <= option_names(command)


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


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        with MessageHub(Team("default", Path(folder, "default")), agent="lead") as lead:
            lead.register()
            lead.send("lead", "hi", message_id="1")
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
