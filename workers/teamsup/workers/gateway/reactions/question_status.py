"""The status of a question, from the hub's deliveries. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_ROLES = ("question", "relay", "answer")
_LOST = ("dead", "expired")


class QuestionStatus(StrEnum):
    """The status of a question, with the reaction that shows it."""

    STORED = "👀"
    WORKING = "⚙"
    ANSWERED = "✅"
    FAILED = "❌"
    WITHDRAWN = ""

    @property
    def is_final(self) -> bool:
        return self not in (QuestionStatus.STORED, QuestionStatus.WORKING)


@dataclass(frozen=True, slots=True)
class QuestionDelivery:
    """A delivery from a question to its answer: of the question, of its relay, or of an answer."""

    role: str
    state: str
    is_read: bool = False
    is_error: bool = False


def determine_status(steps: Sequence[QuestionDelivery]) -> QuestionStatus:
    """Return the status of a question."""
    asked, passed_on, answers = ([step for step in steps if step.role == role] for role in _ROLES)
    done = [answer for answer in answers if answer.state == "done"]
    if _are_lost(asked) or _are_lost(passed_on):
        return QuestionStatus.FAILED
    if any(not answer.is_error for answer in done):
        return QuestionStatus.ANSWERED
    if done or any(answer.state in _LOST for answer in answers):
        return QuestionStatus.FAILED
    if any(step.state == "leased" for step in asked) or any(step.is_read for step in passed_on):
        return QuestionStatus.WORKING
    is_open = any(step.state != "cancelled" for step in passed_on or asked)
    return QuestionStatus.STORED if is_open else QuestionStatus.WITHDRAWN


def _are_lost(steps: Sequence[QuestionDelivery]) -> bool:
    return bool(steps) and all(step.state in _LOST for step in steps)
