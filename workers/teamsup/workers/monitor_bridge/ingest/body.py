"""Read the body of a request within limits, and parse it as JSON if possible."""

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from .sources import InvalidPayload

MAX_BYTES = 16 * 2**20
"""The maximum number of bytes of one request."""
MAX_TOTAL_BYTES = 64 * 2**20
"""The maximum number of bytes of all requests that are being read or stored."""
_READ_SECONDS = 20.0
_MAX_DEPTH = 100
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_MAX_DIGITS = 300  # of an integer; a float cannot hold more than 309


class MemoryLimitReached(Exception):
    """The current requests use all memory of the budget."""


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The part of a body that was read."""

    data: bytes
    is_truncated: bool = False
    """Whether the body was longer."""


class MemoryBudget:
    """A limit of bytes for all requests together."""

    def __init__(self) -> None:
        self.used = 0

    def take(self, size: int) -> None:
        """Reserve this many bytes, or release them if the number is negative. Raise MemoryLimitReached."""
        if size > 0 and self.used + size > MAX_TOTAL_BYTES:
            raise MemoryLimitReached
        self.used += size

    @contextlib.contextmanager
    def allocate(self) -> Iterator["MemoryShare"]:
        """Yield the share of one request. At the end, return it to the budget."""
        share = MemoryShare(self)
        try:
            yield share
        finally:
            share.resize(0)


class MemoryShare:
    """The part of the budget that one request uses."""

    def __init__(self, memory: MemoryBudget) -> None:
        self._budget = memory
        self._bytes = 0

    def resize(self, size: int) -> None:
        """Change the reservation to this many bytes. Raise MemoryLimitReached."""
        self._budget.take(size - self._bytes)
        self._bytes = size


async def read_body(request: web.BaseRequest, share: MemoryShare, kept: int, longest: int = MAX_BYTES) -> RequestBody:
    """Return the body. If the body is longer than ``longest`` bytes, read all of it, but return only its first ``kept``
    bytes.

    Raise MemoryLimitReached, and TimeoutError when it arrives too slowly.
    """
    data = bytearray()
    is_cut = (request.content_length or 0) > longest
    async with asyncio.timeout(_READ_SECONDS):
        async for part in request.content.iter_any():
            data += part
            is_cut = is_cut or len(data) > longest
            if is_cut:
                del data[kept:]
            share.resize(len(data))
    return RequestBody(bytes(data), is_cut)


def decode_text(data: bytes) -> str:
    """Return the bytes as text. Replace invalid bytes."""
    return data.decode("utf-8-sig", "replace")


def parse_json(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value, or the text if it does not look like JSON. Raise InvalidPayload."""
    written = decode_text(data)
    if not written.lstrip().startswith(("{", "[")):
        return written
    try:
        try:
            return _load_json(written)
        except RecursionError:
            return _load_json(_drop_deep(written))
    except json.JSONDecodeError as error:
        position = f"line {error.lineno}, column {error.colno}"
        raise InvalidPayload(f"The payload is not valid JSON: {error.msg} ({position}).") from error


def _load_json(written: str) -> Any:  # noqa: ANN401 - any JSON value
    """Load JSON; read NaN and infinities as null, and numbers that are too large as text."""
    return json.loads(
        written,
        parse_constant=lambda _: None,
        parse_int=lambda digits: int(digits) if len(digits) <= _MAX_DIGITS else digits,
    )


def _drop_deep(written: str) -> str:
    """Return the JSON without values that are nested too deeply."""
    kept: list[str] = []
    depth = begins = 0
    for token in _TOKEN.finditer(written):
        if token[0] in "[{":
            depth += 1
            if depth == _MAX_DEPTH:
                kept.append(written[begins : token.start()] + "null")
        elif token[0] in "]}":
            if depth == _MAX_DEPTH:
                begins = token.end()
            depth -= 1
    return "".join(kept) + (written[begins:] if depth < _MAX_DEPTH else "")
