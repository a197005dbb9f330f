"""``teamsup read``."""

import argparse
import sys

from teamsup.hub import Delivery, UnknownRecipient
from teamsup.terminal.candidates import Kind, complete_as
from teamsup.terminal.console import console_name, is_console_name_held, open_as
from teamsup.terminal.formatting import format_age, sanitize
from teamsup.terminal.hints import find_team
from teamsup.terminal.json_output import fields_of, print_json_line

from ..arguments import non_negative, positive_integer

EXAMPLES = ("teamsup read", "teamsup read --wait 60 --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    complete_as(
        Kind.MEMBER,
        parser.add_argument("--agent", metavar="NAME", help="the agent whose messages to read (default: you)"),
    )
    parser.add_argument(
        "--limit", type=positive_integer, default=20, metavar="N", help="at most N messages (default: 20)"
    )
    parser.add_argument("--wait", type=non_negative, default=0.0, metavar="SECONDS", help="wait for the first message")
    parser.add_argument("--json", action="store_true", help="print one JSON object in each line")


def run(arguments: argparse.Namespace) -> int:
    team = find_team(arguments.team)
    if arguments.agent is None and is_console_name_held(team, console_name()):
        print("Your open chat shows your messages.", file=sys.stderr)
        return 0
    with open_as(team, arguments.agent) as hub:
        count = 0
        if hub.wait(arguments.wait):
            # Claim one message at a time, so that a message that cannot be printed is not acknowledged.
            while count < arguments.limit and (claimed := hub.claim()):
                for delivery in claimed:
                    if arguments.json:
                        print_json_line(team.name, **fields_of(delivery.message))
                    else:
                        print(_as_text(delivery), flush=True)
                    hub.acknowledge(delivery)
                    count += 1
        if not count and arguments.agent is not None and hub.find_agent(arguments.agent) is None:
            raise UnknownRecipient(f"There is no agent {arguments.agent!r} in this team. List them with: teamsup ps")
    if not count:
        print("Nothing to read.", file=sys.stderr)
    return 0


def _as_text(delivery: Delivery) -> str:
    message = delivery.message
    return sanitize(f"{message.sender}, {format_age(message.created_at)}: {message.content}")
