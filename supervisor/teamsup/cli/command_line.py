"""The command line: import only the sub-command, run it, and turn errors into a sentence and an exit code."""

import argparse
import contextlib
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from teamsup.hub.errors import ExitCode, TeamsupError
from teamsup.hub.team import Team
from teamsup.terminal.candidates import Kind, complete_as
from teamsup.terminal.formatting import sanitize

from .help_text import HelpFormatter, render_help

if TYPE_CHECKING:
    from teamsup.config.entry_points import EntryPoint

COMMANDS = {
    "init": "write a commented teamsup.toml; with --claude, set up a project's Claude Code",
    "start": "run the team, or start one worker of a running team",
    "stop": "stop the team, or one worker",
    "restart": "restart one worker",
    "signal": "send a signal such as USR1 to the process of a worker",
    "reload": "apply a changed teamsup.toml and restart only the workers that it changes",
    "ps": "show the state of the supervisor, the workers and the agents",
    "logs": "show the output of the workers",
    "doctor": "check all parts of the team and of a project, and show how to mend faults",
    "config": "check teamsup.toml, show where each value comes from, and print its JSON Schema",
    "service": "let systemd or launchd run the team: install, uninstall, status",
    "teams": "list the teams of this machine",
    "docs": "list the pages of the documentation of this version, or show one",
    "completion": "let bash, zsh or fish complete commands, options and names",
    "chat": "talk to the team",
    "send": "send one message",
    "read": "read your messages",
    "trace": "show what happened to a message",
    "agents": "list the agents that the team knows; start, pause, resume or forget one",
    "hub": "inspect and maintain the message store: stats, check, backup, restore, copy, export, import, prune, "
    "dead-letters, retry",
    "mcp": "serve one agent's MCP tools on stdin and stdout, for Claude Code",
    "watch": "print a line when a new message waits for an agent, to wake its Claude Code session",
}
_LOOK_THEMSELVES = ("ps", "doctor", "service", "teams", "config", "completion", "docs")
"""Commands that report a missing team folder themselves."""
_FOR_PROGRAMS = ("mcp", "watch")
"""Commands whose output a program reads. --quiet would be useless for them."""
_FLUSH_THEMSELVES = ("start",)
"""Commands that may have a thread that is printing to a blocked terminal."""
_QUIET = "print only errors; the exit code shows the result"
_VERBOSE = "after an error, also print the traceback"
_MAX_ERROR_CHARACTERS = 500


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    _mend_streams()
    try:
        try:
            return _run_words(words)
        finally:
            # Python flushes at its exit too, but it cannot report there that the reader has left.
            if find_command(words) not in _FLUSH_THEMSELVES:
                sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has left. Without this, Python would report an error at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.NO_READER


def _mend_streams() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Our caller has closed this stream.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # A message must be printed in spite of an old terminal's encoding, or bytes that are not text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _run_words(words: list[str]) -> int:
    """Run one command, and turn its errors into a sentence and an exit code. Raise BrokenPipeError."""
    try:
        arguments = _parse(words)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    os.umask(0o077)
    try:
        with _silence() if arguments.quiet else contextlib.nullcontext():
            if not arguments.looks_itself:
                _require_folder(arguments.team)
            return int(arguments.run(arguments))
    except TeamsupError as error:
        _show_origin(arguments)
        print(f"teamsup: {sanitize(_qualify(arguments.team, str(error)))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        _show_origin(arguments)
        print(f"teamsup: {sanitize(str(error))[:_MAX_ERROR_CHARACTERS]}", file=sys.stderr)
        return ExitCode.STORE_FAILED
    except Exception:
        _show_origin(argparse.Namespace(verbose=True))
        print("teamsup: This is a fault of the command. Please report it with the lines above.", file=sys.stderr)
        return ExitCode.INTERNAL


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Suppress results and progress. Only errors, and questions to a person, are printed."""
    from teamsup.terminal import progress

    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere), progress.silenced():
        yield


def _show_origin(arguments: argparse.Namespace) -> None:
    """Print where in the program the current error arose, if -v asks for it."""
    if arguments.verbose:
        import traceback

        print(sanitize(traceback.format_exc()), end="", file=sys.stderr)


def _qualify(name: str | None, text: str) -> str:
    from teamsup.terminal.hints import qualify_hints

    try:
        return qualify_hints(Team.named(name), text)
    except TeamsupError:
        return text


def _require_folder(name: str | None) -> None:
    """Raise StoreUnavailable if the team's folder is missing and a supervisor waits for its return."""
    team = Team.named(name)
    if not team.folder.is_dir():
        from teamsup.status.team_lock import require_folder

        require_folder(team)


def _parse(words: list[str]) -> argparse.Namespace:
    """Return the arguments of the chosen command. Exit for --help, and for words that are not understood."""
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    parser = build_parser(words)
    arguments, rest = parser.parse_known_args(words)
    if rest:
        parser.refuse_options(rest, words)
    return arguments


def build_parser(words: Sequence[str]) -> "_Parser":
    """Return a parser that knows the chosen command. Without a command, the program shows the state of the team."""
    parser = _Parser(prog="teamsup", allow_abbrev=False, render=_render_help)
    team = parser.add_argument("--team", metavar="NAME", help="the team (default: $TEAMSUP_TEAM or 'default')")
    complete_as(Kind.TEAM, team)
    parser.add_argument("-q", "--quiet", action="store_true", help=_QUIET)
    parser.add_argument("-v", "--verbose", action="store_true", help=_VERBOSE)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    chosen = find_command(words)
    if chosen is None:
        parser.add_argument("--json", action="store_true", help="print JSON for programs")
        parser.set_defaults(run=_show_overview, looks_itself=True)
        return parser
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, prog="teamsup")
    if chosen in COMMANDS:
        module = importlib.import_module(f"teamsup.cli.commands.{chosen}")
        description = _as_sentence(COMMANDS[chosen])
        _load(subparsers.add_parser(chosen, description=description, examples=_examples_of(module)), chosen, module)
        return parser
    from .component_commands import find_commands

    components = find_commands(COMMANDS)
    if chosen not in components:
        from .completion.suggestions import suggest_command

        parser.error(suggest_command(chosen, (*COMMANDS, *components)))
    plugin = _import_plugin(parser, chosen, components[chosen])
    _load(subparsers.add_parser(chosen, examples=_examples_of(plugin)), chosen, plugin)
    return parser


