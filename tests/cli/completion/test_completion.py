"""What a shell offers at Tab: from the parser, and from what the team has now."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.support import TeamsupCommand
from teamsup.cli.command_line import COMMANDS, build_parser
from teamsup.cli.commands import completion
from teamsup.cli.completion.completion import complete
from teamsup.cli.completion.known_commands import all_commands, options_of, values_of, verbs_of
from teamsup.hub import MessageHub
from teamsup.terminal.candidates import Kind, kind_of

NAMES = {Kind.WORKER: ["gateway", "web"], Kind.MEMBER: ["gateway", "lead"], Kind.TEAM: ["default", "night"]}


def offered(line: str) -> list[str]:
    command, *words = line.split(" ")
    ((_, _, parser),) = verbs_of(build_parser([command]))
    found = complete(parser, words, lambda kind: NAMES[kind])
    return [f":{found.paths}"] if found.paths else [each.word for each in found.candidates]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stop ", ["gateway", "web"]),
        ("stop gateway w", ["web"]),
        ("stop --timeout 5 g", ["gateway"]),
        ("stop --timeout ", []),
        ("ps l", ["lead"]),
        ("ps --j", ["--json"]),
        ("ps --json --j", []),
        ("ps --team n", ["night"]),
        ("ps --team=n", ["--team=night"]),
        ("signal gateway ", ["--help", "--team", "--quiet", "--verbose"]),
        ("hub re", ["restore", "retry"]),
        ("hub restore ", [":file"]),
        ("hub restore --d", ["--dry-run"]),
        ("hub dead", ["dead-letters"]),
        ("agents r", ["resume", "rm"]),
        ("agents rm l", ["lead"]),
        ("agents --json r", ["resume", "rm"]),
        ("send lead --priority u", ["urgent"]),
        ("send lead --priority urgent --js", ["--json"]),
        ("send -- l", ["lead"]),
        ("reload ", ["--help", "--timeout", "--team", "--quiet", "--verbose"]),
        ("init --project ", [":folder"]),
        ("completion z", ["zsh"]),
        ("alerts clo", ["close"]),
        ("ps --what-is-this ", ["gateway", "lead"]),
    ],
)
def test_each_word_that_fits_is_offered(line: str, words: list[str]) -> None:
    assert offered(line) == words


def test_each_argument_that_takes_a_name_is_completed() -> None:
    """``NAME`` in help is a name of the team, except for the few that are new."""
    new = {("open", "--as")}
    without = [
        (*command.words, action.option_strings[-1] if action.option_strings else action.dest)
        for command in all_commands()
        for action in (*values_of(command.parser), *options_of(command.parser))
        if action.metavar == "NAME" and kind_of(action) is None
    ]
    assert [each for each in without if each not in new] == []


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (["al"], ["alerts\tlist incidents and who acknowledged them"]),
        (["--team", "night", "send", "o"], ["owl"]),
        (["send", "o"], []),
        (["--team", "ni"], ["night"]),
        (["--versi"], ["--version\tshow the version and exit"]),
        (["help", "pair"], ["pair\tlet a Discord user write to the team"]),
        (["no-such-command", ""], []),
        (["hub", "backup", ""], [":file"]),
    ],
)
def test_a_shell_gets_lines_with_what_they_mean(
    line: list[str], lines: list[str], teamsup: TeamsupCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAMSUP_HOME", str(teamsup.home))
    with MessageHub(TeamsupCommand(teamsup.home, "night").team, agent="owl") as owl:
        owl.register()

    assert completion.answer("fish", line) == lines


def test_bash_splits_at_the_equals_sign_and_replaces_only_the_value() -> None:
    assert completion.answer("bash", ["send", "--priority", "=", "u"]) == ["urgent"]
    assert completion.answer("bash", ["send", "--priority", "="]) == ["low", "normal", "high", "urgent"]
    assert completion.answer("zsh", ["send", "--priority=u"]) == ["--priority=urgent"]


def test_every_command_is_offered() -> None:
    names = [line.partition("\t")[0] for line in completion.answer("zsh", [""])]

    assert set(COMMANDS) < set(names)


BASH = 'COMP_WORDS=(teamsup {words}); COMP_CWORD={count}; _teamsup; printf "%s\\n" "${{COMPREPLY[@]}}"'
FISH = 'complete -C "teamsup {words}"'


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_the_shell_itself_accepts_the_lines_and_completes_with_them(shell: str, teamsup: TeamsupCommand) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    with MessageHub(teamsup.team, agent="lead") as hub:
        hub.register()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = teamsup.run("completion", shell).stdout
    asked = {
        "bash": BASH.format(words="send le", count=2),
        "fish": FISH.format(words="send le"),
        "zsh": "words=(teamsup send le); CURRENT=3; _describe() { print -rl -- ${(P)argv[-1]} }; _teamsup",
    }
    start = "autoload -U compinit; compinit -D\n" if shell == "zsh" else ""
    done = subprocess.run(
        [program, "-c", f"{start}{script}{asked[shell]}"],
        env={**teamsup.environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("lead\n", "")
