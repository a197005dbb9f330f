"""What people do on this Discord. Everybody and everything is named by its number."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..ids import ANN, BOT, CHANNEL, GUILD
from ..world import interactions, message_changes
from ..world.drafts import FileUpload, create_attachment, set_mentions
from ..world.models import (
    COMPONENTS_V2,
    HAS_SNAPSHOT,
    REPLY,
    TEXT,
    VOICE_MESSAGE,
    FakeMessage,
    FakeReference,
    FakeUser,
    Json,
)
from ..world.payloads import snapshot_json
from ..world.permissions import Permission
from ..world.threads import open_thread, update_thread
from .simulation import Simulation

ACTION_ROW = 1  # the only component before Components V2


class UserActions(Simulation):
    """Verbs: what people do."""

    def _message(self, number: int) -> FakeMessage:
        return self.world.messages[number]

    async def say(
        self,
        text: str,
        *,
        channel: int = CHANNEL,
        author: int = ANN,
        reply_to: int | None = None,
        files: Mapping[str, bytes] | None = None,
        embeds: Sequence[Json] = (),
        components: Sequence[Json] = (),
        webhook: tuple[int, str] | None = None,
        application: int | None = None,
        strange: Mapping[str, Any] | None = None,
    ) -> int:
        """``webhook`` is its number and the name that it takes for this message. People can send neither embeds nor
        components, so ``author`` is a bot then."""
        place = self.world.channels[channel]
        if webhook is not None:
            author = webhook[0]
            self.world.users[author] = FakeUser(author, webhook[1], bot=True)
        assert not (embeds or components) or self.world.users[author].bot, "people send neither"
        message = message_changes.new_message(self.world, place, author)
        message.webhook, message.application = None if webhook is None else author, application
        message.embeds = [{"type": "rich", **each} for each in embeds]
        message.components = list(components)
        if any(each["type"] != ACTION_ROW for each in components):
            assert (text, [*embeds]) == ("", []), "with Components V2 there are neither content nor embeds"
            message.flags |= COMPONENTS_V2
        message.content, message.strange = text, dict(strange or {})
        if reply_to is not None:
            message.kind, message.reference = REPLY, FakeReference(channel, reply_to)
        set_mentions(self.world, message, None)
        for name, content in (files or {}).items():
            message.attachments.append(create_attachment(self.world, FileUpload(name, content)))
        return message_changes.publish_message(self.world, message).id

    async def speak(self, sound: bytes, *, channel: int = CHANNEL, author: int = ANN) -> int:
        """A voice message: one sound and no text."""
        message = message_changes.new_message(self.world, self.world.channels[channel], author)
        message.flags |= VOICE_MESSAGE
        attachment = create_attachment(self.world, FileUpload("voice-message.ogg", sound))
        attachment.is_voice = True
        message.attachments.append(attachment)
        return message_changes.publish_message(self.world, message).id

    async def forward(self, message: int, *, channel: int = CHANNEL, author: int = ANN) -> int:
        """Copy a message of any channel. Later changes of that message do not show in the copy."""
        original = self._message(message)
        forwarded = message_changes.new_message(self.world, self.world.channels[channel], author)
        forwarded.flags |= HAS_SNAPSHOT
        forwarded.reference = FakeReference(original.channel, original.id, is_forward=True)
        forwarded.snapshot = snapshot_json(self.world, original)
        return message_changes.publish_message(self.world, forwarded).id

    async def edit(self, message: int, text: str) -> None:
        edited = self._message(message)

        def write() -> None:
            edited.content = text
            set_mentions(self.world, edited, None)

        message_changes.update_message(self.world, edited, write)

    async def delete(self, message: int) -> None:
        message_changes.delete_message(self.world, self._message(message))

    async def delete_many(self, messages: list[int]) -> None:
        """All at once, of one channel."""
        message_changes.delete_messages(self.world, self.world.channels[self._message(messages[0]).channel], messages)

    async def preview_link(self, message: int) -> None:
        """Discord adds a preview by itself: an update, not an edit."""
        found = self._message(message)
        embed: Json = {"type": "link", "url": "https://example.com", "title": "Example"}
        message_changes.update_message(self.world, found, lambda: found.embeds.append(embed), as_edit=False)

    async def react(self, message: int, emoji: str, *, user: int = ANN) -> None:
        message_changes.put_reaction(self.world, self._message(message), user, emoji)

    async def unreact(self, message: int, emoji: str, *, user: int = ANN) -> None:
        message_changes.take_reaction(self.world, self._message(message), user, emoji)

    async def start_typing(self, *, channel: int = CHANNEL, user: int = ANN) -> None:
        self.world.type_in(self.world.channels[channel], user)

    async def command(
        self, line: str, options: Mapping[str, Any] | None = None, *, channel: int = CHANNEL, user: int = ANN
    ) -> int:
        """Run a slash command, for which the bot must have registered it; the number of the interaction."""
        place = self.world.channels[channel]
        return interactions.run_command(self.world, place, user, line, dict(options or {})).id

    async def press(self, message: int, custom_id: str, *, user: int = ANN, values: list[str] | None = None) -> int:
        """A button or list of a message, which must be there for a person to press."""
        return interactions.press_component(self.world, self._message(message), user, custom_id, values).id

    async def open_dm(self, user: int = ANN) -> int:
        return self.world.dm_with(user).id

    async def close_dms(self, user: int = ANN) -> None:
        """From now on this person takes no messages from the bot."""
        self.world.users[user].takes_dms = False

    async def open_thread(
        self, name: str, *, channel: int = CHANNEL, user: int = ANN, message: int | None = None
    ) -> int:
        found = self._message(message) if message is not None else None
        return open_thread(self.world, self.world.channels[channel], user, name, message=found).id

    async def post(self, name: str, text: str, *, forum: int, user: int = ANN) -> int:
        """In a forum: a thread whose first message has the thread's own number."""
        thread = open_thread(self.world, self.world.channels[forum], user, name)
        message = message_changes.new_message(self.world, thread, user)
        message.id, message.content = thread.id, text
        set_mentions(self.world, message, None)
        message_changes.publish_message(self.world, message)
        return thread.id

    async def archive(self, thread: int, *, locked: bool = False) -> None:
        found = self.world.channels[thread]
        found.archived, found.locked, found.closed = True, locked, self.clock.now()
        update_thread(self.world, found)

    async def add_person(self, name: str, *, bot: bool = False, guild: int | None = GUILD) -> int:
        return self.world.add_user(name, bot=bot, guild=guild)

    async def give_role(self, role: int, user: int = ANN, *, guild: int = GUILD) -> None:
        self.world.add_role(guild, user, role)

    async def add_guild(self, name: str) -> int:
        return self.world.add_guild(name)

    async def invite_bot(self, guild: int = GUILD) -> None:
        """Back."""
        self.world.invite_bot(guild)

    async def lose_guild(self, guild: int = GUILD) -> None:
        """Discord has an outage there."""
        self.world.lose_guild(guild)

    async def find_guild(self, guild: int = GUILD) -> None:
        self.world.find_guild(guild)

    async def remove_bot(self, guild: int = GUILD) -> None:
        """It is thrown out."""
        self.world.remove_member(guild, BOT)

    async def add_channel(self, name: str, *, guild: int = GUILD, kind: int = TEXT) -> int:
        return self.world.add_channel(name, guild, kind=kind)

    async def remove_channel(self, channel: int) -> None:
        self.world.remove_channel(channel)

    async def forbid(self, channel: int, *what: Permission, whom: int = BOT) -> None:
        """What else was forbidden there to them is allowed again."""
        deny = 0
        for permission in what:
            deny |= permission
        self.world.overwrite(channel, whom=whom, deny=deny)
