"""``teamsup agents``: list the agents that the team knows; ``rm`` forgets one."""

import argparse
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime

from teamsup.config.components import component_names
from teamsup.config.loader import Config
from teamsup.config.sections import TeamSection
from teamsup.hub import Agent, CallerError, MessageHub, Team, UnknownRecipient
from teamsup.hub.models import SUPERVISOR
from teamsup.hub.validation import list_names, quote
from teamsup.supervisor.state_file import read_state
from teamsup.supervisor.team_lock import owner_pid
from teamsup.terminal.formatting import describe_presence, format_table, sanitize
from teamsup.terminal.hints import command_hint, find_team

_HEADINGS = ("NAME", "KIND", "STATUS", "UNREAD", "NOTE")


class AgentInUse(CallerError):
    """The agent runs, is present, or is configured."""

    exit_code = os.EX_UNAVAILABLE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.set_defaults(verb=_list)
    verbs = parser.add_subparsers(metavar="VERB")
    text = "forget an agent; its messages stay until an agent of that name comes back"
    rm = verbs.add_parser("rm", help=text, description=text[0].upper() + text[1:] + ".")
    rm.add_argument("name", metavar="NAME")
    rm.add_argument("--yes", action="store_true", help="also forget an agent that is present or configured")
    rm.add_argument("--team", metavar="NAME", default=argparse.SUPPRESS, help="the team")
    rm.set_defaults(verb=_remove)


def run(arguments: argparse.Namespace) -> int:
    with MessageHub(find_team(arguments.team)) as hub:
        arguments.verb(hub, arguments)
    return 0


def _list(hub: MessageHub, arguments: argparse.Namespace) -> None:
    agents, now = hub.agents(), datetime.now(UTC)
    if arguments.json:
        print(json.dumps([_as_json(agent, now) for agent in agents], indent=2))
    elif agents:
        rows = [
            (agent.name, agent.kind, describe_presence(agent, now), str(agent.unread or "-"), agent.note)
            for agent in agents
        ]
        cells = [[" ".join(sanitize(cell).split()) for cell in row] for row in rows]
        print("\n".join(line.rstrip() for line in format_table([_HEADINGS, *cells])))
    else:
        print("No agent is known yet.")


def _as_json(agent: Agent, now: datetime) -> dict[str, object]:
    seen, oldest = agent.last_heartbeat, agent.oldest_unread
    return {
        "name": agent.name,
        "kind": agent.kind,
        "status": agent.status,
        "is_present": agent.is_present(now),
        "last_heartbeat": None if seen is None else seen.isoformat(),
        "unread": agent.unread,
        "oldest_unread": None if oldest is None else oldest.isoformat(),
        "note": agent.note,
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
    hub.maintenance.retire(found.name)
    count = "1 unread message waits" if found.unread == 1 else f"{found.unread} unread messages wait"
    waits = f" {count} until an agent of that name comes back." if found.unread else ""
    print(f"{sanitize(found.name)} is forgotten.{waits}")


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
