"""Slash commands and buttons: acknowledged within Discord's three seconds, and stored for user_comm."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import discord

from teamsup.config.people_protocol import DECISION_ANSWER, USER_COMM
from teamsup.hub import CallerError, Message, MessageHub, StoreError, UnknownMessage, UnknownRecipient

from ...protocol import COMMAND_TYPE
from ..access.pairing import paired_user_ids
from ..access.policy import RateLimiter, is_allowed
from ..component import GatewaySection
from ..connection.client import EventListener
from ..ids import conversation_id_of, message_id_of
from ..message import Author, author_of
from ..outbound.buttons import ButtonPress, parse_custom_id
from .button_updates import ButtonUpdater
from .command_replies import CommandReplies
from .commands import register_commands, to_text

_RETRY_SECONDS = 1.0
_STORE_SECONDS = 60.0
_ALREADY_ACKNOWLEDGED = 40060
NOT_ALLOWED = "You may not write to the team here. Ask the person who runs it."
NOT_A_DECIDER = "You may not decide this."
NOT_STORED = "That failed, so the team has not received it. The reason is in my log: teamsup logs gateway"
UNKNOWN_QUESTION = "This question is no longer known."


class InteractionHandler:
    """Handle slash commands and button presses."""

    def __init__(
        self,
        hub: MessageHub,
        section: GatewaySection,
        log: logging.Logger,
        answers: CommandReplies,
        decided: ButtonUpdater,
        trouble: Callable[[str], Awaitable[None]],
    ) -> None:
        self._hub = hub
        self._section = section
        self._log = log
        self._command_replies = answers
        self._button_updater = decided
        self._report_failure = trouble
        self._rate_limiter = RateLimiter(section.messages_per_minute)
        self._registration: asyncio.Task[None] | None = None
        # Other threads may all wait for the database, and Discord allows only three seconds.
        self._executor = ThreadPoolExecutor(1, "at-once")

    def listeners(self, client: discord.Client) -> tuple[EventListener, ...]:
        """Return the functions that a client calls, by discord.py's names."""

        async def on_interaction(interaction: discord.Interaction) -> None:
            await self.handle(interaction)

        async def setup_hook() -> None:
            if self._registration is not None:
                self._registration.cancel()
            self._registration = asyncio.create_task(register_commands(client, self._log, self._report_failure))

        return on_interaction, setup_hook

    async def handle(self, interaction: discord.Interaction) -> None:
        """Handle an interaction, and report any failure to its user."""
        try:
            await self._dispatch(interaction)
        except Exception:
            self._log.exception("an interaction of user %d failed", interaction.user.id)
            send = interaction.followup.send if interaction.response.is_done() else interaction.response.send_message
            await self._best_effort(send(NOT_STORED, ephemeral=True))

    async def _dispatch(self, interaction: discord.Interaction) -> None:
        data: Any = interaction.data or {}
        if interaction.type is discord.InteractionType.application_command:
            values = {each["name"]: str(each.get("value", "")) for each in data.get("options", [])}
            await self._handle_command(interaction, to_text(str(data["name"]), values))
        elif interaction.type is discord.InteractionType.component:
            button = parse_custom_id(str(data.get("custom_id", "")))
            if button is not None:
                await self._handle_press(interaction, button)

    async def _handle_command(self, interaction: discord.Interaction, text: str) -> None:
        author = _author_of(interaction)
        refusal = None if await self._is_allowed(author) else NOT_ALLOWED
        if refusal is None and not self._rate_limiter.try_acquire(author.user, time.monotonic()):
            refusal = f"I take {self._section.messages_per_minute} commands a minute from one person."
        if refusal is not None:
            self._log.info("refused: user %d in channel %d: %s", author.user, author.channel, refusal)
            await self._acknowledge(lambda: interaction.response.send_message(refusal, ephemeral=True))
            return
        if not await self._acknowledge(lambda: interaction.response.defer(thinking=True)):
            return
        self._command_replies.expect(interaction.id, interaction.token)
        trouble = await self._forward(interaction, text, COMMAND_TYPE)
        if trouble is not None:
            self._command_replies.discard(interaction.id)
            await self._best_effort(interaction.edit_original_response(content=trouble))

    async def _handle_press(self, interaction: discord.Interaction, button: ButtonPress) -> None:
        """Store a press for user_comm, which decides whether it counts. Handle a button with a command like a typed
        command.
        """
        if button.is_command:
            _, words = await self._resolve_press(button)
            if words is not None:
                await self._handle_command(interaction, words)
            else:
                await self._acknowledge(lambda: interaction.response.send_message(UNKNOWN_QUESTION, ephemeral=True))
            return
        if not await self._acknowledge(interaction.response.defer):
            return
        author = _author_of(interaction)
        if author.user not in self._section.deciders and not await self._is_allowed(author):
            await self._best_effort(interaction.followup.send(NOT_A_DECIDER, ephemeral=True))
            return
        self._button_updater.expect(interaction.id, interaction.token)
        message, words = await self._resolve_press(button)
        trouble: str | None = UNKNOWN_QUESTION
        if message is not None and words is not None:
            trouble = await self._forward(interaction, words, DECISION_ANSWER, message.message_id)
        if trouble is not None:
            await self._best_effort(interaction.followup.send(trouble, ephemeral=True))

    async def _resolve_press(self, button: ButtonPress) -> tuple[Message | None, str | None]:
        """Return the message with the pressed button, and the button's text for the team."""
        message = await asyncio.get_running_loop().run_in_executor(self._executor, self._find_message, button.message)
        return message, None if message is None else button.text_in(message)

    def _find_message(self, number: int) -> Message | None:
        try:
            message = self._hub.queries.message(f"#{number}")
        except UnknownMessage:
            return None
        return message if message.recipient == self._hub.agent else None

    async def _forward(
        self, interaction: discord.Interaction, text: str, message_type: str, reply_to: str | None = None
    ) -> str | None:
        """Store the interaction for user_comm; return a sentence with the reason if that is impossible."""
        ends = time.monotonic() + _STORE_SECONDS
        while True:
            try:
                await asyncio.to_thread(
                    self._hub.send,
                    USER_COMM,
                    text,
                    message_type=message_type,
                    message_id=message_id_of(interaction.id),
                    conversation_id=conversation_id_of(interaction.channel_id or 0),
                    metadata={"author_name": interaction.user.display_name, "user": interaction.user.id},
                    reply_to=reply_to,
                )
            except UnknownRecipient:
                return "The team cannot answer you, because user_comm was never started."
            except CallerError as error:
                return str(error)
            except StoreError as error:
                self._log.error("%s Trying again.", error)
                if time.monotonic() > ends:
                    return "I could not store this: the team's database does not accept writes at the moment."
            else:
                return None
            await asyncio.sleep(_RETRY_SECONDS)

    async def _acknowledge(self, respond: Callable[[], Awaitable[object]]) -> bool:
        """Acknowledge the interaction. Return whether Discord received this in time."""
        for _ in range(3):
            try:
                await respond()
            except discord.InteractionResponded:
                return True
            except discord.HTTPException as error:
                if error.code == _ALREADY_ACKNOWLEDGED:  # we acknowledged it, and Discord's answer was lost
                    return True
                if error.status < 500:
                    self._log.warning("too late for an interaction: %s", error)
                    return False
            except Exception as error:  # errors of the network
                self._log.warning("an interaction could not be acknowledged, trying again: %r", error)
            else:
                return True
        return False

    async def _best_effort(self, saying: Coroutine[Any, Any, object]) -> None:
        """Send a message, and ignore a failure."""
        try:
            await saying
        except Exception as error:  # discord.py raises errors of the network and of Discord
            self._log.warning("an interaction could not be answered: %r", error)

    async def _is_allowed(self, author: Author) -> bool:
        if is_allowed(self._section, (), author):
            return True
        found = await asyncio.get_running_loop().run_in_executor(self._executor, paired_user_ids, self._hub)
        return is_allowed(self._section, found, author)


def _author_of(interaction: discord.Interaction) -> Author:
    return author_of(interaction.user, interaction.channel_id or 0, interaction.guild_id, interaction.channel)
