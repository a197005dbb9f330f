"""Slash commands and buttons: acknowledged within the three seconds that Discord gives, and told to user_comm."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from teamsup.hub import CallerError, Message, MessageHub, StoreError, UnknownRecipient
from teamsup.hub.sections import GatewaySection

from .access import Author, admits
from .command_answers import CommandAnswers
from .decision_answers import DecisionAnswers
from .decisions import ANSWERS, Pressed, pressed
from .intake import RECIPIENT
from .pairing import paired
from .rate import Rate
from .slash_commands import COMMAND, in_words, keep_known
from .snowflakes import conversation_of, message_id_of

if TYPE_CHECKING:
    import discord

    from .client import Listener

T = TypeVar("T")
_AGAIN_SECONDS = 1.0
_STORE_SECONDS = 60.0
_ACKNOWLEDGED_ALREADY = 40060
NOT_ALLOWED = "You may not speak to the team here. Ask whoever runs it."
NOT_TO_DECIDE = "You may not decide this."
FAILED = "That went wrong, so the team does not have it. My log says why: teamsup logs gateway"
NOT_KNOWN = "This question is not known any more."


class Interactions:
    """What people do on Discord besides writing."""

    def __init__(
        self,
        hub: MessageHub,
        section: GatewaySection,
        log: logging.Logger,
        answers: CommandAnswers,
        decided: DecisionAnswers,
        trouble: Callable[[str], Awaitable[None]],
    ) -> None:
        self._hub = hub
        self._section = section
        self._log = log
        self._answers = answers
        self._decided = decided
        self._trouble = trouble
        self._rate = Rate(section.messages_per_minute)
        self._syncing: asyncio.Task[None] | None = None
        # The others may all be waiting for a lock on the database, and three seconds are soon over.
        self._at_once = ThreadPoolExecutor(1, "at-once")

    def listeners(self, client: "discord.Client") -> "tuple[Listener, ...]":
        """What that client has to call, by discord.py's names."""

        async def on_interaction(interaction: "discord.Interaction") -> None:
            await self.hear(interaction)

        async def setup_hook() -> None:
            if self._syncing is not None:
                self._syncing.cancel()
            self._syncing = asyncio.create_task(keep_known(client, self._hub, self._log, self._trouble))

        return on_interaction, setup_hook

    async def hear(self, interaction: "discord.Interaction") -> None:
        """Whatever goes wrong, whoever uses it is told."""
        try:
            await self._hear(interaction)
        except Exception:
            self._log.exception("an interaction of user %d failed", interaction.user.id)
            say = interaction.followup.send if interaction.response.is_done() else interaction.response.send_message
            await self._kindly(say(FAILED, ephemeral=True))

    async def _hear(self, interaction: "discord.Interaction") -> None:
        import discord

        data: Any = interaction.data or {}
        if interaction.type is discord.InteractionType.application_command:
            values = {each["name"]: str(each.get("value", "")) for each in data.get("options", [])}
            await self._command(interaction, in_words(str(data["name"]), values))
        elif interaction.type is discord.InteractionType.component:
            button = pressed(str(data.get("custom_id", "")))
            if button is not None:
                await self._press(interaction, button)

    async def _command(self, interaction: "discord.Interaction", text: str) -> None:
        author = _author(interaction)
        refusal = None if await self._admits(author) else NOT_ALLOWED
        if refusal is None and not self._rate.takes(author.user, time.monotonic()):
            refusal = f"I take {self._section.messages_per_minute} commands a minute from one person."
        if refusal is not None:
            self._log.info("refused: user %d in channel %d: %s", author.user, author.channel, refusal)
            await self._acknowledge(lambda: interaction.response.send_message(refusal, ephemeral=True))
            return
        if not await self._acknowledge(lambda: interaction.response.defer(thinking=True)):
            return
        self._answers.may_come(interaction.id, interaction.token)
        trouble = await self._told(interaction, text, COMMAND)
        if trouble is not None:
            self._answers.will_not_come(interaction.id)
            await self._kindly(interaction.edit_original_response(content=trouble))

    async def _press(self, interaction: "discord.Interaction", button: Pressed) -> None:
        """Told to user_comm, which says whether it counts. A command is one like any other."""
        if button.is_command:
            _, words = await self._meaning(button)
            if words is not None:
                await self._command(interaction, words)
            else:
                await self._acknowledge(lambda: interaction.response.send_message(NOT_KNOWN, ephemeral=True))
            return
        if not await self._acknowledge(interaction.response.defer):
            return
        author = _author(interaction)
        if author.user not in self._section.deciders and not await self._admits(author):
            await self._kindly(interaction.followup.send(NOT_TO_DECIDE, ephemeral=True))
            return
        self._decided.may_come(interaction.id, interaction.token)
        message, words = await self._meaning(button)
        trouble: str | None = NOT_KNOWN
        if message is not None and words is not None:
            trouble = await self._told(interaction, words, ANSWERS, message.message_id)
        if trouble is not None:
            await self._kindly(interaction.followup.send(trouble, ephemeral=True))

    async def _meaning(self, button: Pressed) -> tuple[Message | None, str | None]:
        """The message with that button, and what it says to the team."""
        message = await asyncio.get_running_loop().run_in_executor(self._at_once, self._message, button.message)
        return message, None if message is None else button.words(message)

    def _message(self, number: int) -> Message | None:
        rows = self._hub.rows("SELECT recipient FROM messages WHERE id = ?", (number,))
        return self._hub.message(f"#{number}") if rows and rows[0]["recipient"] == self._hub.agent else None

    async def _told(
        self, interaction: "discord.Interaction", text: str, message_type: str, reply_to: str | None = None
    ) -> str | None:
        """Tell user_comm; or the sentence that says why the team does not get it."""
        trouble = await self._stored(
            lambda: self._hub.send(
                RECIPIENT,
                text,
                message_type=message_type,
                message_id=message_id_of(interaction.id),
                conversation_id=conversation_of(interaction.channel_id or 0),
                metadata={"from": interaction.user.display_name, "user": interaction.user.id},
                reply_to=reply_to,
            )
        )
        return trouble if isinstance(trouble, str) else None

    async def _acknowledge(self, say: Callable[[], Awaitable[object]]) -> bool:
        """Whether Discord has heard us in time; then we go on."""
        import discord

        for _ in range(3):
            try:
                await say()
            except discord.InteractionResponded:
                return True
            except discord.HTTPException as error:
                if error.code == _ACKNOWLEDGED_ALREADY:  # by ourselves, and the answer was lost
                    return True
                if error.status < 500:
                    self._log.warning("too late for an interaction: %s", error)
                    return False
            except Exception as error:  # the network's
                self._log.warning("an interaction could not be acknowledged, trying again: %r", error)
            else:
                return True
        return False

    async def _kindly(self, saying: Coroutine[Any, Any, object]) -> bool:
        """Say something that is nice to have; whether that went well."""
        try:
            await saying
        except Exception as error:  # discord.py lets everything out
            self._log.warning("an interaction could not be answered: %r", error)
            return False
        return True

    async def _stored(self, store: Callable[[], T]) -> T | str:
        """What it gives; or the sentence that says why the team does not get it."""
        ends = time.monotonic() + _STORE_SECONDS
        while True:
            try:
                return await asyncio.to_thread(store)
            except UnknownRecipient:
                return "Nobody is there to hear you: user_comm was never started."
            except CallerError as error:
                return str(error)
            except StoreError as error:
                self._log.error("%s Trying again.", error)
                if time.monotonic() > ends:
                    return "I could not keep this: the team's database does not take anything at the moment."
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _admits(self, author: Author) -> bool:
        if admits(self._section, (), author):
            return True
        found = await asyncio.get_running_loop().run_in_executor(self._at_once, paired, self._hub)
        return admits(self._section, found, author)


def _author(interaction: "discord.Interaction") -> Author:
    import discord

    user, channel = interaction.user, interaction.channel
    return Author(
        user.id,
        interaction.channel_id or 0,
        interaction.guild_id,
        channel.parent_id if isinstance(channel, discord.Thread) else None,
        frozenset(role.id for role in getattr(user, "roles", ())),
        user.bot,
    )
