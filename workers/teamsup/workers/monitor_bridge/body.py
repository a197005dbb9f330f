"""The body of a request: read within bounds, and made JSON of."""

import asyncio
import json
from typing import Any

from aiohttp import web

from .sources import BadPayload

MAX_BYTES = 2**20
_SECONDS = 20.0


class TooLarge(Exception):
    """More than MAX_BYTES; ``beginning`` is what was read of it."""

    def __init__(self, beginning: bytes) -> None:
        super().__init__(f"The payload is larger than {MAX_BYTES // 2**20} MiB.")
        self.beginning = beginning


async def read(request: web.Request) -> bytes:
    """All of it. Raises TooLarge, and TimeoutError when it comes too slowly."""
    if (request.content_length or 0) > MAX_BYTES:
        raise TooLarge(b"")
    data = bytearray()
    async with asyncio.timeout(_SECONDS):
        async for piece in request.content.iter_any():
            data += piece
            if len(data) > MAX_BYTES:
                raise TooLarge(bytes(data[:MAX_BYTES]))
    return bytes(data)


def text(data: bytes) -> str:
    """Raises BadPayload."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadPayload("The payload is not text in UTF-8.") from error


def parsed(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """What its JSON says, or its text when it does not look like any. Raises BadPayload."""
    written = text(data)
    if not written.lstrip().startswith(("{", "[")):
        return written
    try:
        return json.loads(written, parse_constant=_refuse)
    except RecursionError as error:
        raise BadPayload("The JSON is nested too deeply.") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BadPayload(f"The payload is no JSON: {error.msg} ({place}).") from error
    except ValueError as error:  # Python's bound for the digits of a number
        raise BadPayload("The JSON has a number with too many digits.") from error


def _refuse(constant: str) -> None:
    raise BadPayload(f"The payload is no JSON: {constant} is no number.")
