"""``teamsup decisions``: list agents' questions to people, and answer them."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from teamsup.config.components import open_hub
from teamsup.config.people_protocol import DECISION_ANSWER, USER_COMM
from teamsup.hub import CallerError, Team
from teamsup.hub.errors import ExitCode
from teamsup.hub.validation import quote
from teamsup.terminal.console import ask_once
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import command_hint, find_team
from teamsup.terminal.json_output import add_json_option, print_json, print_result

from ..component import component
from . import rendering as words
from .decision import Decision
from .table import DecisionTable, to_metadata

_MAX_LISTED = 1000
_EXIT_CODES = {
    "unknown": ExitCode.UNKNOWN,
    "not allowed": ExitCode.NOT_ALLOWED,
    "own": ExitCode.NOT_ALLOWED,
    "no such option": ExitCode.BAD_DATA,
}


class DecisionRejected(CallerError):
    """user_comm has refused the answer. The text is user_comm's."""

    def __init__(self, sentence: str, why: str) -> None:
        super().__init__(sentence)
        self.exit_code = _EXIT_CODES.get(why, ExitCode.NOT_NOW)


EXAMPLES = ("teamsup decisions", "teamsup decisions answer 12 yes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "List agents' questions to people, and answer them."
    parser.add_argument(
        "--all", action="store_true", help=f"also list decided and ended questions, {_MAX_LISTED:,} at most"
    )
    parser.set_defaults(verb=_list)
    answer = parser.add_subparsers(metavar="VERB").add_parser(
        "answer",
        help="decide one question",
        description="Decide one question. Exit codes: 0 the answer counts; 67 no such decision; 65 no such option; "
        "77 you may not decide it; 75 it has ended already; 69 user_comm does not answer.",
    )
    answer.add_argument("id", help="its number")
    answer.add_argument("answer", nargs="+", help="an option, its number, or your words")
    answer.add_argument(
        "--timeout", type=seconds, default=10.0, metavar="SECONDS", help="how long to wait (default: 10)"
    )
    add_json_option(parser, answer)
    answer.set_defaults(verb=_answer)


def run(arguments: argparse.Namespace) -> int:
    arguments.verb(find_team(arguments.team), arguments)
    return 0


def _list(team: Team, arguments: argparse.Namespace) -> None:
    with open_hub(component, team) as hub:
        table = DecisionTable(hub)
        found = table.latest(_MAX_LISTED) if arguments.all else table.pending()
    if arguments.json:
        print_json(team.name, decisions=[_as_json(decision) for decision in found])
        return
    print(
        "\n".join(_render_lines(found))
        or ("No decision was ever requested." if arguments.all else "No decision is open.")
    )
    if any(decision.state == "open" for decision in found):
        print(f"Decide with: {command_hint(team, 'decisions', 'answer', 'ID', 'ANSWER')}")


def _answer(team: Team, arguments: argparse.Namespace) -> None:
    number = str(arguments.id).strip().removeprefix("#")
    if not (number.isascii() and number.isdecimal()):
        raise DecisionRejected(
            f"{quote(arguments.id)} is not a decision's number. List them with: {command_hint(team, 'decisions')}",
            "unknown",
        )
    reply = ask_once(
        team,
        USER_COMM,
        " ".join(arguments.answer),
        arguments.timeout,
        message_type=DECISION_ANSWER,
        metadata={"decision": int(number[:18])},
    )
    if reply.message_type == "error":
        raise DecisionRejected(reply.content, str(reply.metadata.get("refused")))
    about = {key: value for key, value in reply.metadata.items() if key != "author_name"}
    print_result(team.name, sanitize(reply.content), as_json=arguments.json, **about)


def _render_lines(found: Sequence[Decision]) -> list[str]:
    now = datetime.now(UTC)
    return [sanitize(words.render_line(decision, now)) for decision in found]


def _as_json(decision: Decision) -> dict[str, Any]:
    moments = {"asked_at": decision.asked_at, "deadline": decision.deadline, "decided_at": decision.decided_at}
    return {
        **to_metadata(decision),
        "asked_by": decision.asked_by,
        "text": decision.text,
        "options": decision.spec.options,
        "deciders": decision.spec.deciders,
        "default": decision.spec.default,
        "default_denies": decision.spec.default_denies,
        **moments,
    }


def seconds(text: str) -> float:
    """Return the seconds. argparse shows the name of this function in its errors."""
    number = float(text)
    if not 0 < number <= 86400:
        raise ValueError
    return number
