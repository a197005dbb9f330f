"""The text for people about a call: the exact tool and its exact input, as data. Pure."""

from teamsup.terminal.formatting import to_single_line
from teamsup.terminal.tool_call import show_input

from ..programs.program import DeferredCall
from ..run import Run


def render_request(run: Run, call: DeferredCall) -> str:
    """Return the question to people. Every line of the agent's text begins with a bar, so that it does not look like a
    line of teamsup.
    """
    words = [f"May {run.agent} make this call of {to_single_line(call.tool, 100)}?", show_input(call.input)]
    match run.cause.kind:
        case "message":
            about = f"It works on #{run.cause.message_number}" if run.cause.message_number else "It works on a message"
        case "schedule":
            about = "Its schedule started it"
        case _:
            about = "A person started it"
    return "\n".join([*words, f"{about}, in run {run.id}. It counts for this call alone."])
