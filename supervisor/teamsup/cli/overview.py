"""``teamsup`` alone: the state of the team, and the tasks that need a person."""

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from teamsup.config.components import entry_sources
from teamsup.config.entries import Age, Need, Text
from teamsup.hub import MessageHub, StoreError, Team
from teamsup.hub.errors import ExitCode
from teamsup.hub.models import SUPERVISOR
from teamsup.status.state_file import read_last_state
from teamsup.status.team_lock import describe_not_running
from teamsup.status.team_needs import PARTICIPANT, find_needs, read_needs
from teamsup.status.team_status import TeamStatus, read_team_status
from teamsup.terminal.console import console_name
from teamsup.terminal.formatting import format_duration, sanitize, to_single_line
from teamsup.terminal.hints import command_hint, qualify_hints
from teamsup.terminal.json_output import print_json

_COMMANDS = {
    PARTICIPANT: ("ps",),
    "incident": ("alerts", "show"),
    "decision": ("decisions",),
    "run": ("runs", "show"),
}
"""For each kind of need, the command that shows more about it. Most commands take the need's id as their last word."""
_WITHOUT_ID = ("decision",)
_MOST_CHARACTERS = 200


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    status, now = read_team_status(team), datetime.now(UTC)
    needs, unread, dead = _read(team, status, now)
    is_running = status.pid is not None
    if arguments.json:
        print_json(
            team.name,
            running=is_running,
            trouble=None if status.trouble is None else str(status.trouble),
            needs=[_to_values(need, now) for need in needs],
            unread=unread,
            dead_letters=dead,
        )
    else:
        print("\n".join(sanitize(line) for line in render(team, status, needs, unread, dead, now)), flush=True)
    if not is_running:
        return ExitCode.NOT_RUNNING
    return ExitCode.UNWELL if needs or not all(row.well for row in status.rows) else ExitCode.DONE


def _read(team: Team, status: TeamStatus, now: datetime) -> tuple[list[Need], int, int]:
    """Return the tasks that need a person, the unread messages of this person, and the number of dead letters."""
    if status.trouble is not None or not status.rows:
        return (find_needs(status, now) if status.pid is not None or status.trouble else []), 0, 0
    try:
        with MessageHub(team) as hub:
            # The first start creates the tables of components.
            sources = entry_sources() if read_last_state(team) is not None else ()
            needs = read_needs(hub, status, sources, now)
            me = hub.find_agent(console_name())
            return needs, 0 if me is None else me.unread, hub.queries.count_dead_letters()
    except StoreError as error:
        return find_needs(TeamStatus(status.rows, status.agents, status.pid, error), now), 0, 0


def render(
    team: Team, status: TeamStatus, needs: Sequence[Need], unread: int, dead: int, now: datetime
) -> Iterator[str]:
    """Yield the lines for a person."""
    named = {need.id for need in needs if need.kind == PARTICIPANT}
    if status.pid is None:
        yield describe_not_running(team)
        needs = [need for need in needs if (need.kind, need.id) != (PARTICIPANT, SUPERVISOR)]
        if not status.rows:
            yield f"To see what teamsup does, without a team: {command_hint(team, 'demo')}"
            return
    else:
        ill = [row for row in status.rows if not row.well]
        count = len(status.rows)
        yield f"Team {team.name!r} runs: {count - len(ill)} of {count} members are well."
        for row in ill:
            if row.name not in named:
                yield f"  {row.name} is {row.state}. {qualify_hints(team, to_single_line(row.note, _MOST_CHARACTERS))}"
    if needs:
        yield ""
        yield f"{len(needs)} {'thing needs' if len(needs) == 1 else 'things need'} a person:"
    for need in needs:
        yield ""
        yield f"  {'! ' if need.is_critical else ''}{need.label}: {to_single_line(need.title, _MOST_CHARACTERS)}"
        if evidence := qualify_hints(team, to_single_line(render_text(need.evidence, now), _MOST_CHARACTERS)):
            yield f"    {evidence}"
        if need.deadline is not None:
            yield f"    In {format_duration((need.deadline - now).total_seconds())}: {need.deadline_note}."
        yield f"    See: {_command_for(team, need)}"
    yield ""
    if unread:
        yield f"{unread} unread for you: {command_hint(team, 'read')}"
    if dead:
        yield f"{dead} dead {'letter' if dead == 1 else 'letters'}: {command_hint(team, 'hub', 'dead-letters')}"
    if not needs and not unread and not dead:
        yield "Nothing else needs you." if status.pid is None else "Nothing needs you."
    yield f"All members: {command_hint(team, 'ps')}. All commands: {command_hint(team, '--help')}"


def render_text(text: Text, now: datetime) -> str:
    """Return a sentence with the present values of its ages."""
    return "".join(part if isinstance(part, str) else _render_age(part, now) for part in text)


def _render_age(age: Age, now: datetime) -> str:
    seconds = (now - age.at).total_seconds()
    match age.form:
        case "for":
            return f"for {format_duration(seconds)}"
        case "in":
            return f"in {format_duration(-seconds)}"
    return f"{format_duration(seconds)} ago"


def _command_for(team: Team, need: Need) -> str:
    words = _COMMANDS.get(need.kind)
    if words is None or (need.kind == PARTICIPANT and need.label != need.id and need.id != SUPERVISOR):
        return command_hint(team, "doctor")
    return command_hint(team, *words, *(() if need.kind in _WITHOUT_ID else (need.id,)))


def _to_values(need: Need, now: datetime) -> dict[str, object]:
    return {
        "kind": need.kind,
        "id": need.id,
        "label": need.label,
        "title": need.title,
        "evidence": render_text(need.evidence, now),
        "state": need.state.word,
        "since": need.since,
        "deadline": need.deadline,
        "is_critical": need.is_critical,
    }
