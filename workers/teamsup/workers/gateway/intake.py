"""Into the hub: what was heard, edited and deleted, each with the place it was seen in, in one transaction. Blocks."""

import time
from collections.abc import Sequence

from teamsup.hub import Message, MessageHub

from . import places
from .heard import Heard, Told, tell
from .snowflakes import conversation_of, message_id_of

RECIPIENT = "user_comm"
EDITED, DELETED = "edited", "deleted"


class Intake:
    """Each of its verbs raises StoreError or UnknownRecipient, to be tried again, or CallerError, which is for good."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def take(self, heard: Heard, files: Sequence[str]) -> None:
        """Store it, unless it is stored."""
        told = tell(heard, files, time.time())
        with self._hub.transaction():
            self._see(heard)
            if not self._versions(heard.snowflake):
                self._send(heard, told, message_id_of(heard.snowflake))

    def edit(self, heard: Heard, files: Sequence[str]) -> None:
        """Withdraw what nobody has read and say it anew; to who has read it, say what it says now."""
        now = time.time()
        anew, news = tell(heard, files, now), tell(heard, files, now, before="edited: ")
        with self._hub.transaction():
            versions = self._versions(heard.snowflake)
            if not versions or versions[-1].message_type == DELETED or heard.edited is None:
                return
            # Discord also tells of changes that no person has made, such as a link's preview.
            if _is_known(heard.edited, versions):
                return
            last, changed_id = versions[-1], message_id_of(heard.snowflake, str(heard.edited))
            read = _read(versions)
            if self._hub.cancel(last.message_id) and last.message_type != EDITED:
                self._send(heard, anew, changed_id)
            elif read is not None:
                self._hub.send(
                    RECIPIENT,
                    news.content,
                    message_type=EDITED,
                    metadata=news.metadata,
                    message_id=changed_id,
                    conversation_id=last.conversation_id,
                    reply_to=read.message_id,
                )

    def is_news(self, heard: Heard) -> bool:
        """Whether it is stored, and not as it was edited."""
        versions = self._versions(heard.snowflake)
        return bool(versions) and not _is_known(heard.edited, versions)

    def delete(self, snowflake: int) -> None:
        """Withdraw what nobody has read; tell who has read it."""
        with self._hub.transaction():
            versions = self._versions(snowflake)
            if not versions or versions[-1].message_type == DELETED:
                return
            withdrawn = [version for version in versions if self._hub.cancel(version.message_id)]
            read = _read(versions)
            if read is not None and read not in withdrawn:
                self._hub.send(
                    RECIPIENT,
                    "The message was deleted on Discord.",
                    message_type=DELETED,
                    metadata={name: read.metadata[name] for name in ("from", "user") if name in read.metadata},
                    message_id=message_id_of(snowflake, DELETED),
                    conversation_id=read.conversation_id,
                    reply_to=read.message_id,
                )

    def pass_over(self, channel: int, snowflake: int, sentence: str) -> None:
        """Say that what was written there up to that message is not taken in any more."""
        with self._hub.transaction():
            places.see(self._hub, channel, snowflake)
            self._hub.send(RECIPIENT, sentence, message_type="notification")

    def refused(self, heard: Heard) -> None:
        """It can never be stored."""
        self._see(heard)

    def _see(self, heard: Heard) -> None:
        author = heard.author
        places.see(self._hub, author.channel, heard.snowflake, author.user if author.guild is None else None)

    def _send(self, heard: Heard, told: Told, message_id: str) -> None:
        if (answered := self._said_by(heard.answers)) is not None:
            told.metadata["answers"] = answered
        self._hub.send(
            RECIPIENT,
            told.content,
            message_id=message_id,
            conversation_id=conversation_of(heard.author.channel),
            metadata=told.metadata,
        )

    def _said_by(self, snowflake: int | None) -> str | None:
        """The message of the team's that stands on Discord under that number."""
        rows = self._hub.rows(
            "SELECT m.message_id FROM discord_pieces AS p JOIN messages AS m ON m.id = p.message WHERE p.snowflake = ?",
            (snowflake,),
        )
        return rows[0]["message_id"] if rows else None

    def _versions(self, snowflake: int) -> list[Message]:
        first = message_id_of(snowflake)
        rows = self._hub.rows(
            "SELECT message_id FROM messages WHERE (message_id = ? OR (message_id > ? AND message_id < ?))"
            " AND sender = ? ORDER BY id",
            (first, f"{first}:", f"{first};", self._hub.agent),
        )
        return [self._hub.message(row["message_id"]) for row in rows]


def _is_known(edited: int | None, versions: Sequence[Message]) -> bool:
    """Whether one of them says what the message said after that edit."""
    return edited in (version.metadata.get("edited") for version in versions)


def _read(versions: Sequence[Message]) -> Message | None:
    """The version that user_comm knows the message by: the last that was no news of an earlier one."""
    return next((version for version in reversed(versions) if version.message_type not in (EDITED, DELETED)), None)
