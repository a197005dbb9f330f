"""``teamsup agents``: who is known to the team, and ``rm`` to forget one of them."""

import argparse
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime

from teamsup.hub import Agent, CallerError, MessageHub, Team, UnknownRecipient
from teamsup.hub.checks import listed, quote
from teamsup.hub.command_line import command_line, existing_team
from teamsup.hub.messages import SUPERVISOR
from teamsup.hub.sections import WORKERS, TeamSection
from teamsup.hub.settings import Settings
from teamsup.hub.wording import columns, presence, printable

from ..state_file import holder, read

_HEADINGS = ("NAME", "KIND", "STATUS", "UNREAD", "NOTE")


class StillInUse(CallerError):
    """The agent runs, is here or is configured."""

    exit_code = os.EX_UNAVAILABLE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the same for programs")
    parser.set_defaults(verb=_show)
    verbs = parser.add_subparsers(metavar="VERB")
    text = "forget an agent; what waits for it stays until an agent of that name comes back"
    rm = verbs.add_parser("rm", help=text, description=text[0].upper() + text[1:] + ".")
    rm.add_argument("name", metavar="NAME")
    rm.add_argument("--yes", action="store_true", help="also one that is here or configured")
    rm.add_argument("--team", metavar="NAME", default=argparse.SUPPRESS, help="the team")
    rm.set_defaults(verb=_remove)


def run(arguments: argparse.Namespace) -> int:
    with MessageHub(existing_team(arguments.team)) as hub:
        arguments.verb(hub, arguments)
    return 0


def _show(hub: MessageHub, arguments: argparse.Namespace) -> None:
    agents, now = hub.agents(), datetime.now(UTC)
    if arguments.json:
        print(json.dumps([_as_json(agent, now) for agent in agents], indent=2))
    elif agents:
        rows = [
            (agent.name, agent.kind, presence(agent, now), str(agent.unread or "-"), agent.note) for agent in agents
        ]
        cells = [[" ".join(printable(cell).split()) for cell in row] for row in rows]
        print("\n".join(line.rstrip() for line in columns([_HEADINGS, *cells])))
    else:
        print("Nobody is known yet.")


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
    found = hub.agent_named(arguments.name)
    if found is None:
        known = listed([agent.name for agent in hub.agents()]) or "none yet"
        raise UnknownRecipient(f"Nobody named {quote(arguments.name)} is in this team; known are: {known}.")
    if found.name in _running(hub.team):
        stop = command_line(hub.team, "stop", *([] if found.name == SUPERVISOR else [found.name]))
        raise StillInUse(f"{found.name} is running. Stop it first: {stop}")
    if not arguments.yes:
        _refuse_if_used(hub.team, found)
    hub.retire(found.name)
    count = "1 unread message waits" if found.unread == 1 else f"{found.unread} unread messages wait"
    waits = f" {count} until an agent of that name comes back." if found.unread else ""
    print(f"{printable(found.name)} is forgotten.{waits}")


def _running(team: Team) -> Iterable[str]:
    """The supervisor and the workers that it runs now."""
    state = read(team)
    if state is None or holder(team) is None:
        return ()
    return (SUPERVISOR, *(worker.name for worker in state.workers if worker.pid is not None))


def _refuse_if_used(team: Team, found: Agent) -> None:
    if found.is_present(datetime.now(UTC)):
        raise StillInUse(f"{found.name} is here. Add --yes to forget it until it takes part again.")
    settings = Settings(team)
    agents = (name.strip().lower() for name in settings.section("team", TeamSection).agents)
    if found.name in {*WORKERS, *settings.names("worker"), *agents}:
        raise StillInUse(f"{found.name} is configured, and comes back with the next start. Add --yes to forget it now.")
