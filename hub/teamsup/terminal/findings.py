"""Findings of doctor: the results of the checks of teamsup and of components."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

CommandHint = Callable[..., str]
"""Turn words of a teamsup command into a line to paste."""


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    UNKNOWN = "unknown"
    """The check got no answer, so it may be well or not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, with the remedy if there is one."""

    check: str
    verdict: Verdict
    text: str
    hint: str = ""
