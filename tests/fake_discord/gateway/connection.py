"""One websocket at the gateway: hello, heartbeats, what is sent and how it ends."""

import asyncio
import json
import socket
import struct
import time
import zlib
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

from ..faults import Fault, FaultPlan
from ..rules import DiscordRules
from ..world.models import Json
from .sessions import GatewayFrame, GatewaySession

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID_SESSION, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
_OP_NAMES = {HEARTBEAT: "HEARTBEAT", IDENTIFY: "IDENTIFY", RESUME: "RESUME", 3: "PRESENCE", 4: "VOICE", 8: "MEMBERS"}
_MAX_PAYLOAD, _MAX_PAYLOADS, _MINUTE = 4096, 120, 60.0


OnOp = Callable[["GatewayConnection", int, Json], Awaitable[None]]


class GatewayConnection:
    """Speaks the protocol; what identifying and resuming mean is the gateway's affair."""

    def __init__(self, request: web.Request, rules: DiscordRules, faults: FaultPlan) -> None:
        self._request = request
        self._rules = rules
        self._faults = faults
        self._web_socket = web.WebSocketResponse(compress=False)
        self._deflate = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        self._outbox: asyncio.Queue[GatewayFrame | int] = asyncio.Queue()
        self._received: list[float] = []
        self._last_beat = time.monotonic()
        self.session: GatewaySession | None = None
        self.acks = True  # False: it has become a zombie
        self.events = True  # False: it is deaf, though heartbeats are acknowledged
        self.resuming = request.path.endswith("/resume/")
        self.close_code: int | None = None
        self.closed_by_bot = True
        self.heartbeats: list[int | None] = []

    async def run(self, on_op: OnOp) -> web.WebSocketResponse:
        """Until one of the two has closed it."""
        await self._web_socket.prepare(self._request)
        helpers = [asyncio.create_task(self._write()), asyncio.create_task(self._watch_heartbeats())]
        self.send({"op": HELLO, "d": {"heartbeat_interval": int(self._rules.heartbeat * 1000)}})
        if self._request.query.get("v") != "10":
            self.close(4012)
        try:
            async for frame in self._web_socket:
                if frame.type is not WSMsgType.TEXT:
                    break
                await self._receive(frame.data, on_op)
        finally:
            for helper in helpers:
                helper.cancel()
            if self.closed_by_bot:
                code = self._web_socket.close_code
                self.close_code = None if code is None else int(code)
        return self._web_socket

    def send(self, frame: GatewayFrame) -> None:
        self._outbox.put_nowait(frame)

    def close(self, code: int) -> None:
        """After all that was to be sent before."""
        self._outbox.put_nowait(code)

    def drop(self) -> None:
        """As when a cable is cut: no closing frame."""
        self.closed_by_bot, self.close_code = False, 1006
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _receive(self, text: str, on_op: OnOp) -> None:
        now = time.monotonic()
        self._received = [at for at in self._received if now - at < _MINUTE] + [now]
        if len(self._received) > _MAX_PAYLOADS:
            return self.close(4008)
        try:
            payload = json.loads(text)
            op, data = payload["op"], payload.get("d")
        except (ValueError, KeyError, TypeError):
            return self.close(4002)
        if len(text) > _MAX_PAYLOAD:
            return self.close(4002)
        if op not in _OP_NAMES:
            return self.close(4001)
        fault = self._faults.pick(f"op {_OP_NAMES[op]}")
        if fault is not None and await self._apply_fault(fault):
            return None
        if op == HEARTBEAT:
            self._last_beat = now
            self.heartbeats.append(data)
            if self.acks:
                self.send({"op": ACK, "d": None})
        else:
            await on_op(self, op, data)
        return None

    async def _apply_fault(self, fault: Fault) -> bool:
        """Whether what was received is then no longer answered."""
        if fault.kind == "refuse":
            self.send({"op": INVALID_SESSION, "d": False})
        elif fault.kind == "close":
            self.close(fault.code)
        elif fault.kind == "drop":
            self.drop()
        elif fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        return fault.kind != "delay"

    async def _write(self) -> None:
        while True:
            frame = await self._outbox.get()
            if isinstance(frame, int):
                self.closed_by_bot, self.close_code = False, frame
                await self._web_socket.close(code=frame)
                return
            fault = self._faults.pick(f"event {frame['t']}") if frame["op"] == DISPATCH else None
            try:
                if fault is None or await self._survives_event(fault, frame):
                    await self._write_frame(frame)
                if fault is not None and fault.kind == "drop after":
                    self.drop()
            except ConnectionError:
                return

    async def _survives_event(self, fault: Fault, frame: GatewayFrame) -> bool:
        """Whether the event is then written after all."""
        if fault.kind == "drop":
            self.drop()
        elif fault.kind == "close":
            self.close(fault.code)
            self.events = False
        elif fault.kind == "reconnect":
            self.reconnect()
        elif fault.kind.startswith("invalid session"):
            self.invalidate(resumable="resumable" in fault.kind)
        elif fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "twice":
            await self._write_frame(frame)
        return fault.kind in ("delay", "twice", "drop after")

    def reconnect(self) -> None:
        """Op 7. The session goes on in the connection that the bot makes then."""
        self.send({"op": RECONNECT, "d": None})
        self.events = False

    def invalidate(self, *, resumable: bool) -> None:
        """Op 9. A session that cannot be resumed is gone with all that it would have told."""
        self.send({"op": INVALID_SESSION, "d": resumable})
        self.events = False
        if not resumable and self.session is not None:
            self.session.send = None
            self.session.detached_at = float("-inf")

    async def _write_frame(self, frame: GatewayFrame) -> None:
        if frame["op"] == DISPATCH and not self.events:
            return
        text = json.dumps({"s": None, "t": None, **frame})
        if self._deflate is None:
            await self._web_socket.send_str(text)
        else:
            packed = self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
            await self._web_socket.send_bytes(packed)

    async def _watch_heartbeats(self) -> None:
        while True:
            ends = self._last_beat + self._rules.heartbeat * self._rules.late_heartbeat
            await asyncio.sleep(max(0.0, ends - time.monotonic()))
            if time.monotonic() - self._last_beat > self._rules.heartbeat * self._rules.late_heartbeat:
                return self.close(4000)


def reset_connection(request: web.Request) -> None:
    """Close a connection so that the other side reads ECONNRESET."""
    transport = request.transport
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
