"""Render a decision and its outcome for people. Pure."""

from collections.abc import Sequence
from datetime import datetime

from teamsup.hub.models import MAX_MESSAGE_BYTES
from teamsup.terminal.formatting import format_age, format_duration

from ..people import shorten
from .decision import Decision, InvalidAnswer

_MAX_TEXT_BYTES = MAX_MESSAGE_BYTES - 8192


def render_question(decision: Decision, now: datetime, *, on_discord: bool, again: bool = False) -> str:
    """Return the decision for people. On Discord the options are buttons, elsewhere a numbered list."""
    urgent = "❗ " if decision.priority == "urgent" else ""
    still = f"Reminder of a question, asked {format_age(decision.asked_at, now)}. " if again else ""
    lines = [f"{urgent}{still}{decision.asked_by} asks (#{decision.number}): {_truncate(decision.text)}"]
    if not on_discord:
        lines += [f"  {number}. {option}" for number, option in enumerate(decision.spec.options, 1)]
    lines += [*_render_deciders(decision, on_discord=on_discord), _render_how(decision, on_discord=on_discord)]
    return "\n".join([*lines, *_render_deadline(decision, now, on_discord=on_discord)])


def render_outcome(decision: Decision) -> str:
    """Return the outcome as a sentence."""
    number = f"#{decision.number}"
    match decision.state:
        case "open":
            return f"{number} is to be decided."
        case "decided":
            return f"{decision.decided_by} has decided {number}: {decision.answer}"
        case "defaulted":
            return f"Nobody has decided {number} in time, so the default counts: {decision.answer}"
        case "expired":
            return f"Nobody has decided {number} in time."
        case "undeliverable":
            unheard = f"{number} could not be shown in time to anybody who may decide it"
            fallback = decision.spec.default
            return f"{unheard}." if fallback is None else f"{unheard}, so its default does not count: {fallback}"
        case "withdrawn":
            return f"{number} no longer needs a decision."


def render_invalid_answer(decision: Decision, refused: InvalidAnswer) -> str:
    """Return why an answer does not count."""
    match refused.reason:
        case "not allowed" if decision.spec.deciders:
            return f"You may not decide #{decision.number}; that is for {', '.join(decision.spec.deciders)}."
        case "not allowed":
            return f"You may not decide #{decision.number}."
        case "own":
            return f"#{decision.number} is your own question. Another person must decide it."
        case "no such option" if decision.spec.options:
            choices = ", ".join(f"{number} {option}" for number, option in enumerate(decision.spec.options, 1))
            return f"#{decision.number} has no such option. Choose one of: {choices}."
        case "no such option":
            return f"Name your choice: /decide {decision.number} ANSWER"
        case _:
            return render_outcome(decision)


def render_unknown_deciders(decision: Decision, unknown_ones: Sequence[str], consoles: Sequence[str]) -> str:
    """Return a note for the agent about deciders who cannot decide at present."""
    known = ", ".join(name.removeprefix("console-") for name in consoles)
    return (
        f"#{decision.number} is asked, but the team does not know {' or '.join(unknown_ones)}, "
        f"who cannot decide it at present. Known consoles: {known or 'nobody'}."
    )


def render_unknown_decision(open_ones: Sequence[Decision]) -> str:
    """Return a note that there is no such decision, and list the open decisions."""
    return f"There is no such decision. {_list_open(open_ones)}"


def render_usage(open_ones: Sequence[Decision]) -> str:
    """Return how to answer a decision by its number."""
    return f"Write: /decide ID ANSWER. {_list_open(open_ones)}"


def render_line(decision: Decision, now: datetime) -> str:
    """Return the decision as one line of a list."""
    asked = (
        f"#{decision.number} {decision.asked_by}, {format_age(decision.asked_at, now)}: {shorten(decision.text, 100)}"
    )
    if decision.state != "open":
        return f"{asked} | {shorten(render_outcome(decision), 300)}"
    options = " / ".join(f"{number} {option}" for number, option in enumerate(decision.spec.options, 1))
    how = [
        options or "in words",
        *_render_deciders(decision, on_discord=False),
        *_render_deadline(decision, now, on_discord=False),
    ]
    return " | ".join([asked, *how])


def _list_open(open_ones: Sequence[Decision]) -> str:
    return f"To be decided: {', '.join(f'#{decision.number}' for decision in open_ones) or 'none'}."


def _render_deciders(decision: Decision, *, on_discord: bool) -> list[str]:
    if not decision.spec.deciders:
        return []
    names = [
        f"<@{number}>" if on_discord and (number := name.removeprefix("discord:")) != name else name
        for name in decision.spec.deciders
    ]
    return [f"To be decided by {' or '.join(names)}."]


def _render_how(decision: Decision, *, on_discord: bool) -> str:
    if on_discord:
        return "Press a button." if decision.spec.options else "Reply to this message with your answer."
    if decision.spec.options:
        return f"Answer with its number, or: /decide {decision.number} ANSWER"
    return f"Answer with: /decide {decision.number} ANSWER"


def _render_deadline(decision: Decision, now: datetime, *, on_discord: bool) -> list[str]:
    if decision.deadline is None:
        return []
    if on_discord:
        when = f"<t:{int(decision.deadline.timestamp())}:R>"
    else:
        when = f"in {format_duration((decision.deadline - now).total_seconds())}"
    counts = "this counts, and nothing is done" if decision.spec.default_denies else "this counts"
    then = "" if decision.spec.default is None else f"; then {counts}: {decision.spec.default}"
    return [f"The time for it ends {when}{then}."]


def _truncate(text: str) -> str:
    cut = text.encode()[:_MAX_TEXT_BYTES].decode(errors="ignore")
    return text if cut == text else f"{cut}\n… (cut)"
