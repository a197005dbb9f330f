"""``teamsup trace``: show what happened to a message."""

import argparse
from datetime import UTC, datetime

from teamsup.hub import DeliveryState, MessageHub, Team
from teamsup.hub.models import Message
from teamsup.terminal.formatting import describe_delivery, format_moment, sanitize, to_single_line
from teamsup.terminal.hints import command_hint, find_team
from teamsup.terminal.json_output import add_json_option, print_json

EXAMPLES = ("teamsup trace '#12'", "teamsup trace backup-17 --json")
_MOST_CHARACTERS = 300
_STATES = {
    "ready": "waits to be read",
    "leased": "a reader has it",
    "done": "done",
    "dead": "dead letter",
    "expired": "expired unread",
    "cancelled": "withdrawn",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "id", metavar="ID", help="its message_id, as 'teamsup send' prints it, or its number, such as '#12'"
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    team = find_team(arguments.team)
    with MessageHub(team) as hub:
        message = hub.queries.message(arguments.id)
        states = hub.queries.trace(message.message_id)
        answers = hub.queries.find(reply_to=message.message_id)
    if arguments.json:
        print_json(team.name, message=message, deliveries=states, answers=[each.message_id for each in answers])
    else:
        for line in _render(team, message, states, answers, datetime.now(UTC)):
            print(sanitize(line))
    return 0


def _render(
    team: Team, message: Message, states: list[DeliveryState], answers: list[Message], now: datetime
) -> list[str]:
    expiry = f", expires {format_moment(message.expires_at)}" if message.expires_at is not None else ""
    lines = [
        f"#{message.id} {message.message_id}",
        f"{message.sender} -> {message.recipient or 'all'}, {message.message_type}, {message.priority}, "
        f"{format_moment(message.created_at)}{expiry}",
        f"  {to_single_line(message.content, _MOST_CHARACTERS)}",
    ]
    lines += [line for state in states for line in _describe(team, message, state, now)]
    if not states:
        lines.append("No agent gets it.")
    lines += [f"answered by {each.sender}, #{each.id}: {to_single_line(each.content, 80)}" for each in answers]
    return lines


def _describe(team: Team, message: Message, state: DeliveryState, now: datetime) -> list[str]:
    word = _STATES.get(state.state, state.state)
    tries = f", {state.attempts} attempts" if state.attempts > 1 else ""
    lines = [f"{state.recipient}: {word}{tries} ({describe_delivery(state)})"]
    if state.outcome:
        lines.append(f"    {to_single_line(state.outcome, _MOST_CHARACTERS)}")
    if state.undeliverable:
        lines.append("    No agent of that name has taken part yet.")
    if state.next_try_at is not None and state.next_try_at > now:
        lines.append(f"    Next try: {format_moment(state.next_try_at)}")
    if state.state == "dead":
        lines.append(f"    Deliver it again with: {command_hint(team, 'hub', 'retry', message.message_id)}")
    return lines
