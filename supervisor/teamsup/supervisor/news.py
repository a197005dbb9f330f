"""Tells the team of deaths: kept until the hub has taken them."""

from collections.abc import Callable, Iterable

from teamsup.hub import MessageHub, UnknownRecipient
from teamsup.hub.messages import new_message_id

_NEWS_SECONDS = 24 * 3600.0


class News:
    """What is still to be told. ``say`` shows a line to whoever looks after the team."""

    def __init__(self, hub: MessageHub, say: Callable[[str], None]) -> None:
        self._hub = hub
        self._say = say
        self._waiting: list[tuple[str, str]] = []

    def add(self, text: str) -> None:
        self._waiting.append((new_message_id(), text))

    def tell(self, recipients: Iterable[str]) -> None:
        """Raises StoreError; then nothing is lost, and what was told already is not told again."""
        while self._waiting:
            message_id, text = self._waiting[0]
            for recipient in recipients:
                self._send(recipient, text, f"{message_id}.{recipient}")
            del self._waiting[0]

    def _send(self, recipient: str, text: str, message_id: str) -> None:
        try:
            self._hub.send(
                recipient,
                text,
                message_type="notification",
                priority="high",
                message_id=message_id,
                expires_in=_NEWS_SECONDS,
            )
        except UnknownRecipient:
            self._say(f"nobody named {recipient!r} is there to be told of a death; see told_of_deaths in teamsup.toml")
