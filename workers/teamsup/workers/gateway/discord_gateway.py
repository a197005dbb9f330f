"""gateway: one Discord connection for the whole team."""

import asyncio
import hashlib
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from teamsup.hub import CallerError, Delivery, MessageHub, NotConfigured, StoreError
from teamsup.hub.sections import GatewaySection
from teamsup.hub.settings import Settings

from .discord_text import pieces
from .worker import Worker, main

if TYPE_CHECKING:
    import discord

_RETRY_FIRST, _RETRY_LONGEST = 1.0, 60.0  # seconds


def find_token(access: GatewaySection) -> str:
    """The bot's token, from $DISCORD_TOKEN, token_file or systemd's credentials. Raises NotConfigured without one."""
    if token := os.environ.get("DISCORD_TOKEN", "").strip():
        return token
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if not access.token_file and not (credentials and Path(credentials, "discord_token").exists()):
        raise NotConfigured(
            "No Discord token: set DISCORD_TOKEN and start the team again, or name a token_file under [gateway] in "
            "teamsup.toml and restart the gateway."
        )
    named = access.token_file or f"{credentials}/discord_token"
    try:
        file = Path(named).expanduser()
        # systemd keeps its credentials from others by the folder they are in.
        if access.token_file and file.is_file() and file.stat().st_mode & 0o077:
            raise NotConfigured(f"Others can read the Discord token in {file}: run chmod 600 on it.")
        return file.read_text("utf-8").strip()
    except (OSError, ValueError, RuntimeError) as error:
        raise NotConfigured(f"The Discord token in {named} cannot be read: {error}.") from error


class Gateway(Worker):
    """Brings messages of allowed people to user_comm, and its answers back into their channels."""

    name: ClassVar[str] = "gateway"

    def __init__(self, hub: MessageHub, settings: Settings) -> None:
        super().__init__(hub, settings)
        self._access = settings.section(self.name, GatewaySection)
        self._token = find_token(self._access)
        self._client: discord.Client | None = None
        self._pause = _RETRY_FIRST
        self._heard: asyncio.Queue[discord.Message] = asyncio.Queue()

    def details(self) -> dict[str, Any]:
        connected = self._client is not None and self._client.is_ready()
        return {"note": "connected to Discord" if connected else "connecting to Discord"}

    async def work(self) -> None:
        storing = asyncio.create_task(self._store_what_was_heard())
        try:
            while True:
                try:
                    await self._connect()
                except NotConfigured:
                    raise
                except Exception as error:
                    # discord.py lets everything out: the network's errors, Discord's, and its own over a strange event.
                    strange = not isinstance(error, OSError)
                    self.log.warning(
                        "no connection to Discord, next try in %.0f s: %s", self._pause, error, exc_info=strange
                    )
                await asyncio.sleep(random.uniform(0.5, 1) * self._pause)  # noqa: S311
                self._pause = min(2 * self._pause, _RETRY_LONGEST)
        finally:
            storing.cancel()
            while not self._heard.empty():
                await self._store(self._heard.get_nowait())

    async def _connect(self) -> None:
        # discord.py is a fifth of a second and 30 MiB: not for a gateway without a token.
        import discord

        # Its warnings that voice is not supported would only worry people.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.dm_messages = intents.message_content = True
        client = discord.Client(intents=intents, allowed_mentions=discord.AllowedMentions.none())
        client.event(self.on_message)
        client.event(self.on_ready)
        try:
            async with client:
                self._client = client
                await client.start(self._token)
        except discord.LoginFailure:
            raise NotConfigured(
                "Discord refused the token: copy a new one from the bot's page in the portal."
            ) from None
        except discord.PrivilegedIntentsRequired:
            raise NotConfigured(
                "The bot may not read messages: switch on 'Message Content Intent' on its page in the Discord portal."
            ) from None
        except discord.DiscordException as error:
            raise OSError(str(error)) from error
        finally:
            self._client = None

    async def on_ready(self) -> None:
        self._pause = _RETRY_FIRST
        await self.beat()

    async def on_message(self, message: "discord.Message") -> None:
        """Discord's order is kept by doing nothing here that waits."""
        if message.author.bot or not message.content.strip():
            return
        if self._access.admits(message.author.id, message.channel.id):
            self._heard.put_nowait(message)
        else:
            self.log.info("not allowed: user %d in channel %d", message.author.id, message.channel.id)

    async def _store_what_was_heard(self) -> None:
        message = await self._heard.get()
        while True:
            try:
                await self._store(message)
            except StoreError as error:
                self.log.error("%s Trying again.", error)
                await asyncio.sleep(1)
                continue
            except CallerError as error:
                self.log.error("message %d of user %d cannot be kept: %s", message.id, message.author.id, error)
            except Exception:
                self.log.exception("message %d of user %d cannot be kept", message.id, message.author.id)
            message = await self._heard.get()

    async def _store(self, message: "discord.Message") -> None:
        await self.in_thread(
            self.hub.send,
            "user_comm",
            message.content,
            message_id=f"discord:{message.id}",
            conversation_id=f"discord:{message.channel.id}",
            metadata={"from": message.author.display_name, "user": message.author.id},
        )

    async def handle(self, delivery: Delivery) -> None:
        conversation = delivery.message.conversation_id or ""
        place, _, channel = conversation.partition(":")
        if place != "discord" or not channel.isdecimal():
            await self._not_for_discord(delivery)
        elif self._client is None or not self._client.is_ready():
            await self.in_thread(self.hub.release, delivery, delay=_RETRY_FIRST)
        else:
            await self._say(self._client, int(channel), delivery)
            await self.in_thread(self.hub.acknowledge, delivery, outcome="sent")

    async def _not_for_discord(self, delivery: Delivery) -> None:
        if delivery.message.recipient is None or delivery.message.reply_to is not None:
            await self.in_thread(self.hub.acknowledge, delivery, outcome="not for Discord")
        else:
            sentence = "I only carry messages that belong to a Discord channel."
            await self.in_thread(self.hub.reply, delivery, sentence, message_type="error")

    async def _say(self, client: "discord.Client", channel: int, delivery: Delivery) -> None:
        import discord

        target = client.get_partial_messageable(channel)
        said, _, snowflake = (delivery.message.reply_to or "").partition(":")
        answered = None
        if said == "discord" and snowflake.isdecimal():
            answered = discord.MessageReference(message_id=int(snowflake), channel_id=channel, fail_if_not_exists=False)
        for number, piece in enumerate(pieces(delivery.message.content)):
            # The same nonce at a second try lets Discord recognise what it already has.
            nonce = hashlib.sha256(f"{delivery.message.message_id}:{number}".encode()).hexdigest()[:24]
            if answered is not None and number == 0:
                await target.send(piece, nonce=nonce, reference=answered, mention_author=False)
            else:
                await target.send(piece, nonce=nonce)


if __name__ == "__main__":
    main(Gateway)
