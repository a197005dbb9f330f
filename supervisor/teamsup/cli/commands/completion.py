"""``teamsup completion``: let a shell complete the words of a command line."""

import argparse
import contextlib
import io
import itertools
import os
from collections.abc import Iterable, Sequence
from importlib.resources import files

from teamsup.hub import Team, TeamsupError
from teamsup.terminal.candidates import Kind
from teamsup.terminal.formatting import sanitize

_SHELLS = ("bash", "zsh", "fish")
EXAMPLES = ("teamsup completion bash",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print the lines that let a shell complete commands, options, and the names of workers, agents and teams. "
        "The shell asks teamsup at each Tab, so the lines stay valid after an update."
    )
    parser.epilog = (
        'Add the line for your shell to its start file. bash, in ~/.bashrc: eval "$(teamsup completion bash)". '
        'zsh, in ~/.zshrc after compinit: eval "$(teamsup completion zsh)". '
        "fish, in ~/.config/fish/config.fish: teamsup completion fish | source"
    )
    parser.add_argument("shell", metavar="SHELL", choices=_SHELLS, help="bash, zsh or fish")
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="WORD",
        help="the words of a command line; the shell passes them to get the completions of the last word",
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.words:
        for line in answer(arguments.shell, arguments.words[1:] or [""]):
            print(line)
    else:
        print(files("teamsup.cli.completion").joinpath(f"completion.{arguments.shell}").read_text("utf-8"), end="")
    return 0


def answer(shell: str, words: Sequence[str]) -> list[str]:
    """Return the lines for a shell: one for each candidate, with its meaning after a tab, if the shell shows it. A
    first line ``:file`` or ``:folder`` asks the shell to complete a path.
    """
    from ..completion.completion import complete

    joined = _join_values(words) if shell == "bash" else list(words)
    parser, rest = _find_parser(joined)
    if parser is None:
        return [_line(shell, name, meaning) for name, meaning in _commands() if name.startswith(joined[-1])]
    team = next((after for word, after in itertools.pairwise(joined) if word == "--team"), None)
    found = complete(parser, rest, lambda kind: _names(kind, team))
    # bash replaces only the text after the "=".
    cut = joined[-1].index("=") + 1 if shell == "bash" and words[-1] != joined[-1] and "=" in joined[-1] else 0
    lines = [_line(shell, each.word[cut:], each.meaning) for each in found.candidates]
    return lines if found.paths is None else [f":{found.paths}", *lines]


def _line(shell: str, word: str, meaning: str) -> str:
    return sanitize(word if shell == "bash" or not meaning else f"{word}\t{meaning}").replace("\n", " ")


def _join_values(words: Sequence[str]) -> list[str]:
    """Return the words as they were typed. bash passes ``--team=night`` as three words."""
    joined: list[str] = []
    for word in words:
        if joined and (word == "=" or joined[-1].endswith("=")) and joined[-1].startswith("--"):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _find_parser(words: Sequence[str]) -> tuple[argparse.ArgumentParser | None, Sequence[str]]:
    """Return the parser for the last word, and the words for this parser. Without a parser, the last word
    is a command.
    """
    from ..command_line import build_parser, position_of_command
    from ..completion.known_commands import verbs_of

    before = words[:-1]
    position = position_of_command(before)
    chosen = None if position is None else before[position]
    if chosen == "help" or (chosen is None and not words[-1].startswith("-") and before[-1:] != ["--team"]):
        return None, words
    # A command that cannot be loaded reports that when the person runs it.
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
        parser = build_parser(before)
        if position is None:
            return parser, words
        for name, _, command in verbs_of(parser):
            if name == chosen:
                return command, words[position + 1 :]
    return argparse.ArgumentParser(add_help=False), words


def _commands() -> Iterable[tuple[str, str]]:
    from ..completion.known_commands import summaries

    return [*summaries().items(), ("help", "show the help of a command")]


def _names(kind: Kind, team: str | None) -> Iterable[str]:
    """Return the names that exist now, or none if they cannot be read."""
    with contextlib.suppress(TeamsupError, OSError):
        if kind is Kind.TEAM:
            from .teams import list_teams

            return [each.name for each in list_teams(Team.named(None).folder.parent)]
        from teamsup.status.team_status import read_team_status

        rows = read_team_status(Team.named(team or os.environ.get("TEAMSUP_TEAM") or None)).rows
        return [row.name for row in rows if kind is Kind.MEMBER or row.kind == "daemon"]
    return []
