"""discord.py's client for one connection. It is imported only with a token, because discord is slow and large."""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import discord
from discord.gateway import DiscordWebSocket
from discord.state import ConnectionState

from .address_ban import AddressBan
from .discord_clock import DiscordClock
from .health import ConnectionHealth, ReconnectRequired

EventListener = Callable[..., Coroutine[Any, Any, None]]
"""A function that a client calls; discord.py finds it by its name."""

# discord.py's warnings about missing voice support would only worry people.
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
_GUILD_READY_SECONDS, _ALL_GUILDS_READY_SECONDS = 1.0, 0.01
_CLOSE_STEP_SECONDS = 1.0  # for each step of a login
_MAX_RATE_LIMIT_SECONDS = 30.0  # a longer one is raised, so that the caller can report it and retry


_REQUIRED_EVENTS = ("READY", "RESUMED")
_MESSAGE_EVENTS = ("MESSAGE_CREATE", "MESSAGE_UPDATE")
_BASIC_FIELDS: tuple[str, ...] = (
    "id",
    "channel_id",
    "guild_id",
    "author",
    "member",
    "webhook_id",
    "type",
    "flags",
    "content",
)
_BASIC_FIELDS += ("timestamp", "edited_timestamp", "mentions", "mention_roles", "nonce")
UNREADABLE_TYPE = 255
"""The type of a message whose number alone could be read."""
_log = logging.getLogger(__name__)


def needed_intents() -> discord.Intents:
    """Return the events of Discord that the gateway needs."""
    intents = discord.Intents.none()
    intents.guilds = intents.guild_messages = intents.dm_messages = intents.message_content = True
    return intents


class DiscordClient(discord.Client):
    """Record the connection's health. Await ``before_login`` before every login; call ``on_ready`` after it."""

    def __init__(
        self,
        before_login: Callable[[], Awaitable[None]],
        on_ready: Callable[[], None],
        clock: DiscordClock | None = None,
        ban: AddressBan | None = None,
    ) -> None:
        super().__init__(
            intents=needed_intents(),
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=_GUILD_READY_SECONDS,
            max_ratelimit_timeout=_MAX_RATE_LIMIT_SECONDS,
            http_trace=(clock or DiscordClock()).trace(),
            max_messages=None,  # we never read messages from discord.py's cache
        )
        self._ban = ban or AddressBan()
        self.health = ConnectionHealth(time.monotonic())
        self._last_event = ("", time.monotonic())
        self._before_login = before_login
        self._notify_ready = on_ready
        self._probes: set[asyncio.Task[None]] = set()
        self._request: Callable[..., Coroutine[Any, Any, Any]] = self.http.request
        vars(self.http)["request"] = self._request_safely
        _install_tolerant_parsers(self._connection)
        parsers = self._connection.parsers
        for event in ("READY", "GUILD_CREATE"):
            parsers[event] = functools.partial(self._parse_and_check_guilds, parsers[event], event)

    def _parse_and_check_guilds(self, parse: Callable[[Any], None], event: str, data: Any) -> None:  # noqa: ANN401 - discord.py's own
        """Become ready when all servers have arrived. discord.py would wait even if no server is missing."""
        if event == "READY":
            self._connection.guild_ready_timeout = _GUILD_READY_SECONDS
        parse(data)
        if not any(guild.unavailable for guild in self.guilds):
            self._connection.guild_ready_timeout = _ALL_GUILDS_READY_SECONDS

    async def _request_safely(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - discord.py's own
        if self._ban.note:
            self._ban.check()
        try:
            answer = await self._request(*args, **kwargs)
        except discord.HTTPException as error:
            self._ban.record(error)
            raise
        except asyncio.CancelledError:
            # During a global rate limit one request waits for the end of the limit and then frees the others. If that
            # request is cancelled, discord.py never sends a request again.
            self.http._global_over.set()
            raise
        if self._ban.note:
            self._ban.record(None)
        return answer

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - discord.py's own
        if event == "socket_event_type":
            self._last_event = (str(args[0]), time.monotonic())
            if args[0] in ("READY", "RESUMED"):
                self.health.on_event(*self._last_event)
        elif event == "disconnect":
            self.health.on_disconnect(time.monotonic())
            # discord.py would connect again at once, so raise an exception, which ends its start().
            if reason := self.health.reconnect_reason(time.monotonic()):
                raise ReconnectRequired(reason)
        if self.is_closed():
            return  # the ready event may come late, when nothing can be sent any more
        if event == "ready":
            self._notify_ready()
        super().dispatch(event, *args, **kwargs)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:  # noqa: ARG002
        await self._before_login()

    def update_health(self) -> None:
        """Record the last event and the heartbeats. discord.py itself keeps only the last latency."""
        self.health.on_event(*self._last_event)
        beats = getattr(self.ws, "_keep_alive", None)
        if beats is not None and beats.interval is not None:
            age = time.perf_counter() - beats._last_ack
            self.health.on_heartbeat(beats.interval, beats.latency, time.monotonic() - age)

    def probe_events(self) -> None:
        """If possible, send a request that Discord answers with an event."""

        async def ask() -> None:
            if self.guilds and self.user is not None:
                with contextlib.suppress(Exception):  # only the event matters
                    await self.guilds[0].query_members(user_ids=[self.user.id], limit=1, cache=False)

        task = asyncio.create_task(ask())
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    async def drop_connection(self) -> None:
        """End the connection; discord.py then makes another, and resumes the session."""
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self.ws.close(), _CLOSE_STEP_SECONDS)

    async def close_session(self, runner: asyncio.Task[None]) -> None:
        """Close the session, or give up after a moment. ``runner`` is the task of start()."""
        # If the connection is closed while its own task reads, it ends with code 4000. One cancellation may be lost in
        # asyncio.wait_for (Python 3.11).
        while not runner.done():
            runner.cancel()
            await asyncio.wait((runner,), timeout=0.1)
        if not runner.cancelled():
            runner.exception()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._resume_lost_session(), _CLOSE_STEP_SECONDS)
        for close in (self.close, self.http.close):
            with contextlib.suppress(Exception):
                await asyncio.wait_for(close(), _CLOSE_STEP_SECONDS)

    async def _resume_lost_session(self) -> None:
        """Resume a session that lost its connection. Otherwise Discord shows the bot as online for minutes, and the
        session cannot be ended.
        """
        lost = self.ws
        if self.health.down_since is None or lost is None or lost.session_id is None:
            return
        if not lost.open:
            self.ws = await DiscordWebSocket.from_client(
                self, gateway=lost.gateway, session=lost.session_id, sequence=lost.sequence, resume=True
            )
        while self.health.down_since is not None:
            await self.ws.poll_event()


