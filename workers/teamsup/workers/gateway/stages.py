"""Where a question stands, by what the hub knows of its deliveries. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_ROLES = ("question", "relay", "answer")
_LOST = ("dead", "expired")


class Stage(StrEnum):
    """Where a question stands, and the reaction that shows it."""

    STORED = "👀"
    WORKING = "⚙"
    ANSWERED = "✅"
    FAILED = "❌"
    WITHDRAWN = ""

    @property
    def is_last(self) -> bool:
        return self not in (Stage.STORED, Stage.WORKING)


@dataclass(frozen=True, slots=True)
class Step:
    """A delivery on the way from a question to its answer: of itself, of it as it was passed on, or of an answer."""

    role: str
    state: str
    is_read: bool = False
    is_error: bool = False


def stage(steps: Sequence[Step]) -> Stage:
    """Where a question stands."""
    asked, passed_on, answers = ([step for step in steps if step.role == role] for role in _ROLES)
    done = [answer for answer in answers if answer.state == "done"]
    if _are_lost(asked) or _are_lost(passed_on):
        return Stage.FAILED
    if any(not answer.is_error for answer in done):
        return Stage.ANSWERED
    if done or any(answer.state in _LOST for answer in answers):
        return Stage.FAILED
    if any(step.state == "leased" for step in asked) or any(step.is_read for step in passed_on):
        return Stage.WORKING
    is_open = any(step.state != "cancelled" for step in passed_on or asked)
    return Stage.STORED if is_open else Stage.WITHDRAWN


def _are_lost(steps: Sequence[Step]) -> bool:
    return bool(steps) and all(step.state in _LOST for step in steps)
