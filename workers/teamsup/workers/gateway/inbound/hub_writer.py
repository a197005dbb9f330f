"""Store messages, edits and deletions in the hub, each with its channel's position in one transaction. Blocks."""

import time
from collections.abc import Callable, Sequence

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import Message, MessageHub

from ...protocol import DELETED_TYPE, EDITED_TYPE
from ..ids import conversation_id_of, message_id_of
from ..message import HubContent, InboundMessage, to_hub_content
from ..tables.channel_table import advance
from ..tables.chunk_table import find_message_number

MAX_BOT_ROUNDS = 8
_MAX_SEARCHED = 100
_ROUND_SECONDS = 3600.0


def count_rounds(messages: Sequence[Message], me: str) -> int:
    """Return how often a bot and the team have answered each other at the end of a conversation. The count begins after
    the last message of a person, or after an hour without the bot. Pure.
    """
    rounds, is_answered, last = 0, False, time.time()
    for message in reversed(messages):
        if message.sender == me and message.message_type == "message":
            at = message.created_at.timestamp() if message.created_at else last
            if not message.metadata.get("bot") or last - at > _ROUND_SECONDS:
                break
            rounds, is_answered, last = rounds + is_answered, False, at
        elif message.recipient == me and message.message_type != "status_report":
            is_answered = True
    return rounds


class HubWriter:
    """Writes to the hub. Each method raises StoreError or UnknownRecipient for a temporary problem, and CallerError for
    a permanent one.
    """

    def __init__(self, hub: MessageHub, now: Callable[[], float]) -> None:
        """``now`` returns Discord's time in Unix seconds."""
        self._hub = hub
        self._now = now

    def insert(self, inbound: InboundMessage, files: Sequence[str]) -> None:
        """Store the message, unless it is already stored."""
        content = to_hub_content(inbound, files, self._now())
        with self._hub.transaction():
            self._advance_cursor(inbound)
            if not self._versions_of(inbound.snowflake):
                self._send(inbound, content, message_id_of(inbound.snowflake))

    def edit(self, inbound: InboundMessage, files: Sequence[str]) -> None:
        """Withdraw the unread versions and store the new one. Send it as an edit to agents that have read the old
        one.
        """
        now = self._now()
        content, edit = to_hub_content(inbound, files, now), to_hub_content(inbound, files, now, before="edited: ")
        with self._hub.transaction():
            versions = self._versions_of(inbound.snowflake)
            if not versions or versions[-1].message_type == DELETED_TYPE or inbound.edited_at is None:
                return
            # Discord also reports changes that no person has made, such as a link's preview.
            if _is_known_version(inbound.edited_at, versions):
                return
            last, changed_id = versions[-1], message_id_of(inbound.snowflake, str(inbound.edited_at))
            read = _read_version(versions)
            if self._hub.cancel(last.message_id) and last.message_type != EDITED_TYPE:
                self._send(inbound, content, changed_id)
            elif read is not None:
                self._hub.send(
                    USER_COMM,
                    edit.content,
                    message_type=EDITED_TYPE,
                    metadata=edit.metadata,
                    message_id=changed_id,
                    conversation_id=last.conversation_id,
                    reply_to=read.message_id,
                )

    def is_first_in_conversation(self, inbound: InboundMessage) -> bool:
        """Return whether the team has no message of its channel or thread."""
        return not self._hub.queries.find(conversation=conversation_id_of(inbound.author.channel), limit=1)

    def is_new_version(self, inbound: InboundMessage) -> bool:
        """Return whether the message is stored, but this edit of it is not."""
        versions = self._versions_of(inbound.snowflake)
        return bool(versions) and not _is_known_version(inbound.edited_at, versions)

    def delete(self, snowflake: int) -> None:
        """Withdraw the unread deliveries, and notify agents that have read the message."""
        with self._hub.transaction():
            versions = self._versions_of(snowflake)
            if not versions or versions[-1].message_type == DELETED_TYPE:
                return
            withdrawn = [version for version in versions if self._hub.cancel(version.message_id)]
            read = _read_version(versions)
            if read is not None and read not in withdrawn:
                self._hub.send(
                    USER_COMM,
                    "The message was deleted on Discord.",
                    message_type=DELETED_TYPE,
                    metadata={name: read.metadata[name] for name in ("author_name", "user") if name in read.metadata},
                    message_id=message_id_of(snowflake, DELETED_TYPE),
                    conversation_id=read.conversation_id,
                    reply_to=read.message_id,
                )

    def skip_to(self, channel: int, snowflake: int, sentence: str) -> None:
        """Skip all messages of a channel up to a message."""
        with self._hub.transaction():
            advance(self._hub, channel, snowflake)
            self._hub.send(USER_COMM, sentence, message_type="notification")

    def notify_team(self, sentence: str) -> None:
        """Send people a notification."""
        self._hub.send(USER_COMM, sentence, message_type="notification")

    def count_bot_rounds(self, inbound: InboundMessage) -> int:
        """Return how often a bot has answered the team in a conversation since a person's last message."""
        conversation = conversation_id_of(inbound.author.channel)
        return count_rounds(self._hub.queries.find(conversation=conversation, limit=_MAX_SEARCHED), self._hub.agent)

    def record_rejected(self, inbound: InboundMessage) -> None:
        """Note that the message can never be stored."""
        self._advance_cursor(inbound)

    def _advance_cursor(self, inbound: InboundMessage) -> None:
        author = inbound.author
        advance(self._hub, author.channel, inbound.snowflake, author.user if author.guild is None else None)

    def _send(self, inbound: InboundMessage, content: HubContent, message_id: str) -> None:
        if (answered := self._team_message_of(inbound.replied_to)) is not None:
            content.metadata["replied_message"] = answered
        self._hub.send(
            USER_COMM,
            content.content,
            message_id=message_id,
            conversation_id=conversation_id_of(inbound.author.channel),
            metadata=content.metadata,
        )

    def _team_message_of(self, snowflake: int | None) -> str | None:
        """Return the team's message that has this number on Discord."""
        number = None if snowflake is None else find_message_number(self._hub, snowflake)
        return None if number is None else self._hub.queries.message(f"#{number}").message_id

    def _versions_of(self, snowflake: int) -> list[Message]:
        return self._hub.queries.versions(message_id_of(snowflake), sender=self._hub.agent)


def _is_known_version(edited: int | None, versions: Sequence[Message]) -> bool:
    """Return whether a stored version has the same text as the edit."""
    return edited in (version.metadata.get("edited") for version in versions)


def _read_version(versions: Sequence[Message]) -> Message | None:
    """Return the version that user_comm has: the last version that was not a notice of an edit."""
    return next(
        (version for version in reversed(versions) if version.message_type not in (EDITED_TYPE, DELETED_TYPE)), None
    )
