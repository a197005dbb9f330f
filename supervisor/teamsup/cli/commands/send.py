"""``teamsup send``."""

import argparse
import sys
from datetime import UTC, datetime

from teamsup.hub.errors import ExitCode
from teamsup.hub.models import PRIORITIES
from teamsup.terminal.candidates import Kind, complete_as
from teamsup.terminal.console import open_as, session_metadata
from teamsup.terminal.formatting import describe_presence, sanitize
from teamsup.terminal.hints import find_team
from teamsup.terminal.json_output import print_json

EXAMPLES = ("teamsup send lead 'v2 is out'", "teamsup send lead --priority urgent -   # the text from stdin")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    complete_as(Kind.MEMBER, parser.add_argument("recipient", help="the name of an agent, or 'all'"))
    parser.add_argument("text", nargs="+", help="the message; '-' reads it from stdin")
    complete_as(Kind.MEMBER, parser.add_argument("--agent", metavar="NAME", help="the sender (default: you)"))
    parser.add_argument("--priority", choices=PRIORITIES, default="normal", help="the priority (default: normal)")
    parser.add_argument("--type", metavar="TYPE", default="message", help="the message_type (default: message)")
    parser.add_argument("--id", metavar="ID", help="the message_id; a second send with the same id changes nothing")
    parser.add_argument("--json", action="store_true", help="print the stored message as JSON")


def run(arguments: argparse.Namespace) -> int:
    text = sys.stdin.read().rstrip("\n") if arguments.text == ["-"] else " ".join(arguments.text)
    with open_as(find_team(arguments.team), arguments.agent) as hub:
        options = {"message_type": arguments.type, "priority": arguments.priority, "message_id": arguments.id}
        if arguments.recipient.strip().lower() == "all":
            message = hub.broadcast(text, **options)
        else:
            message = hub.send(arguments.recipient, text, metadata=session_metadata(), **options)
        reached = {state.recipient for state in hub.queries.trace(message.message_id)}
        seen = [agent for agent in hub.agents() if agent.name in reached]
    code = 0 if reached else ExitCode.UNKNOWN
    if arguments.json:
        print_json(hub.team.name, message_id=message.message_id, recipients=sorted(reached))
        return code
    now = datetime.now(UTC)
    known = ", ".join(f"{agent.name} is {describe_presence(agent, now)}" for agent in seen)
    if reached:
        print(sanitize(f"Stored as {message.message_id}; {known}."))
    else:
        print("teamsup: A message to all reaches no agent, because none takes part now.", file=sys.stderr)
    return code
