"""Retry or drop several dead letters at once, after a question that names them."""

from collections.abc import Mapping

from teamsup.config.entries import ActionRejected
from teamsup.hub.models import DeadLetter

from ..page import Form, Outcome, PageContext
from .confirmation import ActionQuestion, ask_page
from .page_content import reader_of
from .views.dead_letters import ADDRESS, DROP, RETRY, DeadLetterSource, id_of, version_of

_CHOSEN = "letter-"
"""The prefix of form fields that name chosen dead letters. The value of a field is the version that was shown."""
_SOURCE = DeadLetterSource()
_NAMED = 5


def chosen_ids(fields: Mapping[str, str]) -> list[str]:
    """Return the ids of the letters that a form names."""
    return [name.removeprefix(_CHOSEN) for name in fields if name.startswith(_CHOSEN)]


def _find_chosen(context: PageContext) -> list[DeadLetter]:
    found = [_SOURCE.find(context.hub, each) for each in chosen_ids(context.query)]
    letters = [each for each in found if each is not None]
    if not letters:
        raise ActionRejected("No dead letter is chosen. Mark some in the list first.")
    return letters


def _ask(context: PageContext) -> ActionQuestion:
    letters, verb = _find_chosen(context), DROP if context.query.get("verb") == DROP else RETRY
    count = "1 message" if len(letters) == 1 else f"{len(letters)} messages"
    named = [f"{each.message.sender} to {each.recipient}: {each.message.content}"[:200] for each in letters[:_NAMED]]
    more = [f"and {len(letters) - _NAMED} more"] if len(letters) > _NAMED else []
    outcome = "Nobody gets them any more. They stay in their conversations." if verb == DROP else ""
    return ActionQuestion(
        section=ADDRESS.strip("/"),
        title=f"{verb.capitalize()} {count}?",
        consequences=(outcome or "Each recipient gets its message again, as if it had never been tried.",),
        address=f"{ADDRESS}/chosen",
        button=f"{verb.capitalize()} {count}",
        back=ADDRESS,
        quoted="\n".join([*named, *more]),
        fields={"verb": verb, **{f"{_CHOSEN}{id_of(each)}": version_of(each) for each in letters}},
        is_grave=verb == DROP,
    )


def _act(context: PageContext, fields: Mapping[str, str]) -> Outcome:
    verb = DROP if fields.get("verb") == DROP else RETRY
    done, refused = 0, []
    for each in chosen_ids(fields):
        try:
            _SOURCE.act(context.hub, each, verb, fields[f"{_CHOSEN}{each}"], reader_of(context.viewer), "")
            done += 1
        except ActionRejected as error:
            refused.append(f"{each}: {error}")
    what = {DROP: "dropped", RETRY: "retried"}[verb]
    return Outcome(ADDRESS, " ".join([f"{done} {what}.", *refused]))


CHOSEN_PAGE = ask_page(f"{ADDRESS}/chosen", ADDRESS.strip("/"), _ask)
CHOSEN_FORM = Form(f"{ADDRESS}/chosen", _act)
