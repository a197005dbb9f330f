"""Outcomes: the results of handling a message. A handler returns one, and only the daemon acts on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from teamsup.hub.errors import ExitCode


@dataclass(frozen=True, slots=True)
class Done:
    """The delivery is acknowledged. ``teamsup trace`` shows this note."""

    note: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The sender gets this answer, and the delivery is acknowledged."""

    text: str
    message_type: str = "message"
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The sender gets this error, and no agent gets the message. If a script has asked, its command ends with this exit
    code.
    """

    text: str
    exit_code: int = ExitCode.BAD_DATA


@dataclass(frozen=True, slots=True)
class Later:
    """The delivery returns after this many seconds."""

    seconds: float


Outcome = Done | Reply | ErrorReply | Later
