"""``teamsup runs``: list the runs of agents, show one, or stop one."""

import argparse
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from teamsup.config.components import open_hub
from teamsup.config.startable_agents import AGENT_RUNNER
from teamsup.hub import CallerError, MessageHub, Team, UnknownMessage
from teamsup.hub.errors import ExitCode
from teamsup.hub.validation import quote
from teamsup.terminal.candidates import Kind, complete_as
from teamsup.terminal.console import ask_in_own_name, exit_code_of
from teamsup.terminal.formatting import output_columns, sanitize
from teamsup.terminal.hints import command_hint, find_team
from teamsup.terminal.json_output import add_json_option, print_json, print_result

from ..component import component
from ..programs.claude_code import find_transcript
from ..run import Run, run_folder
from ..run_table import RunTable
from .run_rendering import render_run, render_table

_MAX_LISTED = 1000
_DEFAULT_LISTED = 30
_ANSWER_SECONDS = 30.0
_STATES = ("planned", "running", "parked", "done", "failed", "unknown", "stopped")


class UnknownRun(CallerError):
    """No run has this number."""

    exit_code = ExitCode.UNKNOWN


class StopRejected(CallerError):
    """agent-runner has not stopped the run. The text is agent-runner's."""

    exit_code = ExitCode.NOT_NOW


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "List the runs of agents, the newest first. A run is one start of an agent, for one cause."
    complete_as(Kind.MEMBER, parser.add_argument("--agent", metavar="NAME", help="only the runs of this agent"))
    parser.add_argument("--state", choices=_STATES, help="only the runs in this state")
    parser.add_argument(
        "--all", action="store_true", help=f"list the newest {_MAX_LISTED:,} runs instead of {_DEFAULT_LISTED}"
    )
    parser.set_defaults(verb=_list)
    verbs = parser.add_subparsers(metavar="VERB")
    show = verbs.add_parser("show", help="show everything about one run", description="Show everything about one run.")
    show.set_defaults(verb=_show)
    stop = verbs.add_parser(
        "stop",
        help="end the processes of a run; it is not started again",
        description="End the processes of a run. It is not started again, and its sender is notified.",
    )
    stop.set_defaults(verb=_stop)
    add_json_option(parser, show, stop)
    for verb in (show, stop):
        verb.add_argument("id", help="its number")


def run(arguments: argparse.Namespace) -> int:
    arguments.verb(find_team(arguments.team), arguments)
    return 0


def _list(team: Team, arguments: argparse.Namespace) -> None:
    agent = None if arguments.agent is None else arguments.agent.strip().lower()
    with open_hub(component, team) as hub:
        found = RunTable(hub).latest(agent, _MAX_LISTED if arguments.all else _DEFAULT_LISTED, arguments.state)
    if arguments.json:
        print_json(team.name, runs=[_as_json(team, each) for each in found])
    else:
        print("\n".join(render_table(found, datetime.now(UTC).timestamp(), output_columns())))


def _show(team: Team, arguments: argparse.Namespace) -> None:
    found = _find(team, arguments.id)
    if arguments.json:
        print_json(team.name, **_as_json(team, found))
        return
    transcript = find_transcript(run_folder(team, found.id), found.session_id)
    question = _find_number(team, found.decision)
    print(render_run(found, team.folder, datetime.now(UTC).timestamp(), transcript, question))


def _stop(team: Team, arguments: argparse.Namespace) -> None:
    found = _find(team, arguments.id)
    if not found.is_open:
        raise StopRejected(f"Run {found.id} has ended already: {found.state}.")
    answer = ask_in_own_name(team, AGENT_RUNNER, f"stop {found.id}", _ANSWER_SECONDS)
    if exit_code_of(answer):
        raise StopRejected(answer.content)
    print_result(team.name, sanitize(answer.content), as_json=arguments.json, run=found.id)


def _find(team: Team, word: str) -> Run:
    digits = word.strip().removeprefix("#")
    if digits.isascii() and digits.isdecimal():
        with open_hub(component, team) as hub:
            found = RunTable(hub).get(int(digits[:18]))
        if found is not None:
            return found
        raise UnknownRun(f"There is no run {int(digits[:18])}. List them with: {command_hint(team, 'runs')}")
    raise UnknownRun(f"{quote(word)} is not a run's number. List them with: {command_hint(team, 'runs')}")


def _find_number(team: Team, message_id: str) -> int | None:
    """Return the number of the question to people, if there is one."""
    with MessageHub(team) as hub:
        try:
            return hub.queries.message(message_id).id if message_id else None
        except UnknownMessage:
            return None


def _as_json(team: Team, found: Run) -> dict[str, Any]:
    hidden = ("mark", "lease_token")
    values = {key: value for key, value in asdict(found).items() if key not in hidden}
    folder = run_folder(team, found.id)
    transcript = find_transcript(folder, found.session_id)
    return {**values, "transcript": None if transcript is None else str(transcript), "folder": str(folder)}
