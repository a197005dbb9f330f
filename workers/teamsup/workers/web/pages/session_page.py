"""The browsers that are signed in, and how to sign them out."""

from collections.abc import Mapping

from teamsup.hub import CallerError

from ..access.sessions import end_all_sessions, end_session, list_sessions
from ..page import Form, Outcome, Page, PageContext, Region, RenderedRegion
from .confirmation import ActionQuestion, ask_page
from .page_content import content_of, navigation, now_of, render_page
from .rendering import render

_PATH, _SECTION = "/sessions", "sessions"


class UnknownSession(CallerError):
    """The browser is not signed in, or belongs to another person."""


def _whose(context: PageContext) -> str | None:
    """Return the person whose browsers the viewer sees. Return None if the viewer may act, and so sees the browsers of
    all people.
    """
    return None if context.viewer.may_act else context.viewer.name


def _show(context: PageContext) -> str:
    listed = list_sessions(context.hub, context.now, _whose(context))
    return render("sessions.html", now_of(context), viewer=context.viewer, listed=listed)


def _render(context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
    return render_page(context, "session_page.html", content_of(context, _SECTION, "Signed in", _PATH), regions)


def _ask(context: PageContext) -> ActionQuestion:
    name = context.viewer.name
    return ActionQuestion(
        section=_SECTION,
        title=f"Sign {name} out everywhere?",
        consequences=(
            f"All browsers of {name} are signed out, also this one. Unused links of {name} end too.",
            "To sign in again, make a link in a terminal: teamsup open.",
        ),
        address=f"{_PATH}/end-all",
        button="Sign out everywhere",
        back=_PATH,
        is_for_all=True,
    )


def _end(context: PageContext, fields: Mapping[str, str]) -> Outcome:
    if not end_session(context.hub, fields.get("session", ""), _whose(context)):
        raise UnknownSession("That browser is not signed in any more.")
    return Outcome(_PATH, "That browser is signed out.")


def _end_all(context: PageContext, fields: Mapping[str, str]) -> Outcome:  # noqa: ARG001 - it needs no field
    end_all_sessions(context.hub, context.viewer.name)
    return Outcome("/sign-in")


SESSION_PAGES = (
    Page(_PATH, _render, (navigation(_SECTION), Region("sessions", _show))),
    ask_page(f"{_PATH}/end-all", _SECTION, _ask),
)
SESSION_FORMS = (
    Form(f"{_PATH}/end", _end, is_for_all=True),
    Form(f"{_PATH}/end-all", _end_all, is_for_all=True),
)
