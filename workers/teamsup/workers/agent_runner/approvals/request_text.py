"""The text for people about a call: the exact tool and its exact input, as data. Pure."""

import json

from teamsup.terminal.formatting import sanitize, to_single_line

from ..programs.program import DeferredCall
from ..run import Run

MAX_SHOWN_CHARACTERS = 20_000
_MARGIN = "| "


def render_request(run: Run, call: DeferredCall) -> str:
    """Return the question to people. Every line of the agent's text begins with a bar, so that no line looks like
    ours."""
    words = [f"May {run.agent} make this call of {to_single_line(call.tool, 100)}?", show_call(call)]
    match run.cause.kind:
        case "message":
            about = f"It works on #{run.cause.message_number}" if run.cause.message_number else "It works on a message"
        case "schedule":
            about = "Its schedule started it"
        case _:
            about = "A person started it"
    return "\n".join([*words, f"{about}, in run {run.id}. It counts for this call alone."])


def show_call(call: DeferredCall) -> str:
    """Return the input of a call for people. Characters that a screen would hide or change are escaped."""
    lines = [f"{to_single_line(str(name), 100)}: {_show_value(value)}" for name, value in call.input.items()]
    shown = "\n".join(lines) or "(without an input)"
    return "\n".join(f"{_MARGIN}{line}" for line in shown.split("\n"))


def _show_value(value: object) -> str:
    if isinstance(value, str) and sanitize(value) == value and "\r" not in value:
        # Further lines are indented, so none of them can pass for another key.
        return value if "\n" not in value else "\n".join(["", *(f"    {line}" for line in value.split("\n"))])
    # People must see the whole text that they allow.
    return json.dumps(value, ensure_ascii=True)
