"""Announcements to all people. Once an announcement is settled, its buttons on Discord are disabled."""

import time
from collections.abc import Mapping
from typing import Any

from teamsup.hub import Message, MessageHub, UnknownMessage

from ..protocol import CLOSE_BUTTONS, GATEWAY, NAMED_PEOPLE_KEY
from .outcome import Done, Later, Outcome
from .people import announcement_recipients, attribute_to_sender, forwarded_metadata
from .routing.live_rules import LiveRules

_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS = 10.0, 300.0


def retry_seconds(announcement: Message, now: float) -> float:
    """Return the time until an announcement without recipients is tried again: its age, from 10 s to 5 minutes.

    Hundreds of announcements may wait for the first person. They are older than new questions, and would delay them.
    """
    age = 0.0 if announcement.created_at is None else now - announcement.created_at.timestamp()
    return min(_MAX_RETRY_SECONDS, max(_FIRST_RETRY_SECONDS, age))


class Announcer:
    """Announces messages to people. Its methods block, and raise the hub's errors."""

    def __init__(self, hub: MessageHub, rules: LiveRules) -> None:
        self._hub = hub
        self._rules = rules

    def announce(self, announcement: Message) -> Outcome:
        """Send an announcement to every known console, and to the gateway's home channel. Absent people get it
        later.
        """
        home = self._rules.gateway.home_channel
        people = announcement_recipients(self._hub, home=home != 0)
        if not people:
            return Later(retry_seconds(announcement, time.time()))
        texts = {recipient: attribute_to_sender(announcement, recipient) for recipient in dict.fromkeys(people)}
        with self._hub.transaction():
            for person in people:
                if person == GATEWAY and announcement.metadata.get("answered_in") == f"discord:{home}":
                    continue  # people in that conversation have read the answer
                has_buttons = person == GATEWAY and announcement.metadata.get("commands")
                self._hub.send(
                    person,
                    texts[person],
                    message_type="notification",
                    priority=announcement.priority,
                    metadata=forwarded_metadata(announcement),
                    message_id=_announcement_id(announcement.id) if has_buttons else None,
                )
            if GATEWAY in people and isinstance(closing := announcement.metadata.get(CLOSE_BUTTONS), Mapping):
                self._disable_buttons(closing, announcement)
        return Done(f"passed on to {len(people)}")

    def _disable_buttons(self, closing: Mapping[str, Any], announcement: Message) -> None:
        """Disable the buttons of an announcement: once on acknowledgement, and once on resolution."""
        for number in closing.get("messages") or ():
            shown = _announcement_id(number)
            closed = self._hub.queries.find(reply_to=shown, message_type=CLOSE_BUTTONS, limit=1)
            if self._is_shown(shown) and (closing.get("is_over") or not closed):
                text = str(closing.get("text"))
                self._hub.send(
                    GATEWAY,
                    text,
                    message_type=CLOSE_BUTTONS,
                    metadata={NAMED_PEOPLE_KEY: announcement.metadata.get(NAMED_PEOPLE_KEY) or []},
                    conversation_id=announcement.conversation_id,
                    reply_to=shown,
                )

    def _is_shown(self, message_id: str) -> bool:
        """Return whether user_comm has sent this announcement to the gateway."""
        try:
            found = self._hub.queries.message(message_id)
        except UnknownMessage:
            return False
        return (found.sender, found.recipient) == (self._hub.agent, GATEWAY)


def _announcement_id(number: int) -> str:
    """Return the id of the message that shows this announcement on Discord."""
    return f"shown:{number}"