def _install_tolerant_parsers(state: ConnectionState[Any]) -> None:
    """Keep the text of a message that cannot be parsed completely; skip any other event.

    Call ``on_unreadable`` with a skipped event's name and channel.
    """
    for event, parse in state.parsers.items():
        if event not in _REQUIRED_EVENTS:
            state.parsers[event] = functools.partial(_parse_event, state, event, parse)
    vars(state)["create_message"] = functools.partial(_create_message, state.create_message)


def _parse_event(state: ConnectionState[Any], event: str, parse: Callable[[Any], None], data: Any) -> None:  # noqa: ANN401
    try:
        parse(data)
    except Exception:
        _log.exception("cannot parse all of an event: %s", event)
        if event in _MESSAGE_EVENTS:
            try:
                parse(_basic_fields(data))
            except Exception:
                _log.exception("cannot read a message at all")
            else:
                return
        if event == "MESSAGE_CREATE":
            parse(_id_fields(data))
        else:
            state.dispatch("unreadable", event, data.get("channel_id") if isinstance(data, dict) else None)


def _create_message(create: Callable[..., discord.Message], *, channel: Any, data: Any) -> discord.Message:  # noqa: ANN401
    try:
        return create(channel=channel, data=data)
    except Exception:
        _log.exception("cannot read all of message %s", data.get("id"))
    try:
        return create(channel=channel, data=_basic_fields(data))
    except Exception:
        _log.exception("cannot read message %s at all", data.get("id"))
    unknown = create(channel=channel, data=_id_fields(data))
    unknown.author = discord.Object(0)  # type: ignore[assignment]
    return unknown


def _id_fields(data: Any) -> dict[str, Any]:  # noqa: ANN401
    numbers = {name: data[name] for name in ("id", "channel_id", "guild_id") if name in data}
    return {**numbers, "type": UNREADABLE_TYPE, "content": ""}


def _basic_fields(data: Any) -> dict[str, Any]:  # noqa: ANN401
    return {name: data[name] for name in _BASIC_FIELDS if name in data}
