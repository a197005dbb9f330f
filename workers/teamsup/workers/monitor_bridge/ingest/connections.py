"""Limit the listener's connections, so that clients without a secret cannot lock out the others."""

import asyncio
import ipaddress
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from ...listen_address import normalize_address

MAX_CONNECTIONS = 256
MAX_PER_ADDRESS = 32
"""The maximum number of connections of one address, except this machine's and those of trusted proxies."""
_AUTH_SECONDS = 5.0
_IDLE_SECONDS = 30.0
_LINGER_SECONDS = 1.0
"""Seconds for which the server continues to read after a refusal, so that the refusal arrives."""

_FULL_RESPONSE = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

AnswerRequest = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class BoundedHttpServer(web.Server):
    """An HTTP server. At its limit it closes the oldest connection that has not shown a secret."""

    def __init__(self, answer: AnswerRequest, trusted_proxies: Collection[str], log: logging.Logger) -> None:
        super().__init__(
            answer,
            keepalive_timeout=_IDLE_SECONDS,
            lingering_time=_LINGER_SECONDS,
            auto_decompress=False,
            access_log=None,
            logger=log,
        )
        self._trusted_networks = [ipaddress.ip_network(each, strict=False) for each in trusted_proxies]
        self._unauthenticated: dict[RequestHandler, str] = {}
        """Connections with their addresses, the oldest first."""

    def mark_authenticated(self, connection: RequestHandler) -> None:
        """Note that the connection has shown a source's secret. From then on the server does not close it to make room
        for others.
        """
        self._unauthenticated.pop(connection, None)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        peer = transport.get_extra_info("peername")
        address = normalize_address(peer[0]) if peer else ""
        if len(self.connections) > MAX_CONNECTIONS and not self._unauthenticated:
            transport.write(_FULL_RESPONSE)
            # Close it in the next step of the loop, because the connection has not begun yet.
            self._loop.call_soon(handler.force_close)
            return
        if len(self.connections) > MAX_CONNECTIONS:
            self._close_connection(next(iter(self._unauthenticated)))
        elif self._is_limited(address) and Counter(self._unauthenticated.values())[address] >= MAX_PER_ADDRESS:
            self._close_connection(next(each for each, other in self._unauthenticated.items() if other == address))
        self._unauthenticated[handler] = address
        self._loop.call_later(_AUTH_SECONDS, self._close_if_unauthenticated, handler)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        self._unauthenticated.pop(handler, None)
        super().connection_lost(handler, exc)

    def _close_if_unauthenticated(self, handler: RequestHandler) -> None:
        if handler in self._unauthenticated:
            self._close_connection(handler)

    def _close_connection(self, handler: RequestHandler) -> None:
        self._unauthenticated.pop(handler, None)
        handler.force_close()

    def _is_limited(self, address: str) -> bool:
        if not address:
            return False
        known = ipaddress.ip_address(address)
        return not (known.is_loopback or any(known in network for network in self._trusted_networks))
