"""One connection to Discord at a time, kept up: a new client for every attempt, and ever longer pauses between them."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from teamsup.hub import MessageHub, NotConfigured

from .bot_token import Secret
from .causes import in_words, is_usual, real_cause, what_helps
from .line import Hopeless
from .logins import APART_SECONDS, Logins, TooManyLogins

if TYPE_CHECKING:
    from .client import Client

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_LOOK_SECONDS = 0.5
_REFUSED_PAUSES = (60.0, 300.0, 900.0)  # the last one again and again: 96 logins a day
_LOOK_AT_TOKEN_SECONDS = 1.0
_GRACE_SECONDS = 10.0  # discord.py makes a lost connection anew by itself, mostly sooner


class Refused(Exception):
    """Discord does not let the bot in, which may pass without a change here; the text says what helps."""


class Connection:
    """Runs until cancelled. ``make_client`` makes a client with the team's listeners on it; ``tell`` is called when
    the note has changed so much that people should know at once, ``trouble`` with the reason when Discord cannot be
    reached, and with none when it can."""

    def __init__(
        self,
        hub: MessageHub,
        token: Secret,
        make_client: "Callable[[], Client]",
        tell: Callable[[], Awaitable[None]],
        trouble: Callable[[str], Awaitable[None]],
        log: logging.Logger,
    ) -> None:
        self._logins = Logins(hub)
        self._token = token
        self._make_client = make_client
        self._tell = tell
        self._trouble = trouble
        self._log = log
        self._client: Client | None = None
        self._comes = asyncio.Event()
        self._pause = _FIRST_PAUSE
        self._refusals = 0  # since it last was up for a while
        self._down_since = ""  # a time of day, for people; empty: it is up, or never was
        self._waiting = ""  # until when, and why; empty: it does not
        self._has_told_trouble = False
        self._last_up = time.monotonic()
        self._logged_in = float("-inf")

    @property
    def client(self) -> "Client | None":
        """The client, while Discord can be spoken to."""
        return self._client if self._client is not None and self._client.is_ready() else None

    async def until_ready(self) -> "Client":
        """The client, as soon as Discord can be spoken to."""
        while (client := self.client) is None:
            self._comes.clear()
            await self._comes.wait()
        return client

    @property
    def note(self) -> str:
        """How the connection is, for people."""
        now = time.monotonic()
        if self._client is not None:
            self._client.note_heartbeats()
        line = None if self._client is None else self._client.line
        if line is not None and line.is_up(now):
            return line.describe(now)
        if line is not None and line.is_silent(now):
            return line.silence(now)
        trouble = f"no connection to Discord since {self._down_since}" if self._down_since else ""
        if self._waiting:
            return f"{trouble}, {self._waiting}"
        return f"{trouble}, connecting again" if trouble else "connecting to Discord"

    async def run(self) -> None:
        """Raises NotConfigured when only a person can help."""
        while True:
            try:
                await self._attempt()
            except NotConfigured:
                raise
            except Refused as error:
                pause = _REFUSED_PAUSES[min(self._refusals, len(_REFUSED_PAUSES) - 1)]
                self._refusals += 1
                await self._rest(pause, str(error))
            except TooManyLogins as error:
                await self._rest(max(1.0, error.at - time.time()), str(error))
            except Exception as error:
                # discord.py lets everything out: the network's errors, Discord's, and its own over a strange event.
                cause = real_cause(error)
                if not is_usual(cause):
                    self._log.error("the connection to Discord broke", exc_info=cause)
                await self._rest(random.uniform(0.5, 1) * self._pause, in_words(cause))  # noqa: S311
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    async def _rest(self, seconds: float, why: str) -> None:
        """Be told as waiting that long, or until the token is another."""
        then = datetime.fromtimestamp(time.time() + seconds, UTC).astimezone()
        self._down_since = self._down_since or _time(datetime.now(UTC).astimezone())
        self._waiting = f"next try at {then:%H:%M:%S}: {self._token.hidden_in(why)}"
        await self._say_trouble()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if await asyncio.to_thread(self._token.is_read_anew):
                break
            await asyncio.sleep(min(left, _LOOK_AT_TOKEN_SECONDS))
        self._waiting = ""

    async def _attempt(self) -> None:
        """Be connected until it ends, and raise why."""
        client = self._make_client()
        client.ask_to_login, client.tell_ready = self._before_login, self._comes.set
        self._client = client
        runner = asyncio.create_task(client.start(self._token.text))
        watcher = asyncio.create_task(self._watch(client))
        try:
            await asyncio.wait((runner, watcher), return_when=asyncio.FIRST_COMPLETED)
            for task in (runner, watcher):
                if task.done():
                    task.result()
            raise Hopeless("Discord has closed the connection")
        except Exception as error:
            if (found := what_helps(error)) is None:
                raise
            if found.may_pass and self._token.looks_like_a_token:
                raise Refused(found.sentence) from None
            raise NotConfigured(found.sentence) from None
        finally:
            self._client = None
            watcher.cancel()
            await asyncio.wait((watcher,))
            await client.leave(runner)

    async def _before_login(self) -> None:
        # Discord takes one login in five seconds.
        await asyncio.sleep(self._logged_in + APART_SECONDS - time.monotonic())
        await asyncio.to_thread(self._logins.count)
        self._logged_in = time.monotonic()

    async def _watch(self, client: "Client") -> None:
        """Until the client does no good any more."""
        line, asked, was_up = client.line, 0.0, False
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            client.note_heartbeats()
            now = time.monotonic()
            if reason := line.is_hopeless(now):
                raise Hopeless(reason)
            if line.is_zombie(now) or line.is_deaf(now):
                self._log.warning("%s: connecting again", "online but deaf" if line.is_up(now) else line.silence(now))
                await client.drop_connection()
            elif line.may_be_deaf(now) and asked != line.last_event:
                asked = line.last_event
                client.ask_for_event()
            if line.is_proven(now):
                self._pause, self._refusals = _FIRST_PAUSE, 0
            if line.is_up(now) != was_up:
                was_up = not was_up
                self._down_since = "" if was_up else _time(datetime.now(UTC).astimezone())
                await self._tell()
            if was_up:
                self._last_up, self._has_told_trouble = now, False
                await self._trouble("")
            elif not self._has_told_trouble and now - self._last_up >= _GRACE_SECONDS:
                await self._say_trouble()

    async def _say_trouble(self) -> None:
        self._has_told_trouble = True
        await self._trouble(self.note)


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M}"
