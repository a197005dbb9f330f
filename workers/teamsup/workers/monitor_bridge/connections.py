"""The connections of the listener: bounded, so that those who prove nothing cannot lock out those who do."""

import asyncio
import ipaddress
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from .admission import plain_address

MOST = 256
PER_ADDRESS = 32
"""Of one address that is neither this machine nor a trusted proxy."""
_HEADERS_SECONDS = 5.0
_IDLE_SECONDS = 30.0
_LINGER_SECONDS = 1.0
"""So long we listen on after a refusal, or else it would not arrive."""

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connections(web.Server):
    """Serves HTTP. Whoever is unproven longest makes room for the next."""

    def __init__(self, answer: Answer, trusted_proxies: Collection[str], log: logging.Logger) -> None:
        super().__init__(
            answer,
            keepalive_timeout=_IDLE_SECONDS,
            lingering_time=_LINGER_SECONDS,
            auto_decompress=False,
            access_log=None,
            logger=log,
        )
        self._trusted = [ipaddress.ip_network(each, strict=False) for each in trusted_proxies]
        self._unproven: dict[RequestHandler, str] = {}
        """With their addresses, the oldest first."""

    def prove(self, connection: RequestHandler) -> None:
        """It has shown a source's secret, and is not closed for others."""
        self._unproven.pop(connection, None)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        peer = transport.get_extra_info("peername")
        address = plain_address(peer[0]) if peer else ""
        if len(self.connections) > MOST and not self._unproven:
            transport.write(_FULL)
            # Not at once: it has not begun yet.
            self._loop.call_soon(handler.force_close)
            return
        if len(self.connections) > MOST:
            self._close(next(iter(self._unproven)))
        elif self._is_bounded(address) and Counter(self._unproven.values())[address] >= PER_ADDRESS:
            self._close(next(each for each, other in self._unproven.items() if other == address))
        self._unproven[handler] = address
        self._loop.call_later(_HEADERS_SECONDS, self._end_unproven, handler)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        self._unproven.pop(handler, None)
        super().connection_lost(handler, exc)

    def _end_unproven(self, handler: RequestHandler) -> None:
        if handler in self._unproven:
            self._close(handler)

    def _close(self, handler: RequestHandler) -> None:
        self._unproven.pop(handler, None)
        handler.force_close()

    def _is_bounded(self, address: str) -> bool:
        if not address:
            return False
        known = ipaddress.ip_address(address)
        return not (known.is_loopback or any(known in network for network in self._trusted))