def find_command(words: Sequence[str]) -> str | None:
    """Return the first word that is not an option and not the name after --team."""
    position = position_of_command(words)
    return None if position is None else words[position]


def position_of_command(words: Sequence[str]) -> int | None:
    """Return the number of words before the command, or None if there is no command."""
    rest = enumerate(words)
    for position, word in rest:
        if word == "--team":
            next(rest, None)
        elif not word.startswith("-"):
            return position
    return None


def _show_overview(arguments: argparse.Namespace) -> int:
    from . import overview

    return overview.run(arguments)


def _render_help() -> str:
    from .component_commands import find_commands, summarize

    return render_help(COMMANDS, {name: summarize(points) for name, points in find_commands(COMMANDS).items()})


def _import_plugin(parser: argparse.ArgumentParser, name: str, points: "tuple[EntryPoint, ...]") -> ModuleType:
    """Return the module of a component's command. If it cannot be loaded, exit with the reason."""
    if len(points) > 1:
        from teamsup.config.entry_points import describe_collision

        parser.exit(ExitCode.NOT_CONFIGURED, f"teamsup: {describe_collision('command', name, points)}\n")
    try:
        module = importlib.import_module(points[0].value)
        # Find its faults now, before anything is parsed.
        module.add_arguments(_Parser())
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        parser.exit(ExitCode.INTERNAL, f"teamsup: The command {name} cannot be loaded from {points[0].value}: {why}.\n")
    return module


def _examples_of(module: ModuleType) -> Sequence[str]:
    return tuple(getattr(module, "EXAMPLES", ()))


def _load(command: argparse.ArgumentParser, name: str, module: Any) -> None:  # noqa: ANN401 - a module
    module.add_arguments(command)
    _add_common_options(command, with_quiet=name not in _FOR_PROGRAMS)
    command.set_defaults(run=module.run, looks_itself=name in _LOOK_THEMSELVES)


def _add_common_options(command: argparse.ArgumentParser, *, with_quiet: bool) -> None:
    """Let a command and each of its verbs accept the common options, which ``teamsup`` accepts before them.

    These options do not have a default, which would replace a value that was given before the command.
    """
    common: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (("--team",), {"metavar": "NAME", "help": "the team; --team may also come before the command"}),
        *([(("-q", "--quiet"), {"action": "store_true", "help": _QUIET})] if with_quiet else []),
        (("-v", "--verbose"), {"action": "store_true", "help": _VERBOSE}),
    ]
    for names, options in common:
        if names[-1] not in command._option_string_actions:
            action = command.add_argument(*names, default=argparse.SUPPRESS, **options)
            if names == ("--team",):
                complete_as(Kind.TEAM, action)
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                if verb.add_help:
                    _add_common_options(verb, with_quiet=with_quiet)


def _as_sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


class _Parser(argparse.ArgumentParser):
    """A parser whose refusals suggest the probable word, and whose help has examples."""

    def __init__(
        self,
        *,
        examples: Sequence[str] = (),
        render: Callable[[], str] | None = None,
        **options: Any,  # noqa: ANN401 - those of ArgumentParser
    ) -> None:
        super().__init__(**{"formatter_class": HelpFormatter, **options})
        self._examples = examples
        self._render = render

    def format_help(self) -> str:
        if self._render is not None:
            return self._render()
        shown = "\n".join(f"  {line}" for line in self._examples)
        return super().format_help() + (f"\nexamples:\n{shown}\n" if shown else "")

    def error(self, message: str) -> NoReturn:
        """Exit with a refusal that quotes at most a line or two of the typed words."""
        from .completion.suggestions import suggest_choice

        text = suggest_choice(message)
        self.print_usage(sys.stderr)
        short = text if len(text) <= _MAX_ERROR_CHARACTERS else text[: _MAX_ERROR_CHARACTERS - 1] + "…"
        self.exit(ExitCode.USAGE, f"{self.prog}: {sanitize(short)}\n")

    def refuse_options(self, unknown: Sequence[str], words: Sequence[str]) -> NoReturn:
        """Refuse words that the command does not know. Name the chosen command or verb in the refusal."""
        from .completion.suggestions import suggest_option

        parser: argparse.ArgumentParser = self
        for word in words:
            for action in parser._actions:
                if isinstance(action, argparse._SubParsersAction) and word in action.choices:
                    parser = action.choices[word]
        parser.error(suggest_option(unknown, list(parser._option_string_actions)))


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"teamsup {version('teamsup')}")
        parser.exit()
