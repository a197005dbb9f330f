"""The presence of an agent: its heartbeats, and its waits for messages."""

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .engines.engine import Transaction
from .engines.repetition import repeated
from .errors import StoreError
from .models import NOT_CONFIGURED, OFFLINE, AgentKind
from .session import HubSession
from .tables import agents
from .timestamps import format_time
from .wakeup.doorbell import PRESENCE_TOPIC


class Presence:
    """The presence of one session's agent."""

    def __init__(self, session: HubSession) -> None:
        self._session = session
        self.kind: AgentKind | None = None
        self.last_heartbeat_at: str | None = None
        """The time of this session's last report of presence."""
        self._valid_until = self._listening_valid_until = -math.inf

    @repeated
    def record_heartbeat(self, kind: AgentKind | None, status: str, metadata: Mapping[str, Any] | None) -> None:
        """Send a heartbeat. A registration also sends the kind."""
        self.kind = kind or self.kind
        with self._session.write(durable=False, shared=True) as db:
            now = self._session.clock()
            agents.record_heartbeat(db, self._session.agent, kind, self.kind, status, metadata, now)
            self.last_heartbeat_at = None if status in (OFFLINE, NOT_CONFIGURED) else format_time(now)
            if kind is not None or status not in agents.PRESENT_STATUSES:
                self._session.ring_after_commit(PRESENCE_TOPIC)

    def is_due(self, *, listening: bool) -> bool:
        """Return whether the next report of presence is due."""
        return time.monotonic() >= (self._listening_valid_until if listening else self._valid_until)

    def refresh(self, *, listening: bool) -> None:
        """Report presence, unless this or another process has reported it recently."""
        if not self.is_due(listening=listening):
            return
        self._valid_until = time.monotonic() + agents.HEARTBEAT_SECONDS
        self._listening_valid_until = self._valid_until if listening else self._listening_valid_until
        session, now = self._session, self._session.clock()
        lately = {"now": format_time(now), "lately": format_time(now - agents.HEARTBEAT_SECONDS)}
        # This is only presence, so the reader continues without it.
        with suppress(StoreError):
            if session.store.read_on_writer(
                agents.SELECT_FRESH_PRESENCE, {"name": session.agent, "listening": int(listening), **lately}
            ):
                return
            with session.write(durable=False, shared=True) as db:
                agents.refresh_presence(db, session.agent, self.kind, now, listening=listening)
            self.last_heartbeat_at = format_time(now) if listening else self.last_heartbeat_at

    def end(self, db: Transaction) -> None:
        """Go offline, unless another process has reported for this agent since then."""
        if self.last_heartbeat_at is not None:
            agents.mark_offline_since(db, self._session.agent, self.last_heartbeat_at)
