"""``teamsup alerts``: list incidents and who acknowledged them."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any

from teamsup.config.components import open_hub
from teamsup.config.loader import Config
from teamsup.hub import Agent, MessageHub, Team
from teamsup.hub.errors import ExitCode
from teamsup.hub.validation import quote
from teamsup.terminal.console import console_name
from teamsup.terminal.formatting import describe_presence, output_columns, sanitize
from teamsup.terminal.hints import find_team
from teamsup.terminal.json_output import add_json_option, print_json, print_result
from teamsup.terminal.verbs import add_renamed_verb, add_verb

from ..protocol import MONITOR_BRIDGE
from .component import component
from .entries.command_request import send_command
from .incidents import incident, incident_table, listing
from .incidents.group import IncidentGroups
from .incidents.incident import Incident, UnknownIncident
from .incidents.pinging import read_ping_plan, render_shifts, shift_as_json
from .ingest import rejected
from .ingest.rejected import UnknownPayload
from .mutes import mute_listing
from .mutes.mute import parse_request
from .mutes.mutes import Mutes
from .sections import MuteSection

_MAX_LISTED = 1000


EXAMPLES = ("teamsup alerts", "teamsup alerts show 3", "teamsup alerts ack 3 4", "teamsup alerts mute job=backup 2h")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "List incidents and who acknowledged them."
    parser.epilog = (
        "Exit codes of the list: 0 no critical incident is open; 4 such an incident is open, or monitor-bridge is "
        "degraded; 3 monitor-bridge does not run, and no critical incident is known."
    )
    parser.add_argument("--all", action="store_true", help=f"also list ended incidents, {_MAX_LISTED:,} at most")
    parser.set_defaults(verb=_list)
    verbs = parser.add_subparsers(metavar="VERB")

    verb = partial(add_verb, verbs)
    show = verb("show", "show everything about one incident", _show)
    show.add_argument("id", help="its number")
    ack = verb("ack", "acknowledge incidents", _ack)
    ack.add_argument("id", nargs="+", help="the incident's number, or: all")
    mute = verb("mute", "stop notifications about incidents for a time, by default an hour", _mute)
    mute.add_argument(
        "what",
        nargs="+",
        help="numbers of incidents, or labels such as job=backup; then the duration, such as 30m or 2h",
    )
    mutes = verb("mutes", "list what is muted, until when and by whom", _list_mutes)
    unmute = verb("unmute", "end a mute", _unmute)
    unmute.add_argument("id", help="its number")
    on_call = verb("oncall", "show who is on call in each [rota.NAME] of teamsup.toml", _show_on_call)
    close = verb("close", "end an incident whose source does not report its end", _close)
    close.add_argument("id", nargs="+", help="its number")
    kept = verb("rejected", "show the payloads that could not be read", _show_rejected)
    kept.add_argument("id", nargs="?", help="show the payload with this number")
    add_json_option(parser, show, ack, mute, mutes, unmute, on_call, close, kept)
    add_renamed_verb(verbs, "refused", "rejected")


def run(arguments: argparse.Namespace) -> int:
    return int(arguments.verb(find_team(arguments.team), arguments) or 0)


def _list(team: Team, arguments: argparse.Namespace) -> int:
    with open_hub(component, team) as hub:
        found = incident_table.all_incidents(hub, _MAX_LISTED) if arguments.all else incident_table.open_incidents(hub)
        bridge = hub.find_agent(MONITOR_BRIDGE)
    if arguments.json:
        print_json(team.name, incidents=[_as_json(each) for each in found])
    else:
        print("\n".join(listing.render_table(found, datetime.now(UTC), output_columns())), flush=True)
    code = _warn_if_incomplete(bridge)
    return ExitCode.UNWELL if any(each.is_open and each.severity == "critical" for each in found) else code


def _warn_if_incomplete(bridge: Agent | None) -> int:
    """Warn if the list may be incomplete. Return the exit code, by the same rules as ``teamsup ps``."""
    now = datetime.now(UTC)
    if bridge is None or not bridge.is_present(now):
        state = "was never started" if bridge is None else f"is {describe_presence(bridge, now)}"
        print(f"teamsup: The list may be incomplete: {MONITOR_BRIDGE} {state}.", file=sys.stderr)
        return ExitCode.NOT_RUNNING
    if bridge.degraded:
        print(
            f"teamsup: The list may be incomplete. {MONITOR_BRIDGE} is degraded: {sanitize(bridge.degraded)}",
            file=sys.stderr,
        )
        return ExitCode.UNWELL
    return 0


def _show(team: Team, arguments: argparse.Namespace) -> None:
    with open_hub(component, team) as hub:
        found = incident_table.get_incident(hub, _parse_number(arguments.id))
    if arguments.json:
        print_json(team.name, **_as_json(found))
    else:
        print(listing.render_incident(found, datetime.now(UTC)))


def _ack(team: Team, arguments: argparse.Namespace) -> None:
    words = [word.strip().lower() for word in arguments.id]
    _send_command(team, arguments, ["ack", *(words if words == ["all"] else _check_numbers(team, words))])


def _mute(team: Team, arguments: argparse.Namespace) -> None:
    request = parse_request(arguments.what)
    _check_numbers(team, [str(number) for number in request.incidents])
    _send_command(team, arguments, ["mute", *(shlex.quote(word) for word in arguments.what)])


def _list_mutes(team: Team, arguments: argparse.Namespace) -> None:
    with open_hub(component, team) as hub:
        found = _open_mutes(hub)
        (mutes, counts), closed = found.list_active(), found.closed_windows()
        bridge = hub.find_agent(MONITOR_BRIDGE)
    if arguments.json:
        listed = [mute_listing.as_json(mute, counts) for mute in mutes]
        print_json(team.name, mutes=listed, windows=[mute_listing.window_as_json(each) for each in closed])
    else:
        print(
            "\n".join(mute_listing.render_table(mutes, counts, closed, datetime.now(UTC), output_columns())), flush=True
        )
    _warn_if_incomplete(bridge)


def _show_on_call(team: Team, arguments: argparse.Namespace) -> None:
    now = datetime.now(UTC)
    shifts = read_ping_plan(Config(team)).shifts(now.timestamp())
    if arguments.json:
        print_json(team.name, rotas=[shift_as_json(name, shift) for name, shift in shifts.items()])
    else:
        print("\n".join(render_shifts(shifts)))


def _open_mutes(hub: MessageHub) -> Mutes:
    return Mutes(hub, IncidentGroups(hub), Config(hub.team).sections_of("mute", MuteSection))


def _unmute(team: Team, arguments: argparse.Namespace) -> None:
    with open_hub(component, team) as hub:
        mute = mute_listing.find_by_words([arguments.id], _open_mutes(hub).list_active()[0])
    _send_command(team, arguments, ["unmute", mute.key])


def _close(team: Team, arguments: argparse.Namespace) -> None:
    _send_command(team, arguments, ["close", *_check_numbers(team, arguments.id)])


def _show_rejected(team: Team, arguments: argparse.Namespace) -> None:
    number = None if arguments.id is None else incident.parse_number(arguments.id)
    if arguments.id is not None and number is None:
        raise UnknownPayload(
            f"{quote(arguments.id)} is not a payload's number. List them with: teamsup alerts rejected"
        )
    with open_hub(component, team) as hub:
        found = rejected.list_rejected(hub) if number is None else [rejected.get_rejected(hub, number)]
    now = datetime.now(UTC)
    if arguments.json:
        print_json(team.name, rejected=found)
    else:
        print(
            "\n".join(rejected.render_table(found, now, output_columns()))
            if number is None
            else rejected.render_payload(found[0], now)
        )


def _check_numbers(team: Team, words: Sequence[str]) -> list[str]:
    """Return the numbers of existing incidents. Raise UnknownIncident."""
    with open_hub(component, team) as hub:
        return [str(incident_table.get_incident(hub, _parse_number(word)).id) for word in words]


def _send_command(team: Team, arguments: argparse.Namespace, words: Sequence[str]) -> None:
    """Send the command to monitor-bridge, which runs it at once or after its next start."""
    outcome = send_command(team, words, console_name())
    if outcome.is_done or arguments.json:
        print_result(team.name, outcome.text, as_json=arguments.json, done=outcome.is_done)
    else:
        print(outcome.text, file=sys.stderr)


def _parse_number(word: str) -> int:
    number = incident.parse_number(word)
    if number is None:
        raise UnknownIncident(f"{quote(word)} is not an incident's number. List them with: teamsup alerts")
    return number


def _as_json(each: Incident) -> dict[str, Any]:
    values = asdict(each)
    values["conversation"] = each.conversation
    return values
