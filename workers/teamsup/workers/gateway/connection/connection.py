"""Keep one connection to Discord: a new client for every attempt, and growing pauses between attempts."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from teamsup.hub import MessageHub, NotConfigured
from teamsup.terminal.formatting import format_clock, format_moment

from ...backoff import backoff
from .address_ban import ADDRESS_BLOCKED, BanError
from .client import DiscordClient
from .disconnects import describe, find_remedy, is_expected, root_cause
from .health import ReconnectRequired
from .login_limit import MIN_INTERVAL_SECONDS, LoginLimit, LoginLimitReached
from .token import BotToken
from .token_lock import TokenInUse, TokenLock

_POLL_SECONDS = 0.5
_REJECTED_RETRY_SECONDS = (60.0, 300.0, 900.0)  # the last one repeats: 96 logins a day
_TOKEN_POLL_SECONDS = 1.0
_TOKEN_IN_USE_SECONDS = 10.0
_RECONNECT_GRACE_SECONDS = 10.0  # discord.py restores a lost connection by itself, mostly sooner
ClientFactory = Callable[[Callable[[], Awaitable[None]], Callable[[], None]], DiscordClient]
"""Makes a client from two functions: the first is awaited before a login, the second is called when the client is
ready.
"""


class ConnectionRejected(Exception):
    """Discord does not admit the bot. It may admit the bot later, without a change on this host. The text contains the
    remedy.
    """


class DiscordConnection:
    """The connection to Discord. ``run`` continues until it is cancelled.

    ``make_client`` returns a client with the team's listeners. ``on_change`` is called when a change of the note should
    reach people at once. ``report_failure`` is called with the reason when Discord cannot be reached, and with an empty
    text when Discord can be reached again.
    """

    def __init__(
        self,
        hub: MessageHub,
        token: BotToken,
        make_client: ClientFactory,
        on_change: Callable[[], Awaitable[None]],
        report_failure: Callable[[str], Awaitable[None]],
        log: logging.Logger,
    ) -> None:
        self._login_limit = LoginLimit(hub)
        self._token = token
        self._lock = TokenLock()
        self._make_client = make_client
        self._on_change = on_change
        self._report_failure = report_failure
        self._log = log
        self._client: DiscordClient | None = None
        self.client: DiscordClient | None = None
        """The connected client, or None."""
        self._is_ready_again = asyncio.Event()
        self._retry_pauses = backoff()
        self._rejections = 0  # failed attempts since the last lasting connection
        self._down_since = ""  # a time of day, for people; empty if it is connected, or never was
        self._retry_note = ""  # the end of the wait, and the reason; empty if it does not wait
        self._has_reported_failure = False
        self._last_up_at = time.monotonic()
        self._logged_in_at = float("-inf")

    async def wait_until_ready(self) -> DiscordClient:
        """Return the client when Discord is ready."""
        while (client := self.client) is None:
            self._is_ready_again.clear()
            await self._is_ready_again.wait()
        return client

    @property
    def note(self) -> str:
        """The state of the connection, for people."""
        now = time.monotonic()
        if self._client is not None:
            self._client.update_health()
        health = None if self._client is None else self._client.health
        if health is not None and health.is_up(now):
            return health.describe(now)
        if health is not None and health.is_ack_overdue(now):
            return health.describe_missing_ack(now)
        trouble = f"no connection to Discord since {self._down_since}" if self._down_since else ""
        if self._retry_note:
            return f"{trouble}, {self._retry_note}"
        return f"{trouble}, connecting again" if trouble else "connecting to Discord"

    async def run(self) -> None:
        """Keep the bot connected to Discord. Raise NotConfigured when only a person can help."""
        try:
            await self._keep_connected()
        finally:
            self._lock.release()

    async def _keep_connected(self) -> None:
        while True:
            try:
                await self._connect()
            except NotConfigured:
                raise
            except ConnectionRejected as error:
                pause = _REJECTED_RETRY_SECONDS[min(self._rejections, len(_REJECTED_RETRY_SECONDS) - 1)]
                self._rejections += 1
                await self._wait_before_retry(pause, str(error))
            except BanError as error:
                await self._wait_before_retry(error.retry_after, ADDRESS_BLOCKED)
            except TokenInUse as error:
                await self._wait_before_retry(_TOKEN_IN_USE_SECONDS, f"{error}. This gateway does not connect.")
            except LoginLimitReached as error:
                await self._wait_before_retry(max(1.0, error.retry_at - time.time()), str(error))
            except Exception as error:
                # discord.py raises errors of the network and of Discord, and its own errors about strange events.
                cause = root_cause(error)
                if not is_expected(cause):
                    self._log.error("the connection to Discord broke", exc_info=cause)
                await self._wait_before_retry(random.uniform(0.5, 1) * next(self._retry_pauses), describe(cause))  # noqa: S311

    async def _wait_before_retry(self, seconds: float, why: str) -> None:
        """Wait until the retry or until the token changes, and show this in the note."""
        then = datetime.fromtimestamp(time.time() + seconds, UTC)
        self._down_since = self._down_since or format_moment(datetime.now(UTC))
        self._retry_note = f"next try at {format_clock(then)}: {self._token.redact(why)}"
        await self._report_note()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if await asyncio.to_thread(self._token.reload):
                break
            await asyncio.sleep(min(left, _TOKEN_POLL_SECONDS))
        self._retry_note = ""

    async def _connect(self) -> None:
        """Stay connected until the end, and raise its reason."""
        self._lock.acquire(self._token.text)
        client = self._make_client(self._before_login, self._on_ready)
        self._client = client
        runner = asyncio.create_task(client.start(self._token.text))
        watcher = asyncio.create_task(self._monitor(client))
        try:
            await asyncio.wait((runner, watcher), return_when=asyncio.FIRST_COMPLETED)
            for task in (runner, watcher):
                if task.done():
                    task.result()
            raise ReconnectRequired("Discord closed the connection")
        except Exception as error:
            if (found := find_remedy(error)) is None:
                raise
            if found.is_temporary and self._token.is_well_formed:
                raise ConnectionRejected(found.sentence) from None
            raise NotConfigured(found.sentence) from None
        finally:
            self._client = self.client = None
            watcher.cancel()
            await asyncio.wait((watcher,))
            await client.close_session(runner)

    def _on_ready(self) -> None:
        self.client = self._client
        self._is_ready_again.set()

    async def _before_login(self) -> None:
        # Discord accepts one login every five seconds.
        await asyncio.sleep(self._logged_in_at + MIN_INTERVAL_SECONDS - time.monotonic())
        await asyncio.to_thread(self._login_limit.record_login)
        self._logged_in_at = time.monotonic()

    async def _monitor(self, client: DiscordClient) -> None:
        """Wait until the client is useless."""
        health, asked, was_up = client.health, 0.0, False
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            client.update_health()
            now = time.monotonic()
            if reason := health.reconnect_reason(now):
                raise ReconnectRequired(reason)
            if health.is_zombie(now) or health.is_stalled(now):
                self._log.warning(
                    "%s: connecting again",
                    "connected without events" if health.is_up(now) else health.describe_missing_ack(now),
                )
                await client.drop_connection()
            elif health.may_be_stalled(now) and asked != health.last_event:
                asked = health.last_event
                client.probe_events()
            if health.is_stable(now):
                self._retry_pauses, self._rejections = backoff(), 0
            if health.is_up(now) != was_up:
                was_up = not was_up
                self._down_since = "" if was_up else format_moment(datetime.now(UTC))
                await self._on_change()
            if was_up:
                self._last_up_at, self._has_reported_failure = now, False
                await self._report_failure("")
            elif not self._has_reported_failure and now - self._last_up_at >= _RECONNECT_GRACE_SECONDS:
                await self._report_note()

    async def _report_note(self) -> None:
        self._has_reported_failure = True
        await self._report_failure(self.note)
