"""The page of the team: who takes part, and how each is."""

from collections.abc import Mapping
from datetime import UTC, datetime

from markupsafe import Markup

from ..page import Page, PageContext, Region, RenderedRegion
from ..static_files import asset

_ROW = Markup('<tr id="row-{name}"><th scope="row">{name}</th><td>{state}</td></tr>')
_STATE = Markup('<span class="state well" data-limit="30"><b>{word}</b> <span>heartbeat {age}</span></span>')
_AGE = Markup('<time datetime="{at}" data-age>{at}</time>')
_PAGE = Markup("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{team}</title><script type="module" src="{script}"></script></head>
<body data-stream><header>{team} <span id="liveness"></span></header>
<div id="banner" role="alert" hidden></div><p id="news" aria-live="polite"></p>
<main><table><tbody {attributes}>{rows}</tbody></table>
<form method="post" action="/sign-out"><fieldset><input type="hidden" name="token" value="{token}">
<label>Note <input name="note"></label><button>Sign out</button></fieldset></form></main></body></html>
""")


def _render_team(context: PageContext) -> str:
    now = datetime.fromtimestamp(context.now, UTC)
    rows = []
    for agent in context.hub.agents():
        if agent.is_present(now) and agent.last_heartbeat is not None:
            state = _STATE.format(word=agent.status, age=_AGE.format(at=agent.last_heartbeat.isoformat()))
        else:
            state = Markup("not heard")
        rows.append(_ROW.format(name=agent.name, state=state))
    return Markup("\n").join(rows)


def _render(context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
    shown = regions["team"]
    return _PAGE.format(
        team=context.team.name,
        script=asset("app.js"),
        attributes=shown.attributes,
        rows=shown.html,
        token=context.viewer.csrf_token,
    )


TEAM_PAGE = Page("/", _render, (Region("team", _render_team),))
