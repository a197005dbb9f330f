"""The page of the team: the tasks that need a person, and the participants with their states. Also the page of one
participant.
"""

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from teamsup.config.entries import EntryAction, Need
from teamsup.hub import CallerError
from teamsup.status.team_needs import read_needs

from ..access.request_check import is_local_path
from ..page import Form, Outcome, Page, PageContext, Region, RenderedRegion
from .confirmation import ActionQuestion, ask_page
from .page_content import (
    address_of,
    all_sources,
    content_of,
    filter_links,
    members_of,
    navigation,
    now_of,
    reader_of,
    render_page,
)
from .plot_pages import TEAM_PLOTS, read_hour, show_worker_plots
from .rendering import Missing, render
from .views.participants import WORKER_ACTIONS, TeamMember, count_words, is_answering
from .worker_requests import ask_supervisor

SHOWN = ("all", "workers", "agents", "not well")
_SECTION = "team"


class UnknownMember(CallerError):
    """No participant has this name."""


def choose(participants: Sequence[TeamMember], shown: str) -> list[TeamMember]:
    """Return the participants that pass a filter. Pure."""
    match shown:
        case "workers":
            return [each for each in participants if each.is_worker]
        case "agents":
            return [each for each in participants if not each.is_worker]
        case "not well":
            return [each for each in participants if not each.is_well]
    return list(participants)


def describe_answers(participants: Sequence[TeamMember]) -> str:
    """Return the headline for a team that does not need a person. Pure."""
    answering = sum(map(is_answering, participants))
    expected = sum(1 for each in participants if is_answering(each) or not each.is_well)
    if answering < expected:
        return f"Nothing is known to need you, and {answering} of {expected} answer"
    if unwell := sum(not each.is_well for each in participants):
        return f"Nothing needs you yet, and {unwell} of {expected} {'is' if unwell == 1 else 'are'} not well"
    return f"All well: {answering} of {expected} answer" if expected else "Nobody takes part yet"


def _show_needs(context: PageContext) -> str:
    status, participants = members_of(context)
    needs = read_needs(context.hub, status, list(all_sources().values()), now_of(context))
    last = context.hub.queries.history(limit=1)
    return render(
        "needs.html",
        now_of(context),
        viewer=context.viewer,
        needs=needs,
        own=[_own_address(need) for need in needs],
        states=count_words(participants),
        headline=describe_answers(participants),
        is_whole=context.query.get("needs") == "all",
        is_calm=all(each.is_well for each in participants),
        last=last[0] if last else None,
    )


def _own_address(need: Need) -> str:
    """Return the address to which the forms of its actions are sent."""
    source = all_sources().get(need.kind)
    return need.address if source is None else f"{source.address}{address_of(need.id)}"


def _show_team(context: PageContext) -> str:
    _, participants = members_of(context)
    shown = context.query.get("show") or SHOWN[0]
    return render(
        "team_table.html",
        now_of(context),
        viewer=context.viewer,
        participants=choose(participants, shown),
        workers=sum(each.is_worker for each in participants),
        agents=sum(not each.is_worker for each in participants),
        has_runs=any(each.runs_today is not Missing.NOT_APPLICABLE for each in participants),
        filters=filter_links("/", context.query, "show", SHOWN),
        host=platform.node() or "this machine",
        hour=read_hour(context),
    )


def _render_team(context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
    return render_page(context, "team.html", content_of(context, _SECTION, "Team", "/"), regions)


def _find(context: PageContext) -> TeamMember:
    name = context.path["name"].lower()
    for each in members_of(context)[1]:
        if each.name == name:
            return each
    raise UnknownMember(f"Nobody in this team has the name {context.path['name']!r}.")


def _show_participant(context: PageContext) -> str:
    participant = _find(context)
    deaths = [(datetime.fromtimestamp(each.at, UTC), each) for each in reversed(participant.crashes)]
    return render("participant_facts.html", now_of(context), viewer=context.viewer, each=participant, deaths=deaths)


def _show_own_plots(context: PageContext) -> str:
    each = _find(context)
    return show_worker_plots(context, each.name) if each.is_worker else ""


def _render_participant(context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
    name = _find(context).name
    head = content_of(context, _SECTION, name, address_of("team", name))
    return render_page(context, "participant.html", head, regions)


def _find_action(context: PageContext) -> tuple[TeamMember, EntryAction]:
    participant = _find(context)
    for action in participant.actions:
        if action.name == context.path["action"]:
            return participant, action
    raise UnknownMember(f"{participant.name} is {participant.state.word}, so this is not possible now.")


def _ask(context: PageContext) -> ActionQuestion:
    participant, action = _find_action(context)
    return ActionQuestion(
        section=_SECTION,
        title=f"{action.label.rstrip('…')} {participant.name}?",
        consequences=(action.asks_first,),
        address=address_of("team", participant.name, action.name),
        button=f"{action.label.rstrip('…')} it",
        back=address_of("team", participant.name),
    )


def _act(context: PageContext, fields: Mapping[str, str]) -> Outcome:
    name, back = context.path["name"].lower(), fields.get("back", "")
    address = back if is_local_path(back) else address_of("team", name)
    if context.path["action"] not in WORKER_ACTIONS:
        version, person = fields.get("version", ""), reader_of(context.viewer)
        for source in all_sources().values():
            if source.address == f"/{_SECTION}":
                return Outcome(address, source.act(context.hub, name, context.path["action"], version, person, ""))
    participant, action = _find_action(context)
    answer = ask_supervisor(context, action.name, participant.name)
    return Outcome(address, answer)


TEAM_PAGES = (
    Page(
        "/", _render_team, (navigation(_SECTION), Region("needs", _show_needs), Region("team", _show_team), TEAM_PLOTS)
    ),
    Page(
        "/team/{name}",
        _render_participant,
        (navigation(_SECTION), Region("participant", _show_participant), Region("plots", _show_own_plots)),
    ),
    ask_page("/team/{name}/{action}", _SECTION, _ask),
)
TEAM_FORMS = (Form("/team/{name}/{action}", _act),)
