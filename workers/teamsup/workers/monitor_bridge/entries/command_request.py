"""Send a person's command, such as ``ack 14``, to monitor-bridge, which acts now or after its next start."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.hub import MessageHub, Team, TeamsupError
from teamsup.terminal.console import is_answer, open_console, receive, temporary_name
from teamsup.terminal.formatting import describe_presence

from ...protocol import MONITOR_BRIDGE

_ANSWER_TIMEOUT_SECONDS = 10.0


class AcknowledgementRejected(TeamsupError):
    """monitor-bridge refused the acknowledgement. The text is its answer."""


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """monitor-bridge's answer. If there is none yet, a sentence about that, and ``is_done`` is False."""

    text: str
    is_done: bool = True


def send_command(team: Team, words: Sequence[str], person: str) -> CommandOutcome:
    """Send the command as this person. ``person`` is the name of a console. Raise AcknowledgementRejected with the
    answer.
    """
    with MessageHub(team) as hub:
        bridge = hub.find_agent(MONITOR_BRIDGE)
    if bridge is not None and bridge.is_present(datetime.now(UTC)):
        answer = _request_answer(team, words, person)
        if answer is not None:
            return CommandOutcome(answer)
        state = "has not answered yet"
    else:
        state = "was never started" if bridge is None else f"is {describe_presence(bridge, datetime.now(UTC))}"
        with MessageHub(team, agent=person) as hub:
            hub.enroll(person, "console")
            hub.enroll(MONITOR_BRIDGE, "daemon")
            hub.send(MONITOR_BRIDGE, " ".join(words))
    text = f"Noted. {MONITOR_BRIDGE} {state}; it will read this, and notify the others, as soon as it can."
    return CommandOutcome(text, is_done=False)


def _request_answer(team: Team, words: Sequence[str], person: str) -> str | None:
    """Return monitor-bridge's answer, or None if it did not come in time. The request is stored in any case. Raise
    AcknowledgementRejected.
    """
    name = temporary_name(person)
    with open_console(team, name) as hub:
        try:
            about = {"author_name": person, "person": person}
            question = hub.send(MONITOR_BRIDGE, " ".join(words), metadata=about)
            for delivery in receive(hub, _ANSWER_TIMEOUT_SECONDS):
                hub.acknowledge(delivery)
                if is_answer(delivery, question):
                    if delivery.message.message_type == "error":
                        raise AcknowledgementRejected(delivery.message.content)
                    return delivery.message.content
        finally:
            hub.maintenance.retire(name)
    return None
