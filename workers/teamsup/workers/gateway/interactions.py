"""Slash commands and buttons: acknowledged at once, told to user_comm, and answered where they were used.

Discord gives three seconds to acknowledge and fifteen minutes to answer. What comes later, or after a restart, is
said in the channel like everything else.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from teamsup.hub import CallerError, Delivery, MessageHub, StoreError, UnknownRecipient
from teamsup.hub.sections import GatewaySection

from .access import Author, admits
from .decisions import Decisions, Pressed, components, options, pressed, with_decision
from .facts import fact, note
from .intake import RECIPIENT
from .pairing import paired
from .snowflakes import conversation_of, message_id_of, snowflake_of
from .text import pieces
from .verdict import Again, verdict

if TYPE_CHECKING:
    import discord

T = TypeVar("T")
Listener = Callable[..., Coroutine[Any, Any, None]]
_ANSWER_SECONDS = 14 * 60.0
_AGAIN_SECONDS = 1.0
_STORE_SECONDS = 60.0
_LONGEST_PAUSE = 60.0
_MINUTE = 60.0
_ACKNOWLEDGED_ALREADY = 40060
_FACT = "commands"
COMMAND = "command"
_FIRST_ANSWER: Any = "@original"  # in the place of a message's number
_TEXT = 3  # the type of an option
NOT_ALLOWED = "You may not speak to the team here. Ask whoever runs it."
NOT_TO_DECIDE = "You may not decide this."
FOLLOWS = "Here is the answer:"
_NOT_IN_AN_EDIT = ("files", "options", "alert", "ping")

COMMANDS: list[dict[str, Any]] = [
    {
        "name": "ask",
        "description": "Ask the team",
        "options": [{"type": _TEXT, "name": "text", "description": "What you want to know", "required": True}],
    },
    {"name": "status", "description": "How the team is"},
    {"name": "agents", "description": "Who is in the team"},
    {"name": "alerts", "description": "What is wrong now"},
    {
        "name": "ack",
        "description": "Say that you take care of an alert",
        "options": [{"type": _TEXT, "name": "id", "description": "The alert's id", "required": True}],
    },
    {"name": "stop", "description": "Stop what is being done for you"},
    {"name": "ps", "description": "Which processes run"},
]


def in_words(name: str, values: dict[str, str]) -> str:
    """What user_comm is told of a command. Pure."""
    match name:
        case "ask":
            return values.get("text", "").strip()
        case "status" | "agents":
            return name
        case "ps":
            return "@supervisor status"
        case _:
            return " ".join(["/" + name, *(value.strip() for value in values.values())])


class Interactions:
    """What people do on Discord besides writing."""

    def __init__(self, hub: MessageHub, section: GatewaySection, log: logging.Logger) -> None:
        self._hub = hub
        self._section = section
        self._log = log
        self._decisions = Decisions(hub)
        self._open: dict[int, tuple[str, float]] = {}  # tokens, and until when each is good
        self._used: dict[int, deque[float]] = {}
        self._syncing: asyncio.Task[None] | None = None
        # The others may all be waiting for a lock on the database, and three seconds are soon over.
        self._at_once = ThreadPoolExecutor(1, "at-once")

    def listeners(self, client: "discord.Client") -> tuple[Listener, ...]:
        """What that client has to call, by discord.py's names."""

        async def on_interaction(interaction: "discord.Interaction") -> None:
            await self.hear(interaction)

        async def setup_hook() -> None:
            if self._syncing is not None:
                self._syncing.cancel()
            self._syncing = asyncio.create_task(self._sync(client))

        return on_interaction, setup_hook

    async def hear(self, interaction: "discord.Interaction") -> None:
        import discord

        data: Any = interaction.data or {}
        if interaction.type is discord.InteractionType.application_command:
            values = {each["name"]: str(each.get("value", "")) for each in data.get("options", [])}
            await self._command(interaction, in_words(str(data["name"]), values))
        elif interaction.type is discord.InteractionType.component:
            button = pressed(str(data.get("custom_id", "")))
            if button is not None:
                await self._press(interaction, button)

    async def answer(self, client: "discord.Client", channel: int, delivery: Delivery) -> bool:
        """Answer a command where it was used, if that can still be done; whether the delivery is dealt with."""
        import discord

        message = delivery.message
        snowflake = snowflake_of(message.reply_to) or 0
        token = self._token(snowflake)
        if token is None or client.application_id is None:
            return await self._is_said(client, channel, snowflake, delivery)
        webhook = discord.Webhook.partial(client.application_id, token, client=client)
        texts = await asyncio.to_thread(pieces, message.content)
        fits = len(texts) == 1 and not any(message.metadata.get(name) for name in _NOT_IN_AN_EDIT)
        try:
            # Said twice it is one answer, as it is an edit.
            await webhook.edit_message(_FIRST_ANSWER, content=texts[0] if fits else FOLLOWS)
        except discord.HTTPException as error:
            if error.status < 500 and error.status != 429:
                self._open.pop(snowflake)
                self._log.warning("command %d cannot be answered any more: %s", snowflake, error)
                return False
            await self._hub_does(self._hub.release, delivery, delay=_AGAIN_SECONDS)
            return True
        except Exception as error:  # the network's
            self._log.warning("command %d cannot be answered now: %r", snowflake, error)
            await self._hub_does(self._hub.release, delivery, delay=_AGAIN_SECONDS)
            return True
        self._open.pop(snowflake)
        if fits:
            await self._hub_does(self._hub.acknowledge, delivery, outcome="sent")
        return fits

    async def _is_said(self, client: "discord.Client", channel: int, snowflake: int, delivery: Delivery) -> bool:
        """Whether the command had been answered already, by a predecessor that ended before it knew, or there is no way
        to see now. Then the delivery is dealt with."""
        import discord

        if not snowflake or not await self._hub_does(self._is_command, delivery.message.reply_to or ""):
            return False
        texts = await asyncio.to_thread(pieces, delivery.message.content)
        place = client.get_partial_messageable(channel)
        try:
            async for found in place.history(after=discord.Object(snowflake), limit=100, oldest_first=True):
                about = found.interaction_metadata
                if about is not None and about.id == snowflake and [found.content] == [text.strip() for text in texts]:
                    await self._hub_does(self._hub.acknowledge, delivery, outcome="sent")
                    return True
        except Exception as error:
            self._log.warning("channel %d cannot be searched for an answer: %r", channel, error)
            match verdict(client, error):
                case Again(seconds):
                    await self._hub_does(self._hub.release, delivery, delay=seconds)
                    return True
                case None:
                    raise
        return False

    def _is_command(self, message_id: str) -> bool:
        rows = self._hub.rows("SELECT message_type FROM messages WHERE message_id = ?", (message_id,))
        return bool(rows) and rows[0]["message_type"] == COMMAND

    def _token(self, snowflake: int) -> str | None:
        """With which the command of that number can be answered, while it can."""
        now = time.monotonic()
        self._open = {number: each for number, each in self._open.items() if each[1] > now}
        found = self._open.get(snowflake)
        return None if found is None else found[0]

    async def _command(self, interaction: "discord.Interaction", text: str) -> None:
        author = _author(interaction)
        refusal = None if await self._admits(author) else NOT_ALLOWED
        if refusal is None and not self._has_turn(author.user):
            refusal = f"I take {self._section.messages_per_minute} commands a minute from one person."
        if refusal is not None:
            self._log.info("refused: user %d in channel %d: %s", author.user, author.channel, refusal)
            await self._acknowledge(lambda: interaction.response.send_message(refusal, ephemeral=True))
            return
        if not await self._acknowledge(lambda: interaction.response.defer(thinking=True)):
            return
        self._open[interaction.id] = (interaction.token, time.monotonic() + _ANSWER_SECONDS)
        trouble = await self._stored(
            lambda: self._hub.send(
                RECIPIENT,
                text,
                message_type=COMMAND,
                message_id=message_id_of(interaction.id),
                conversation_id=conversation_of(author.channel),
                metadata={"from": interaction.user.display_name, "user": author.user},
            )
        )
        if isinstance(trouble, str):
            self._open.pop(interaction.id, None)
            await self._kindly(interaction.edit_original_response(content=trouble))

    async def _press(self, interaction: "discord.Interaction", button: Pressed) -> None:
        author = _author(interaction)
        if not await self._acknowledge(interaction.response.defer):
            return
        if not await self._may_decide(author):
            await self._kindly(interaction.followup.send(NOT_TO_DECIDE, ephemeral=True))
            return
        question = await self._hub_does(self._decisions.question, button.message)
        if question is None or button.option >= len(options(question)):
            await self._kindly(interaction.followup.send("This question is not known any more.", ephemeral=True))
            return
        found = await self._stored(
            lambda: self._decisions.decide(
                question,
                button.option,
                author.user,
                interaction.user.display_name,
                snowflake=interaction.id,
                channel=author.channel,
                now=time.time(),
            )
        )
        if isinstance(found, str):
            await self._kindly(interaction.followup.send(found, ephemeral=True))
            return
        decision, is_ours = found
        content = interaction.message.content if interaction.message is not None else ""
        shown = with_decision(content, decision.sentence)
        view = components(question, decision.option)
        for _ in range(3):
            if await self._kindly(
                interaction.edit_original_response(content=content if shown is None else shown, view=view)
            ):
                break
            await asyncio.sleep(_AGAIN_SECONDS)
        if shown is None and is_ours:
            await self._kindly(interaction.followup.send(decision.sentence))
        if not is_ours:
            await self._kindly(interaction.followup.send(decision.sentence, ephemeral=True))

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

    async def _may_decide(self, author: Author) -> bool:
        deciders = self._section.deciders
        return author.user in deciders if deciders else await self._admits(author)

    def _has_turn(self, person: int) -> bool:
        now = time.monotonic()
        used = self._used.setdefault(person, deque(maxlen=self._section.messages_per_minute))
        if len(used) == used.maxlen and now - used[0] < _MINUTE:
            return False
        used.append(now)
        return True

    async def _hub_does(self, action: Callable[..., T], *args: object, **how: object) -> T:
        return await asyncio.to_thread(action, *args, **how)

    async def _sync(self, client: "discord.Client") -> None:
        """Tell Discord which commands there are, if it does not know."""
        application = client.application_id
        if application is None:
            return
        digest = hashlib.sha256(json.dumps([application, COMMANDS]).encode()).hexdigest()
        pause = 1.0
        while True:
            try:
                if await self._hub_does(fact, self._hub, _FACT) != digest:
                    await client.http.bulk_upsert_global_commands(application, COMMANDS)
                    await self._hub_does(note, self._hub, _FACT, digest)
                return
            except Exception as error:  # discord.py lets everything out
                self._log.warning("the commands could not be told to Discord, next try in %.0f s: %s", pause, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


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
