"""News for people: told in every place where people are. What they were told on Discord with buttons says there what
became of it."""

from collections.abc import Callable, Mapping
from typing import Any

from teamsup.hub import Delivery, MessageHub
from teamsup.hub.sections import GatewaySection

from .people import GATEWAY, as_said_by, passed_on, places

SETTLED = "settled"
_NOBODY_SECONDS = 10.0
_SHOWN = """
    SELECT message_id FROM messages AS m WHERE m.message_id = :shown AND m.sender = :me AND m.recipient = :gateway
      AND (:is_over OR NOT EXISTS (SELECT 1 FROM messages WHERE reply_to = :shown AND message_type = :settled))
"""


class News:
    """Its verbs block, and raise the hub's errors."""

    def __init__(self, hub: MessageHub, gateway: Callable[[], GatewaySection]) -> None:
        self._hub = hub
        self._gateway = gateway

    def tell(self, delivery: Delivery) -> None:
        """Pass news on to everybody who has ever been at a console, and to the gateway's home channel; they are kept
        for those who are not there."""
        news = delivery.message
        home = self._gateway().home_channel
        people = places(self._hub, home=home != 0)
        if not people:
            self._hub.release(delivery, delay=_NOBODY_SECONDS)
            return
        texts = {place: as_said_by(news, place) for place in dict.fromkeys(people)}
        with self._hub.transaction():
            for person in people:
                if person == GATEWAY and news.metadata.get("answered_in") == f"discord:{home}":
                    continue  # everybody there has read the answer
                has_buttons = person == GATEWAY and news.metadata.get("commands")
                self._hub.send(
                    person,
                    texts[person],
                    message_type="notification",
                    priority=news.priority,
                    metadata=passed_on(news),
                    message_id=_shown(news.id) if has_buttons else None,
                )
            if GATEWAY in people and isinstance(settled := news.metadata.get(SETTLED), Mapping):
                self._settle(settled, news.conversation_id)
            self._hub.acknowledge(delivery, outcome=f"passed on to {len(people)}")

    def _settle(self, settled: Mapping[str, Any], conversation: str | None) -> None:
        """Have the buttons end of what was told with them: once when it is taken care of, and once when it is over."""
        for number in settled.get("messages") or ():
            values = {
                "shown": _shown(number),
                "me": self._hub.agent,
                "gateway": GATEWAY,
                "is_over": bool(settled.get("is_over")),
                "settled": SETTLED,
            }
            for row in self._hub.rows(_SHOWN, values):
                self._hub.send(
                    GATEWAY,
                    str(settled.get("words")),
                    message_type=SETTLED,
                    conversation_id=conversation,
                    reply_to=row["message_id"],
                )


def _shown(number: int) -> str:
    """The message that shows on Discord what that one told."""
    return f"shown:{number}"
