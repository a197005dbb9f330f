"""One connection to Discord at a time, kept up: a new client for every attempt, and ever longer pauses between them."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from teamsup.hub import MessageHub, NotConfigured, StoreError

from .bot_token import Secret
from .line import Hopeless, Line
from .logins import APART_SECONDS, Logins, TooManyLogins

if TYPE_CHECKING:
    from .client import Client

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_LEAVE_SECONDS = 1.0
_LOOK_SECONDS = 0.5
_REFUSED = "Discord refused the token: copy a new one from the bot's page in the portal."
_MANY_GUILDS = (
    "Discord wants this bot in several parts, as it is in thousands of servers: make a bot of its own for the team."
)
_OLD = "Discord does not take this way of connecting any more: install a newer teamsup and discord.py."
_NOT_MENDED_BY_TRYING = {
    4004: _REFUSED,
    4010: _MANY_GUILDS,
    4011: _MANY_GUILDS,
    4012: _OLD,
    4013: _OLD,
    4014: "The bot may not read messages: switch on 'Message Content Intent' on its page in the Discord portal.",
}


class Connection:
    """Runs until cancelled. ``make_client`` makes a client with the team's listeners on it; ``tell`` is called when
    the note has changed so much that people should know at once."""

    def __init__(
        self,
        hub: MessageHub,
        token: Secret,
        make_client: "Callable[[], Client]",
        tell: Callable[[], Awaitable[None]],
        log: logging.Logger,
    ) -> None:
        self._logins = Logins(hub)
        self._token = token
        self._make_client = make_client
        self._tell = tell
        self._log = log
        self._client: Client | None = None
        self._line: Line | None = None
        self._pause = _FIRST_PAUSE
        self._down_since = ""
        self._waiting = ""
        self._logged_in = float("-inf")

    @property
    def client(self) -> "Client | None":
        """The client, while Discord can be spoken to."""
        return self._client if self._client is not None and self._client.is_ready() else None

    @property
    def note(self) -> str:
        """How the connection is, for people."""
        now = time.monotonic()
        if self._client is not None:
            self._client.look()
        line = self._line
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
            except TooManyLogins as error:
                await self._rest(max(1.0, error.at - time.time()), str(error))
            except Exception as error:
                # discord.py lets everything out: the network's errors, Discord's, and its own over a strange event.
                cause = _cause(error)
                strange = not isinstance(cause, OSError | StoreError | Hopeless) and not _is_discords(cause)
                if strange:
                    self._log.error("the connection to Discord broke", exc_info=cause)
                await self._rest(random.uniform(0.5, 1) * self._pause, _in_words(cause))  # noqa: S311
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    async def _rest(self, seconds: float, why: str) -> None:
        then = datetime.fromtimestamp(time.time() + seconds, UTC).astimezone()
        self._down_since = self._down_since or _time(datetime.now(UTC).astimezone())
        self._waiting = f"next try at {then:%H:%M:%S}: {self._token.hidden_in(why)}"
        self._log.warning("%s", self.note)
        await self._tell()
        await asyncio.sleep(seconds)
        self._waiting = ""

    async def _attempt(self) -> None:
        """Be connected until it ends, and raise why."""
        client = self._make_client()
        client.ask_to_login = self._before_login
        self._client, self._line = client, client.line
        runner = asyncio.create_task(client.start(self._token.text))
        watcher = asyncio.create_task(self._watch(client, client.line))
        try:
            await asyncio.wait((runner, watcher), return_when=asyncio.FIRST_COMPLETED)
            for task in (runner, watcher):
                if task.done():
                    task.result()
            raise Hopeless("Discord has closed the connection")
        except Exception as error:
            if (sentence := _sentence(error)) is not None:
                raise NotConfigured(sentence) from None
            raise
        finally:
            self._client = self._line = None
            watcher.cancel()
            await asyncio.wait((watcher,))
            await _leave(client, runner)

    async def _before_login(self) -> None:
        # Discord takes one login in five seconds.
        await asyncio.sleep(self._logged_in + APART_SECONDS - time.monotonic())
        await asyncio.to_thread(self._logins.count)
        self._logged_in = time.monotonic()

    async def _watch(self, client: "Client", line: Line) -> None:
        """Until the client does no good any more."""
        asked, was_up = 0.0, False
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            client.look()
            now = time.monotonic()
            if reason := line.is_hopeless(now):
                raise Hopeless(reason)
            if line.is_zombie(now) or line.is_deaf(now):
                self._log.warning("%s: connecting again", "online but deaf" if line.is_up(now) else line.silence(now))
                await _close_socket(client)
            elif line.may_be_deaf(now) and asked != line.last_event:
                asked = line.last_event
                _ask(client)
            if line.is_proven(now):
                self._pause = _FIRST_PAUSE
            if line.is_up(now) != was_up:
                was_up = not was_up
                self._down_since = "" if was_up else _time(datetime.now(UTC).astimezone())
                await self._tell()


_asking: set[asyncio.Task[None]] = set()


def _ask(client: "Client") -> None:
    async def ask() -> None:
        with contextlib.suppress(Exception):  # what matters is the event
            await client.ask_for_event()

    task = asyncio.create_task(ask())
    _asking.add(task)
    task.add_done_callback(_asking.discard)


async def _close_socket(client: "Client") -> None:
    """discord.py then makes another connection, and resumes the session."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.ws.close(), _LEAVE_SECONDS)


async def _leave(client: "Client", runner: "asyncio.Task[None]") -> None:
    """Say goodbye properly, or be gone after a moment."""
    # Closed while its own task reads it ends with 4000. Once may be lost in asyncio.wait_for (Python 3.11).
    while not runner.done():
        runner.cancel()
        await asyncio.wait((runner,), timeout=0.1)
    if not runner.cancelled():
        runner.exception()
    with contextlib.suppress(Exception):
        await asyncio.wait_for(_have_session(client), _LEAVE_SECONDS)
    for close in (client.close, client.http.close):
        with contextlib.suppress(Exception):
            await asyncio.wait_for(close(), _LEAVE_SECONDS)


async def _have_session(client: "Client") -> None:
    """A session that lost its connection goes on for minutes, shown online. Only who resumes it can end it."""
    from discord.gateway import DiscordWebSocket

    lost = client.ws
    if client.line.down_since is None or lost is None or lost.session_id is None:
        return
    if not lost.open:
        client.ws = await DiscordWebSocket.from_client(
            client, gateway=lost.gateway, session=lost.session_id, sequence=lost.sequence, resume=True
        )
    while client.line.down_since is not None:
        await client.ws.poll_event()


def _cause(error: Exception) -> Exception:
    """What really went wrong: where the first connection fails, discord.py stumbles over its own missing one."""
    context = error.__context__
    return context if isinstance(error, AttributeError) and isinstance(context, Exception) else error


def _is_discords(error: Exception) -> bool:
    import aiohttp
    import discord

    return isinstance(error, discord.DiscordException | aiohttp.ClientError)


def _in_words(error: Exception) -> str:
    first = str(error).strip().split("\n")[0][:200]
    return first or type(error).__name__


def _sentence(error: Exception) -> str | None:
    """What helps, where trying again does not."""
    import discord

    if isinstance(error, discord.LoginFailure):
        return _REFUSED
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return _NOT_MENDED_BY_TRYING[4014]
    if isinstance(error, discord.ConnectionClosed):
        return _NOT_MENDED_BY_TRYING.get(error.code)
    return None


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M}"
