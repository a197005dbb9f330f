"""Write docs/teamsup.1 from the parser: every command, verb and option. Run `make pictures`."""

import argparse
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from teamsup.cli.completion.known_commands import Command, all_commands, help_of, options_of, values_of
from teamsup.cli.help_text import EXAMPLES, GROUPS

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("teamsup.1")
COMMON = ("help", "team", "quiet", "verbose")
"""Options of every command, which are described once."""
ENVIRONMENT = {
    "TEAMSUP_TEAM": "the team, where --team does not name one",
    "TEAMSUP_HOME": "the folder with the folders of the teams, instead of ~/.claude/teams",
    "TEAMSUP_HUB": "the address of the server that stores the team, instead of hub under [team]",
    "TEAMSUP_AGENT": "the agent of a Claude Code session, for mcp and watch",
    "NO_COLOR": "set to anything: no colours",
}


def write() -> str:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    commands = {each.words: each for each in all_commands()}
    lines = [
        r".\" Written by docs/write_man_page.py.",
        f'.TH TEAMSUP 1 "" "teamsup {version}"',
        *section("NAME", r"teamsup \- a message hub, a supervisor and bridges for a team of agents"),
        *section("SYNOPSIS", r".B teamsup", r"[\fB\-\-team\fR \fINAME\fR] [\fICOMMAND\fR ...]"),
        *section(
            "DESCRIPTION",
            escape(
                "Without a command it shows the state of the team, what needs a person, and which command shows more."
            ),
        ),
        *section("OPTIONS"),
        *entry(r"\fB\-\-team\fR \fINAME\fR", "the team (default: $TEAMSUP_TEAM or 'default')"),
        *entry(r"\fB\-q\fR, \fB\-\-quiet\fR", "print only errors; the exit code shows the result"),
        *entry(r"\fB\-v\fR, \fB\-\-verbose\fR", "after an error, also print the traceback"),
        *entry(r"\fB\-\-json\fR", "print JSON, with each command that shows something"),
        *entry(r"\fB\-\-version\fR", "show the version and exit"),
        *entry(r"\fB\-h\fR, \fB\-\-help\fR", "show the help, also of a command"),
        ".PP",
        "The first three may stand before or after the command.",
        *section("COMMANDS"),
    ]
    for title, names in GROUPS.items():
        lines.append(f'.SS "{title}"')
        for name in names:
            for words, command in commands.items():
                if words[0] == name:
                    lines += describe(command)
    lines += section("EXIT STATUS")
    for code, meaning in exit_codes().items():
        lines += entry(rf"\fB{code}\fR", meaning)
    lines += section("ENVIRONMENT")
    for name, meaning in ENVIRONMENT.items():
        lines += entry(rf"\fB{name}\fR", meaning)
    lines += [
        *section("FILES"),
        *entry(r"\fI~/.claude/teams/NAME/teamsup.toml\fR", "the configuration of a team: teamsup init writes it"),
        *entry(r"\fI~/.claude/teams/NAME/messages.db\fR", "its messages"),
        *entry(r"\fI~/.claude/teams/NAME/logs/\fR", "the output of its workers, with times in UTC"),
        *section("EXAMPLES"),
    ]
    for text, why in EXAMPLES.items():
        lines += entry(rf"\fB{escape(text)}\fR", why)
    return "\n".join(lines) + "\n"


def section(title: str, *lines: str) -> list[str]:
    return [f'.SH "{title}"', *lines]


def entry(what: str, text: str) -> list[str]:
    return [".TP", what, escape(text)]


def describe(command: Command) -> Iterator[str]:
    """Yield the lines about a command or a verb: how it is called, what it does, and its own options."""
    if not command.runs:
        yield from entry(rf"\fBteamsup {escape(' '.join(command.words))}\fR \fIVERB\fR", command.summary)
        return
    options = [each for each in options_of(command.parser) if each.dest not in COMMON]
    call = [rf"\fBteamsup {escape(' '.join(command.words))}\fR", *(["[\\fIoptions\\fR]"] if options else [])]
    yield from entry(" ".join([*call, *map(name_value, values_of(command.parser))]), command.summary)
    values = [each for each in values_of(command.parser) if each.help and each.help != argparse.SUPPRESS]
    if not values and not options:
        return
    yield ".RS"
    for value in values:
        yield from entry(rf"\fI{escape(str(value.metavar or value.dest))}\fR", help_of(command.parser, value))
    for option in options:
        yield from entry(name_option(option), help_of(command.parser, option))
    yield ".RE"


def name_value(action: argparse.Action) -> str:
    name = rf"\fI{escape(str(action.metavar or action.dest))}\fR"
    match action.nargs:
        case "?":
            return f"[{name}]"
        case "*" | argparse.REMAINDER:
            return f"[{name} ...]"
        case "+":
            return f"{name} ..."
    return name


def name_option(action: argparse.Action) -> str:
    names = ", ".join(rf"\fB{escape(each)}\fR" for each in action.option_strings)
    if action.nargs == 0:
        return names
    return (
        rf"{names} \fI{escape(str(action.metavar or '|'.join(map(str, action.choices or [action.dest.upper()]))))}\fR"
    )


def exit_codes() -> dict[str, str]:
    """Return the meaning of each code, from the table of docs/commands.md, which a test compares with the program."""
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    return dict(re.findall(r"^\| (\d+) \| (.*?) \|$", page, re.MULTILINE))


def escape(text: str) -> str:
    """Return the text with the marks that let man show these characters."""
    plain = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", "")
    plain = "".join(each if each.isascii() else rf"\[u{ord(each):04X}]" for each in plain)
    return rf"\&{plain}" if plain.startswith(".") else plain


if __name__ == "__main__":
    PAGE.write_text(write(), encoding="utf-8")
