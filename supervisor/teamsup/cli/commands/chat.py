"""``teamsup chat``: a person or a script talks to the team."""

import argparse
import contextlib
import os
import sys
from datetime import UTC, datetime

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import Delivery, Message, StaleLease, Team, TeamsupError
from teamsup.status.host_status import is_running
from teamsup.status.team_lock import describe_not_running
from teamsup.terminal.console import (
    ConsoleChat,
    NoAnswer,
    acquire_console_name,
    exit_code_of,
    is_answer,
    is_final_answer,
    open_console,
    receive,
)
from teamsup.terminal.formatting import describe_presence, sanitize
from teamsup.terminal.hints import command_hint
from teamsup.terminal.json_output import print_json_line

from ..arguments import non_negative
from ..chat.lines import as_json, side_note

_LEASE_MARGIN_SECONDS = 60.0
_MAX_LEASE_SECONDS = 86400.0


EXAMPLES = ("teamsup chat", "teamsup chat --once 'how is the load?'")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Exit codes: 0 all questions are answered; 65 the team refused a question; 67 no agent can answer it; "
        "69 an answer is late; 70 an answer is an error. "
        "In a terminal, Alt-Enter or a backslash at the end begins a new line. "
        "Ctrl-C clears the line; on an empty line Ctrl-C or Ctrl-D ends the chat."
    )
    parser.add_argument(
        "--once",
        metavar="TEXT",
        help="ask this question, print all answers, and end; '-' reads the question from stdin",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object in one line for each message")
    parser.add_argument(
        "--timeout",
        type=non_negative,
        default=30.0,
        metavar="SECONDS",
        help="time limit for each answer; only with --once or with lines from a pipe (default: 30)",
    )


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    team.create()
    with open_console(team, acquire_console_name(team)) as hub:
        hub.enroll(USER_COMM, "daemon")
        # No other terminal has this name, so leases under it belong to a dead terminal.
        hub.maintenance.release_abandoned()
        if not is_running(team):
            print(f"teamsup: Your messages are kept. {describe_not_running(team)}", file=sys.stderr)
        chat = ConsoleChat(hub)
        try:
            if arguments.once is not None:
                return _ask_once(chat, arguments)
            if arguments.json or not _is_terminal():
                return _ask_lines(chat, arguments)
        except TeamsupError as error:
            if arguments.json:
                print_json_line(team.name, error=str(error))
            raise
        return _chat_in_terminal(chat)


def _is_terminal() -> bool:
    """Return whether a person uses a terminal that can move its cursor."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _chat_in_terminal(chat: ConsoleChat) -> int:
    with contextlib.suppress(KeyboardInterrupt):
        from ..chat.screen import run_chat  # its imports are heavy, and only people at a terminal need them

        return run_chat(chat)
    return 0


def _ask_lines(chat: ConsoleChat, arguments: argparse.Namespace) -> int:
    """Send the lines from a pipe as questions, one after another, and return the exit code. Raise NoAnswer if an answer
    is late.
    """
    codes = [_ask(chat, line.strip(), arguments) for line in sys.stdin if line.strip()]
    if missing := codes.count(None):
        raise _no_answer(chat, f"{missing} of {len(codes)} lines have no answer yet.")
    return next((code for code in codes if code), 0)


def _ask(chat: ConsoleChat, line: str, arguments: argparse.Namespace) -> int | None:
    """Ask, and return the exit code, or None if an answer is missing. Answers go to stdout, all other lines to stderr.

    An answer that reports a failure goes to stderr too, unless --json is set.
    """
    question = chat.send(line)
    code = 0
    for delivery in receive(chat.hub, arguments.timeout):
        answered = is_answer(delivery, question)
        code = _print(chat, delivery.message, answered, arguments) or code
        chat.hub.acknowledge(delivery)
        if answered and is_final_answer(delivery.message):
            return code
    return None


def _ask_once(chat: ConsoleChat, arguments: argparse.Namespace) -> int:
    """Send a script's question to one or more agents, and return the exit code. Leave other messages unread. Raise
    NoAnswer.
    """
    question = chat.send(sys.stdin.read().strip() if arguments.once == "-" else arguments.once)
    others: list[Delivery] = []
    code, missing = 0, "There is no answer yet."
    try:
        lease = min(arguments.timeout + _LEASE_MARGIN_SECONDS, _MAX_LEASE_SECONDS)
        for delivery in receive(chat.hub, arguments.timeout, lease=lease, read=False):
            if not chat.contains(delivery.message):
                others.append(delivery)
                continue
            chat.hub.mark_read(delivery)
            answered = is_answer(delivery, question)
            code = _print(chat, delivery.message, answered, arguments) or code
            chat.hub.acknowledge(delivery)
            if answered and is_final_answer(delivery.message):
                return code
            if answered:
                missing = "Not all have answered yet."
    finally:
        for delivery in others:
            with contextlib.suppress(StaleLease):
                chat.hub.release(delivery)
    raise _no_answer(chat, missing)


def _print(chat: ConsoleChat, message: Message, answered: bool, arguments: argparse.Namespace) -> int:
    """Print a message; return its exit code."""
    code = exit_code_of(message) if answered else 0
    if arguments.json:
        print_json_line(chat.hub.team.name, **as_json(message, failed=code != 0))
    elif answered and not code:
        print(sanitize(message.content), flush=True)
    if code:
        print(f"teamsup: {sanitize(message.content)}", file=sys.stderr, flush=True)
    elif not answered and not arguments.json:
        print(side_note(message), file=sys.stderr, flush=True)
    return code


def _no_answer(chat: ConsoleChat, sentence: str) -> NoAnswer:
    where = command_hint(chat.hub.team, "read", "--agent", chat.hub.agent, "--wait", "60")
    answerer = chat.hub.find_agent(USER_COMM)
    now = datetime.now(UTC)
    absent = answerer is not None and not answerer.is_present(now)
    why = f" {USER_COMM} is {describe_presence(answerer, now)}." if answerer is not None and absent else ""
    return NoAnswer(f"{sentence}{why} It will arrive in: {where}")
