"""What goes wrong, on purpose and the same way in every run with the same seed."""

import re
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random
from typing import Literal

RequestFault = Literal[
    "lost reply",  # done, and the connection closed instead of an answer
    "reset",  # not done, the connection reset
    "503 before",  # not done
    "503 after",  # done
    "500 before",
    "401 before",  # as while the login of Discord itself has trouble
    "429",  # not done, try again in `seconds`
    "429 everywhere",  # the limit on all that the bot asks for
    "403 elsewhere",  # not done, and not Discord's own words: something on the way to it
    "cloudflare ban",  # a 429 without Via, as HTML
    "delay",  # `seconds` before it is done
    "slow reply",  # `seconds` after it is done
]
EventFault = Literal[
    "drop",  # the socket is gone before the event was written
    "drop after",
    "close",  # with `code`
    "reconnect",  # op 7 instead of the event, which a RESUME brings
    "invalid session",  # op 9 false; the session is forgotten
    "invalid session, resumable",  # op 9 true
    "delay",
    "twice",
]
OpFault = Literal["refuse", "close", "drop", "ignore", "delay"]  # for op RESUME, op IDENTIFY, op HEARTBEAT
FaultKind = RequestFault | EventFault | OpFault


@dataclass
class Fault:
    """One thing that goes wrong at the occasions that match.

    An occasion is ``POST /channels/1/messages``, ``event MESSAGE_CREATE`` or ``op RESUME``; ``at`` may hold ``*``.
    """

    kind: FaultKind
    at: str
    times: int | None = 1  # None: without an end
    skip: int = 0  # occasions that pass unharmed before
    chance: float = 1.0
    seconds: float = 0.1
    code: int = 4000
    seen: Counter[str] = field(default_factory=Counter)

    def matches(self, occasion: str) -> bool:
        return self.times != 0 and fnmatchcase(occasion, self.at)


class FaultPlan:
    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.planned: list[Fault] = []
        self.happened: Counter[str] = Counter()  # by kind and kind of occasion
        self._counts = 0

    def add(
        self,
        kind: FaultKind,
        at: str,
        *,
        times: int | None = 1,
        skip: int = 0,
        chance: float = 1.0,
        seconds: float = 0.1,
        code: int = 4000,
    ) -> Fault:
        fault = Fault(kind, at, times, skip, chance, seconds, code)
        self.planned.append(fault)
        return fault

    def clear(self) -> None:
        self.planned.clear()

    def pick(self, occasion: str) -> Fault | None:
        """The first fault planned for this occasion, which is then spent."""
        for number, fault in enumerate(self.planned):
            if not fault.matches(occasion):
                continue
            if fault.skip > 0:
                fault.skip -= 1
            elif self._strikes(number, fault, occasion):
                if fault.times is not None:
                    fault.times -= 1
                self.happened[f"{fault.kind} at {_occasion_kind(occasion)}"] += 1
                return fault
        return None

    def _strikes(self, number: int, fault: Fault, occasion: str) -> bool:
        # Told by the how-manieth time it is in this channel, not by what other channels do meanwhile.
        key = _normalize_occasion(occasion)
        fault.seen[key] += 1
        drawn = Random(f"{self.seed} {number} {fault.at} {key} {fault.seen[key]}").random()  # noqa: S311
        return drawn < fault.chance


def _normalize_occasion(occasion: str) -> str:
    """Numbers of messages and tokens differ from run to run; those of channels do not."""
    return re.sub(r"(/(?:messages|interactions|attachments)/).*?(?=/reactions|/threads|$)", r"\1*", occasion)


def _occasion_kind(occasion: str) -> str:
    return re.sub(r"/\d+", "/*", re.sub(r"(/(?:webhooks|interactions|reactions)/).*", r"\1*", occasion))
