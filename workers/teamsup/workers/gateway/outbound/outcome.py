"""The outcome of a delivery. The part that sends returns it, and only ``app`` acts on it. Pure."""

from dataclasses import dataclass

from ..rest_errors import Retry
from ..tables.chunk_table import NewChunk
from .rejection_notices import RejectionNotice


@dataclass(frozen=True, slots=True)
class Sent:
    """Discord has the message, or there is nothing to send. ``note`` is the delivery's outcome in the hub."""

    note: str = "sent"


@dataclass(frozen=True, slots=True)
class Rejected:
    """Discord refuses the message, and a retry cannot help."""

    why: str
    to_sender: str = ""
    """The text for its sender; empty if there is none."""
    notice: RejectionNotice | None = None
    """The notice for people in another channel."""


@dataclass(frozen=True, slots=True)
class Replanned:
    """Send the message at once, from chunk number ``first`` of these chunks. ``to_sender`` is the same as
    in Rejected.
    """

    first: int
    chunks: tuple[NewChunk, ...]
    to_sender: str


Outcome = Sent | Retry | Rejected | Replanned
