"""``teamsup agents``: list the agents that the team knows, or start, pause, resume or forget an agent."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from teamsup.config.components import component_names
from teamsup.config.loader import Config
from teamsup.config.sections import TeamSection
from teamsup.config.startable_agents import AGENT_RUNNER, StartableAgent, list_agents, read_startable_agents
from teamsup.hub import Agent, CallerError, MessageHub, Team, UnknownRecipient
from teamsup.hub.errors import ExitCode
from teamsup.hub.models import SUPERVISOR
from teamsup.hub.validation import list_names, quote
from teamsup.status.state_file import read_state
from teamsup.status.team_lock import owner_pid
from teamsup.terminal.candidates import Kind, complete_as
from teamsup.terminal.confirmation import require_confirmation
from teamsup.terminal.console import ask_in_own_name, exit_code_of
from teamsup.terminal.formatting import (
    describe_presence,
    format_clock,
    format_duration,
    format_table,
    output_columns,
    sanitize,
)
from teamsup.terminal.hints import command_hint, find_team
from teamsup.terminal.json_output import add_json_option, print_json, print_result
from teamsup.terminal.verbs import add_verb

_HEADINGS = ("NAME", "KIND", "STATUS", "UNREAD", "NOTE")
_START_HEADINGS = ("STARTED BY", "RUNS TODAY", "COST TODAY")
_NOTHING = "-"
_ANSWER_SECONDS = 10.0


class AgentInUse(CallerError):
    """The agent runs, is present, or is configured."""

    exit_code = ExitCode.NOT_NOW


class AgentNotStartable(CallerError):
    """agent-runner does not run, or has refused. The text is agent-runner's."""

    exit_code = ExitCode.UNAVAILABLE


EXAMPLES = ("teamsup agents", "teamsup agents start night-watch 'look at the disk'", "teamsup agents pause night-watch")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(verb=_list)
    verbs = parser.add_subparsers(metavar="VERB")

    start = add_verb(verbs, "start", "start an agent now, within its limits", _start)
    pause = add_verb(verbs, "pause", "start no runs of an agent until you resume it", _pause)
    resume = add_verb(verbs, "resume", "allow runs of a paused agent again", _resume)
    rm = add_verb(verbs, "rm", "forget an agent; its unread messages wait for a new agent of that name", _remove)
    add_json_option(parser, start, pause, resume, rm)
    for verb in (start, pause, resume, rm):
        complete_as(Kind.MEMBER, verb.add_argument("name", metavar="NAME"))
    start.add_argument(
        "text", nargs="*", metavar="TEXT", help="the text for the agent (default: a note that you started it)"
    )
    pause.add_argument("reason", nargs="*", metavar="REASON", help="the reason, which others can read")
    rm.add_argument("--yes", action="store_true", help="do not ask; also forget an agent that is present or configured")
    rm.add_argument("--dry-run", action="store_true", help="only say what would be forgotten")


def run(arguments: argparse.Namespace) -> int:
    with MessageHub(find_team(arguments.team)) as hub:
        arguments.verb(hub, arguments)
    return 0


def _list(hub: MessageHub, arguments: argparse.Namespace) -> None:
    agents, now = list_agents(hub), datetime.now(UTC)
    startable = read_startable_agents(agents, now)
    if arguments.json:
        print_json(hub.team.name, agents=[_as_json(agent, startable.get(agent.name), now) for agent in agents])
    elif agents:
        print("\n".join(_render_table(agents, startable, now)))
    else:
        print("No agent is known yet.")


def _render_table(agents: Sequence[Agent], startable: Mapping[str, StartableAgent], now: datetime) -> list[str]:
    """Return the table's lines. The columns about starts appear only if the team has agents that can be started."""
    rows = [(*_HEADINGS[:-1], *(_START_HEADINGS if startable else ()), _HEADINGS[-1])]
    for agent in agents:
        start = startable.get(agent.name)
        note = agent.note if start is None else _describe_start(agent, start, now)
        rows.append(
            (
                agent.name,
                agent.kind,
                describe_presence(agent, now),
                str(agent.unread or _NOTHING),
                *(_start_cells(start) if startable else ()),
                note,
            )
        )
    cells = [[" ".join(sanitize(cell).split()) for cell in row] for row in rows]
    return [line.rstrip() for line in format_table(cells, output_columns())]


def _start_cells(start: StartableAgent | None) -> tuple[str, ...]:
    if start is None:
        return (_NOTHING,) * len(_START_HEADINGS)
    return ", ".join(start.starts_on) or "a person", str(start.runs_today), f"${start.usd_today:.2f}"


