"""What can happen in a place, and what becomes of it: nothing, or something for the team."""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from teamsup.hub import CallerError, MessageHub, StoreError
from teamsup.hub.sections import GatewaySection

from . import attachments, places
from .admission import Admission
from .asking import Asking
from .heard import Heard, hear
from .intake import Intake
from .lenient import UNREAD_TYPE
from .snowflakes import written_at

if TYPE_CHECKING:
    import discord

_REMEMBERED = 1000
_MIB = 1 << 20
FAILED = "I could not take this in, so the team does not have it. My log says why: teamsup logs gateway"


@dataclass(frozen=True, slots=True)
class Edited:
    """A message, as it is now."""

    heard: Heard


@dataclass(frozen=True, slots=True)
class Deleted:
    snowflake: int


@dataclass(frozen=True, slots=True)
class NotForUs:
    """Our own words, a webhook's, or Discord's own; the place is taken in up to there all the same."""

    snowflake: int
    is_direct: bool
    is_unread: bool = False
    """We could not read it, so it may have been for us."""


Happening = Heard | Edited | Deleted | NotForUs


def happening(message: "discord.Message", me: int, log: logging.Logger) -> Happening:
    """What a new message is to us."""
    heard, is_unread = None, message.type.value == UNREAD_TYPE
    try:
        heard = hear(message, me)
    except Exception:  # it must not hold up the others of its place
        log.exception("cannot understand message %d", message.id)
        is_unread = True
    return heard or NotForUs(message.id, is_direct=message.guild is None, is_unread=is_unread)


class Taking:
    """Takes what happened, one after the other of each place."""

    def __init__(self, hub: MessageHub, section: GatewaySection, log: logging.Logger, asking: Asking) -> None:
        self._hub = hub
        self._section = section
        self._log = log
        self._asking = asking
        self._intake = Intake(hub)
        self._admission = Admission(hub, section, log, asking)
        self._done: deque[int] = deque(maxlen=_REMEMBERED)
        self._not_for_us: dict[int, int] = {}  # by place, the last message

    async def take(self, channel: int, what: Happening) -> None:
        """Returns when the hub has it, or it is not for the team. Raises CallerError."""
        match what:
            case Heard():
                if what.snowflake not in self._done:
                    await self._take_message(what)
                    self._done.append(what.snowflake)
            case Edited(heard):
                if await self._admission.admits(heard):
                    await self._admission.wait_for_turn(heard, (heard.edited or 0) / 1e6)
                    await self._edit(heard)
            case Deleted(snowflake):
                await self._asking.hub_does(self._intake.delete, snowflake)
            case NotForUs(snowflake, is_direct):
                self._pass(channel, snowflake, is_direct=is_direct)

    async def is_news(self, heard: Heard) -> bool:
        """Whether the team has that message, and not as it was edited."""
        return await self._asking.hub_does(self._intake.is_news, heard)

    async def pass_over(self, channel: int, snowflake: int, sentence: str) -> None:
        """Say that what was written there up to that message is not taken any more."""
        await self._asking.hub_does(self._intake.pass_over, channel, snowflake, sentence)

    async def note_what_is_not_for_us(self) -> None:
        """That places are taken in up to there. Now and then is enough: heard again, it is not for us again."""
        noted, self._not_for_us = self._not_for_us, {}
        try:
            await asyncio.to_thread(self._note, noted)
        except StoreError as error:
            self._log.error("%s", error)

    def _note(self, noted: dict[int, int]) -> None:
        with self._hub.transaction():
            for channel, snowflake in noted.items():
                places.see(self._hub, channel, snowflake)

    async def _take_message(self, heard: Heard) -> None:
        if heard.is_empty or not await self._admission.lets_in(heard):
            return self._pass(heard.author.channel, heard.snowflake, is_direct=heard.author.guild is None)
        await self._admission.wait_for_turn(heard, written_at(heard.snowflake))
        try:
            await self._asking.hub_does(self._intake.take, heard, await self._fetch(heard))
        except CallerError as error:
            self._log.error("message %d of user %d cannot be kept: %s", heard.snowflake, heard.author.user, error)
            self._admission.say(heard, f"I could not keep this, so the team does not have it: {error}")
            await self._asking.hub_does(self._intake.refused, heard)
        except Exception:
            self._log.exception("message %d of user %d cannot be taken in", heard.snowflake, heard.author.user)
            self._admission.say(heard, FAILED)
            await self._asking.hub_does(self._intake.refused, heard)
        return None

    async def _edit(self, heard: Heard) -> None:
        try:
            await self._asking.hub_does(self._intake.edit, heard, await self._fetch(heard))
        except CallerError as error:
            self._log.error("the edit of message %d cannot be kept: %s", heard.snowflake, error)
            self._admission.say(heard, f"I could not keep what you changed, so the team does not have it: {error}")

    def _pass(self, channel: int, snowflake: int, *, is_direct: bool) -> None:
        """Nothing for the team; that it was seen is noted with the others, now and then."""
        if not is_direct:  # whose messages those are would have to be noted too, and they may be a stranger's
            self._not_for_us[channel] = max(snowflake, self._not_for_us.get(channel, 0))

    async def _fetch(self, heard: Heard) -> list[str]:
        most = int(self._section.file_mib * _MIB)
        return await attachments.fetch(heard, self._hub.team.folder, most, self._log)
