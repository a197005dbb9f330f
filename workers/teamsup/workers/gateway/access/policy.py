"""The policy of access: the users on Discord who may write to the team, and the number of their messages in a minute.
Pure.
"""

import re
from collections import deque
from collections.abc import Collection

from ..component import ALWAYS, GatewaySection
from ..message import Author, InboundMessage

_NAMES_AGENT = re.compile(r"\s*(?:@(?!(?:everyone|here)\b)|/)\w", re.IGNORECASE)
"""The beginning of a message to a named agent, or of a command."""
_WINDOW_SECONDS = 60.0


def is_allowed(section: GatewaySection, paired: Collection[int], author: Author) -> bool:
    """Return whether a user is listed, has a listed role, has paired, or writes in a listed channel. Deny by
    default.
    """
    if author.is_bot:
        return author.user in section.bots or bool({author.webhook, author.application}.intersection(section.webhooks))
    return (
        author.user in section.users
        or author.user in paired
        or bool(author.roles.intersection(section.roles))
        or author.channel in section.channels
        or author.parent in section.channels
        or author.guild in section.guilds
    )


def could_allow(section: GatewaySection, paired: Collection[int], channel: Author) -> bool:
    """Return whether any user could be admitted in a channel. If so, the channel's missed messages matter."""
    anywhere = (
        section.users or section.bots or section.webhooks or paired or (section.roles and channel.guild is not None)
    )
    return bool(anywhere) or is_allowed(section, paired, channel)


def answer_mode(section: GatewaySection, author: Author) -> str:
    """Return the mode of a channel: the team answers always, or only when a message mentions it. A direct message is
    always for the team.
    """
    if author.guild is None:
        return ALWAYS
    modes = (section.answer_in.get(str(number)) for number in (author.channel, author.parent))
    return next((mode for mode in modes if mode is not None), section.answer)


def is_for_team(section: GatewaySection, inbound: InboundMessage) -> bool:
    """Return whether a message of an admitted person or bot is for the team, not for other people."""
    names_team = inbound.mentions_bot or inbound.replies_to_bot or _NAMES_AGENT.match(inbound.text) is not None
    if inbound.author.guild is None or names_team:
        return True
    if inbound.mentions_others and not inbound.author.is_bot:
        return False
    return inbound.is_own_thread or answer_mode(section, inbound.author) == ALWAYS


class RateLimiter:
    """Limits the messages of one person in a minute. Further messages wait.

    The limit uses the times at which messages were written, not the times of their arrival.
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
        """Return whether one more message is accepted now. A refused message does not count."""
        turns = self._taken_by(person)
        if len(turns) == self._per_minute and now - turns[0] < _WINDOW_SECONDS:
            return False
        turns.append(now)
        return True

    def _taken_by(self, person: int) -> deque[float]:
        return self._taken_at.setdefault(person, deque(maxlen=self._per_minute))
