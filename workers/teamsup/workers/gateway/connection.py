"""One connection to Discord at a time, kept up: a new client for every attempt, and ever longer pauses between them."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from teamsup.hub import MessageHub, NotConfigured

if TYPE_CHECKING:
    import discord

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class Connection:
    """Runs until cancelled. ``make_client`` makes a client with the team's listeners on it."""

    def __init__(
        self, hub: MessageHub, token: str, make_client: "Callable[[], discord.Client]", log: logging.Logger
    ) -> None:
        self._hub = hub
        self._token = token
        self._make_client = make_client
        self._log = log
        self._client: discord.Client | None = None
        self._pause = _FIRST_PAUSE

    @property
    def client(self) -> "discord.Client | None":
        """The client, while Discord can be spoken to."""
        return self._client if self._client is not None and self._client.is_ready() else None

    @property
    def note(self) -> str:
        """How the connection is, for people."""
        return "connected to Discord" if self.client is not None else "connecting to Discord"

    def is_well(self) -> None:
        """Discord has taken us in: the next failure begins with the shortest pause again."""
        self._pause = _FIRST_PAUSE

    async def run(self) -> None:
        """Raises NotConfigured when only a person can help."""
        while True:
            try:
                await self._connect()
            except NotConfigured:
                raise
            except Exception as error:
                # discord.py lets everything out: the network's errors, Discord's, and its own over a strange event.
                strange = not isinstance(error, OSError)
                self._log.warning(
                    "no connection to Discord, next try in %.0f s: %s", self._pause, error, exc_info=strange
                )
            await asyncio.sleep(random.uniform(0.5, 1) * self._pause)  # noqa: S311
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    async def _connect(self) -> None:
        import discord

        client = self._make_client()
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
