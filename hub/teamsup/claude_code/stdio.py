"""The session's stdin and stdout: every request with a readable id gets an answer."""

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

from .json_rpc import LineSplitter, RequestLine, RpcErrorResponse, parse_line

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 64 * 2**10

RequestStream = MemoryObjectReceiveStream[SessionMessage | Exception]
ResponseStream = MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def open_stdio() -> AsyncIterator[tuple[RequestStream, ResponseStream]]:
    """Yield the streams for a server of the SDK; the first ends with stdin.

    Meanwhile file descriptor 0 is empty and 1 is stderr, so no other code of the process reads or writes here.
    """
    wire = _DescriptorPair(*_take_over_descriptors())
    received, requests = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    answers, sent = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read_requests, wire, received)
        tasks.start_soon(_write_responses, wire, sent)
        yield requests, answers


class _DescriptorPair:
    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._outgoing = os.fdopen(outgoing, "wb", closefd=False)
        self._write_lock = anyio.Lock()

    async def read(self) -> bytes:
        return await anyio.to_thread.run_sync(os.read, self._incoming, _CHUNK_BYTES, abandon_on_cancel=True)

    async def write(self, line: str) -> None:
        async with self._write_lock:
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


async def _read_requests(wire: _DescriptorPair, received: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
    lines = LineSplitter()
    async with received:
        while chunk := await wire.read():
            for line in lines.feed(chunk):
                await _handle_line(line, wire, received)
        await _handle_line(lines.take_line(), wire, received)


async def _handle_line(
    line: RequestLine, wire: _DescriptorPair, received: MemoryObjectSendStream[SessionMessage | Exception]
) -> None:
    parsed = parse_line(line)
    if not isinstance(parsed, list):
        await received.send(SessionMessage(parsed))
        return
    if line.text.strip() and not parsed:
        _log.warning("dropped a line of %d characters, because it has no request id that can be read", len(line.text))
    for refusal in parsed:
        await wire.write(str(refusal))


async def _write_responses(wire: _DescriptorPair, sent: MemoryObjectReceiveStream[SessionMessage]) -> None:
    async with sent:
        async for answer in sent:
            await wire.write(_encode_line(answer.message))


def _encode_line(message: JSONRPCMessage) -> str:
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True)
    except ValueError as error:
        # UTF-8 cannot encode a lone surrogate, for example. One answer that cannot be written must not end the session.
        if not isinstance(message, JSONRPCResponse):
            raise
        _log.warning("cannot write an answer: %s", error)
        return str(RpcErrorResponse(json.dumps(message.id), INTERNAL_ERROR, "The answer cannot be written as JSON."))
