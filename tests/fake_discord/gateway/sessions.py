"""One session of the bot at the gateway: what it may hear, and what it has been told."""

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..rules import MESSAGE_CONTENT
from ..world.models import FakeEvent, Json
from ..world.payloads import redacted

GatewayFrame = dict[str, Any]


@dataclass
class GatewaySession:
    """Lives longer than its connections: what happens meanwhile is kept for a RESUME."""

    intents: int
    replay_limit: int
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    seq: int = 0
    detached_at: float | None = None  # None while a connection has it
    resumable: bool = True
    send: Callable[[GatewayFrame], None] | None = None  # to the connection that has it
    _log: deque[GatewayFrame] = field(default_factory=deque)

    def receive(self, happening: FakeEvent) -> None:
        if happening.intent & ~self.intents:
            return
        data = happening.data
        if happening.hides_content and not self.intents & MESSAGE_CONTENT:
            data = redacted(data)
        self.dispatch(happening.name, data)

    def dispatch(self, event: str, data: Json) -> None:
        self.seq += 1
        frame = {"op": 0, "s": self.seq, "t": event, "d": data}
        self._log.append(frame)
        if len(self._log) > self.replay_limit:
            self._log.popleft()
        if self.send is not None:
            self.send(frame)

    def events_after(self, seq: int) -> list[GatewayFrame] | None:
        """What came after that number; None when that is no longer kept."""
        kept = [frame for frame in self._log if frame["s"] > seq]
        return kept if len(kept) == self.seq - seq else None
