"""The session's stdin and stdout, on which every request whose id can be read gets an answer."""

import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import INTERNAL_ERROR, JSONRPCMessage, JSONRPCResponse

from .json_rpc import Line, Lines, Refusal, parse

_log = logging.getLogger(__name__)
_CHUNK = 64 * 2**10

Requests = MemoryObjectReceiveStream[SessionMessage | Exception]
Answers = MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def stdio() -> AsyncIterator[tuple[Requests, Answers]]:
    """The streams that a server of the SDK runs on; the first ends with stdin.

    Meanwhile file descriptor 0 is empty and 1 is stderr, so that no other code of the process reads or writes here.
    """
    wire = _Wire(*_take_over_descriptors())
    received, requests = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    answers, sent = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, wire, received)
        tasks.start_soon(_write, wire, sent)
        yield requests, answers


class _Wire:
    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._outgoing = os.fdopen(outgoing, "wb", closefd=False)
        self._turn = anyio.Lock()

    async def read(self) -> bytes:
        return await anyio.to_thread.run_sync(os.read, self._incoming, _CHUNK, abandon_on_cancel=True)

    async def write(self, line: str) -> None:
        async with self._turn:
            await anyio.to_thread.run_sync(self._write, line.encode() + b"\n", abandon_on_cancel=True)

    def _write(self, line: bytes) -> None:
        self._outgoing.write(line)
        self._outgoing.flush()


def _take_over_descriptors() -> tuple[int, int]:
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, outgoing


async def _read(wire: _Wire, received: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
    lines = Lines()
    async with received:
        while chunk := await wire.read():
            for line in lines.feed(chunk):
                await _take(line, wire, received)
        await _take(lines.take(), wire, received)


async def _take(line: Line, wire: _Wire, received: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
    parsed = parse(line)
    if not isinstance(parsed, list):
        await received.send(SessionMessage(parsed))
        return
    if line.text.strip() and not parsed:
        _log.warning("dropped a line of %d characters without the id of a request", len(line.text))
    for refusal in parsed:
        await wire.write(str(refusal))


async def _write(wire: _Wire, sent: MemoryObjectReceiveStream[SessionMessage]) -> None:
    async with sent:
        async for answer in sent:
            await wire.write(_as_line(answer.message))


def _as_line(message: JSONRPCMessage) -> str:
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True)
    except ValueError as error:
        # Such as half a character, which no UTF-8 has. One answer that cannot be written must not end the session.
        if not isinstance(message, JSONRPCResponse):
            raise
        _log.warning("cannot write an answer: %s", error)
        return str(Refusal(json.dumps(message.id), INTERNAL_ERROR, "The answer cannot be written as JSON."))
