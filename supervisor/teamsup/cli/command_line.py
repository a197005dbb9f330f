"""The command line: import only the sub-command, run it, and turn errors into a sentence and an exit code."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from teamsup.config.entry_points import EntryPoint, describe_collision
from teamsup.hub.errors import TeamsupError
from teamsup.hub.team import Team
from teamsup.terminal.formatting import sanitize

from .component_commands import find_commands, summarize

COMMANDS = {
    "init": "write a commented teamsup.toml; with --claude, set up a project's Claude Code",
    "start": "run the team, or start one worker of a running team",
    "stop": "stop the team, or one worker",
    "ps": "show the state of the supervisor, the workers and the agents",
    "restart": "restart one worker",
    "signal": "send a signal such as USR1 to the process of a worker",
    "reload": "apply a changed teamsup.toml and restart only the workers that it changes",
    "logs": "show the output of the workers",
    "service": "let systemd or launchd run the team: install, uninstall, status",
    "chat": "talk to the team",
    "send": "send one message",
    "read": "read your messages",
    "agents": "list the agents that the team knows; start, pause, resume or forget one",
    "hub": "inspect and maintain the message store: stats, check, backup, restore, prune, dead-letters, retry",
    "doctor": "check all parts of the team and of a project, and show the remedies",
    "mcp": "serve one agent's MCP tools on stdin and stdout, for Claude Code",
    "watch": "print a line when a new message waits for an agent, to wake its Claude Code session",
}
_LOOK_THEMSELVES = ("ps", "doctor", "service")
"""Commands that report a missing team folder themselves."""
_MAX_ERROR_CHARACTERS = 500

_EPILOG = (
    "The team is --team NAME, else $TEAMSUP_TEAM, else 'default'. "
    "Its folder is in $TEAMSUP_HOME, else in ~/.claude/teams."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Our caller has closed this stream.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # A message must be printed in spite of an old terminal's encoding, or bytes that are not text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    arguments = _parser(words).parse_args(words)
    os.umask(0o077)
    try:
        if not arguments.looks_itself:
            _require_folder(arguments.team)
        return int(arguments.run(arguments))
    except TeamsupError as error:
        print(f"teamsup: {sanitize(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has left. Without this, Python would report an error at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"teamsup: {sanitize(str(error))[:_MAX_ERROR_CHARACTERS]}", file=sys.stderr)
        return os.EX_IOERR


def _require_folder(name: str | None) -> None:
    """Raise StoreUnavailable if the team's folder is away and a supervisor waits for it."""
    team = Team.named(name)
    if not team.folder.is_dir():
        from teamsup.status.team_lock import require_folder

        require_folder(team)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="teamsup", description="A message hub, a supervisor and bridges for a team of agents.", epilog=_EPILOG
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    chosen = next((word for word in words if not word.startswith("-")), None)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, help_text in COMMANDS.items():
        if name != chosen and chosen in COMMANDS and words[0] == chosen:
            # Nobody will see it.
            continue
        command = subparsers.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
        _add_team(command)
        if name == chosen:
            _load(command, name, importlib.import_module(f"teamsup.cli.commands.{name}"))
    if chosen not in COMMANDS:
        for name, points in find_commands(COMMANDS).items():
            command = subparsers.add_parser(name, help=summarize(points) if chosen is None else "")
            _add_team(command)
            if name == chosen:
                _load_plugin(command, name, points)
    return parser


def _load_plugin(command: argparse.ArgumentParser, name: str, points: tuple[EntryPoint, ...]) -> None:
    """Load the command of a component. If that fails, exit with the reason."""
    if len(points) > 1:
        command.exit(os.EX_CONFIG, f"teamsup: {describe_collision('command', name, points)}\n")
    try:
        _load(command, name, importlib.import_module(points[0].value))
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        command.exit(os.EX_SOFTWARE, f"teamsup: The command {name} cannot be loaded from {points[0].value}: {why}.\n")


def _add_team(command: argparse.ArgumentParser) -> None:
    command.add_argument("--team", metavar="NAME", help="the team (default: $TEAMSUP_TEAM or 'default')")


def _load(command: argparse.ArgumentParser, name: str, module: Any) -> None:  # noqa: ANN401 - a module
    module.add_arguments(command)
    command.set_defaults(run=module.run, looks_itself=name in _LOOK_THEMSELVES)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Refuse, and quote at most a line or two of the typed words."""
        super().error(message if len(message) <= _MAX_ERROR_CHARACTERS else message[: _MAX_ERROR_CHARACTERS - 1] + "…")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"teamsup {version('teamsup')}")
        parser.exit()
