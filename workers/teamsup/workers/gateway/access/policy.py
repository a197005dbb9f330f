"""The policy of access: the users on Discord who may write to the team, and how much in a minute. Pure."""

from collections import deque
from collections.abc import Collection

from ..component import GatewaySection
from ..message import Author

_WINDOW_SECONDS = 60.0


def is_allowed(section: GatewaySection, paired: Collection[int], author: Author) -> bool:
    """Return whether a user is listed, has a listed role, has paired, or writes in a listed channel. Deny by
    default.
    """
    if author.is_bot:
        return author.user in section.bots
    return (
        author.user in section.users
        or author.user in paired
        or bool(author.roles.intersection(section.roles))
        or author.channel in section.channels
        or author.parent in section.channels
        or author.guild in section.guilds
    )


def could_allow(section: GatewaySection, paired: Collection[int], channel: Author) -> bool:
    """Return whether a user could be admitted in a channel, so that its missed messages matter."""
    anywhere = section.users or section.bots or paired or (section.roles and channel.guild is not None)
    return bool(anywhere) or is_allowed(section, paired, channel)


class RateLimiter:
    """Limit the messages of one person in a minute; further ones wait.

    The times of writing count. So messages that were written slowly are accepted at once, however late they arrive.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._taken_at: dict[int, deque[float]] = {}

    def reserve(self, person: int, written: float, now: float) -> float:
        """Return the Unix second from which this message may be accepted. Each call counts."""
        turns = self._taken_by(person)
        if turns and turns[0] > now + _WINDOW_SECONDS:
            turns.clear()  # our clock was set back
        written = min(written, now)  # Discord's clock may be ahead of ours
        at = max(written, turns[0] + _WINDOW_SECONDS) if len(turns) == self._per_minute else written
        turns.append(at)
        return at

    def try_acquire(self, person: int, now: float) -> bool:
        """Return whether one more message is accepted now. A refused one does not count."""
        turns = self._taken_by(person)
        if len(turns) == self._per_minute and now - turns[0] < _WINDOW_SECONDS:
            return False
        turns.append(now)
        return True

    def _taken_by(self, person: int) -> deque[float]:
        return self._taken_at.setdefault(person, deque(maxlen=self._per_minute))