def _describe_start(agent: Agent, start: StartableAgent, now: datetime) -> str:
    """Return a phrase about an agent: why it is not started now, or its current work, or its next start by the
    schedule.
    """
    if current := start.describe_now(agent.note):
        return current
    if start.next_tick is None:
        return ""
    clock = format_clock(datetime.fromtimestamp(start.next_tick, UTC), now)
    return f"next start {clock} (in {format_duration(start.next_tick - now.timestamp())})"


def _start(hub: MessageHub, arguments: argparse.Namespace) -> None:
    _request(hub, arguments, "start", arguments.name, *arguments.text)


def _pause(hub: MessageHub, arguments: argparse.Namespace) -> None:
    _request(hub, arguments, "pause", arguments.name, *arguments.reason)


def _resume(hub: MessageHub, arguments: argparse.Namespace) -> None:
    _request(hub, arguments, "resume", arguments.name)


def _request(hub: MessageHub, arguments: argparse.Namespace, *words: str) -> None:
    """Send the request to agent-runner, and print the answer. Raise AgentNotStartable and NoAnswer."""
    runner = hub.find_agent(AGENT_RUNNER)
    now = datetime.now(UTC)
    if runner is None or not runner.is_present(now):
        state = "was never started" if runner is None else f"is {describe_presence(runner, now)}"
        why = f": {sanitize(runner.note)}" if runner is not None and runner.note else "."
        doctor = command_hint(hub.team, "doctor")
        raise AgentNotStartable(f"{AGENT_RUNNER}, which starts agents, {state}{why} To find out why: {doctor}")
    answer = ask_in_own_name(hub.team, AGENT_RUNNER, " ".join(words), _ANSWER_SECONDS)
    if exit_code_of(answer):
        raise AgentNotStartable(answer.content)
    print_result(hub.team.name, sanitize(answer.content), as_json=arguments.json, agent=arguments.name)


def _as_json(agent: Agent, start: StartableAgent | None, now: datetime) -> dict[str, object]:
    return {
        "name": agent.name,
        "kind": agent.kind,
        "status": agent.status,
        "is_present": agent.is_present(now),
        "last_heartbeat": agent.last_heartbeat,
        "unread": agent.unread,
        "oldest_unread": agent.oldest_unread,
        "note": agent.note,
        "startable": None if start is None else asdict(start),
    }


def _remove(hub: MessageHub, arguments: argparse.Namespace) -> None:
    found = hub.find_agent(arguments.name)
    if found is None:
        known = list_names([agent.name for agent in hub.agents()]) or "none yet"
        raise UnknownRecipient(f"There is no agent {quote(arguments.name)} in this team. Known agents: {known}.")
    if found.name in _running_names(hub.team):
        stop = command_hint(hub.team, "stop", *([] if found.name == SUPERVISOR else [found.name]))
        raise AgentInUse(f"{found.name} is running. Stop it first: {stop}")
    if not arguments.yes:
        _require_unused(hub.team, found)
    name = sanitize(found.name)
    count = "1 unread message waits" if found.unread == 1 else f"{found.unread} unread messages wait"
    waits = f" {count} for a new agent of that name." if found.unread else ""
    if not arguments.dry_run:
        require_confirmation(f"{name} will be forgotten.{waits}", is_given=arguments.yes)
        hub.maintenance.retire(found.name)
    text = f"Would forget {name}.{waits}" if arguments.dry_run else f"{name} is forgotten.{waits}"
    about = {"dry_run": arguments.dry_run, "agent": found.name, "unread": found.unread}
    print_result(hub.team.name, text, as_json=arguments.json, **about)


def _running_names(team: Team) -> Iterable[str]:
    """Return the names of the supervisor and its running workers."""
    state = read_state(team)
    if state is None or owner_pid(team) is None:
        return ()
    return (SUPERVISOR, *(worker.name for worker in state.workers if worker.pid is not None))


def _require_unused(team: Team, found: Agent) -> None:
    if found.is_present(datetime.now(UTC)):
        raise AgentInUse(f"{found.name} is present. Add --yes to forget it until it takes part again.")
    config = Config(team)
    agents = (name.strip().lower() for name in config.section("team", TeamSection).agents)
    if found.name in {*component_names(), *config.names_of("worker"), *agents}:
        raise AgentInUse(
            f"{found.name} is configured, and the next start enrolls it again. Add --yes to forget it now."
        )
