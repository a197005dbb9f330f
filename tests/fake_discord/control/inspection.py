"""What can be seen of this Discord."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ..gateway.gateway import ConnectionClose, LoginAttempt, Resumption
from ..ids import BOT, CHANNEL
from ..rest.api import RecordedRequest
from ..world.models import FakeInteraction, FakeMessage, Json
from .simulation import Simulation

_TIMEOUT_SECONDS = 45.0
_TYPING_SECONDS = 10.0  # seconds


class Inspection(Simulation):
    """Verbs: what can be asked about it, all without a change."""

    async def messages(self, channel: int = CHANNEL, *, author: int | None = None) -> list[FakeMessage]:
        """Oldest first."""
        messages = self.world.channels[channel].messages.values()
        return [message for message in messages if author in (None, message.author)]

    async def said(self, channel: int = CHANNEL, *, author: int = BOT) -> list[str]:
        return [message.content for message in await self.messages(channel, author=author)]

    async def message(self, number: int) -> FakeMessage:
        return self.world.messages[number]

    async def reactions(self, message: int, *, user: int = BOT) -> list[str]:
        """In the order in which they were added."""
        return [emoji for emoji, users in self.world.messages[message].reactions.items() if user in users]

    async def typing(self, channel: int = CHANNEL, *, user: int = BOT) -> list[float]:
        """When typing began or was renewed, in the world's time."""
        return [each.at for each in self.world.typing if (each.channel, each.user) == (channel, user)]

    async def is_typing(self, channel: int = CHANNEL, *, user: int = BOT) -> bool:
        """As shown: for ten seconds, and not longer than until the message comes."""
        began = max(await self.typing(channel, user=user), default=0.0)
        last = max((message.created for message in await self.messages(channel, author=user)), default=0.0)
        return began > last and self.clock.now() - began < _TYPING_SECONDS

    async def interaction(self, number: int) -> FakeInteraction:
        return self.world.interactions[number]

    async def interaction_failed(self, number: int) -> bool:
        """Whether the person reads that the application did not respond."""
        found = self.world.interactions[number]
        limit = self.rules.answer_deadline if found.answer is None else self.rules.token_life
        return (found.answer is None or found.thinking) and self.clock.now() - found.created > limit

    async def answers(self, interaction: int) -> list[str]:
        """What was answered, also to one person alone; not what is still being thought about."""
        return [message.content for message in self.world.interactions[interaction].messages if message.content]

    async def commands(self, guild: int | None = None) -> list[Json]:
        return self.world.commands.get(guild, [])

    async def logins(self) -> list[LoginAttempt]:
        return list(self.gateway.logins)

    async def resumptions(self) -> list[Resumption]:
        return list(self.gateway.resumptions)

    async def closes(self) -> list[ConnectionClose]:
        return list(self.gateway.closes)

    async def is_online(self) -> bool:
        """Whether people see the bot as online: also for minutes after it was killed."""
        return bool(self.gateway.live_sessions())

    async def is_connected(self) -> bool:
        return any(session.send is not None for session in self.gateway.live_sessions())

    async def requests(self, method: str = "", path: str = "") -> list[RecordedRequest]:
        """Those of this method whose path has this part."""
        return [each for each in self.rest.requests if method in ("", each.method) and path in each.path]

    async def until(
        self,
        condition: Callable[[], Any],
        what: str,
        *,
        patience: float = _TIMEOUT_SECONDS,
        instead: Callable[[], object] = lambda: "",
    ) -> None:
        """Wait for a condition about this world, which only this event loop changes.

        ``instead`` returns what a failure shows of the world.
        """
        ends = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < ends, f"not within {patience:.0f} s: {what} {instead()}".rstrip()
            await asyncio.sleep(0.005)

    async def until_said(self, texts: list[str], channel: int = CHANNEL) -> None:
        """Wait until the bot has said these there, and nothing else."""

        def said() -> list[str]:
            return [each.content for each in self.world.channels[channel].messages.values() if each.author == BOT]

        await self.until(lambda: said() == texts, f"the bot has said {texts}", instead=lambda: f"but {said()}")

    async def disconnected(self) -> None:
        await self.until(lambda: not any(each.send for each in self.gateway.live_sessions()), "the bot is gone")

    async def connected(self) -> None:
        """Wait until the bot hears what happens."""
        await self.until(lambda: any(each.send for each in self.gateway.live_sessions()), "the bot is connected")
