"""Judge a run by its output and its ledger of calls: what is to be done next. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .programs.program import Call, DeferredCall, RunOutput


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over. ``answer`` is sent unless the agent has answered itself."""

    state: Literal["done", "failed", "stopped"]
    reason: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Park:
    """A call waits for people; ``call`` is None when the program asks by itself."""

    call: DeferredCall | None


@dataclass(frozen=True, slots=True)
class Resume:
    """It ran in part: go on in its session, with these ended calls listed in the prompt."""

    listing: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class StartAgain:
    """It has not done anything: start it again, later if there is a reason."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """The login cannot be used until then; None: a time of our own."""

    until: float | None
    reason: str
    is_incident: bool = False
    """Only a person can help."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It died in this call, whose outcome nobody knows. Only people or a rule decide what is next."""

    call: Call


Judgement = Finish | Park | Resume | StartAgain | Pause | Unknown


def judge(output: RunOutput, calls: Sequence[Call], *, is_alive: bool, has_answered: bool) -> Judgement | None:
    """Return what is to be done; None while its process lives and has not said how it ended.

    ``has_answered``: the agent has answered its cause in the hub by itself.
    """
    raise NotImplementedError
