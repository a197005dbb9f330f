"""Taking part: who is known to the team, who is here, and how a listener shows that it is."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .errors import StoreError
from .models import DEGRADED, NOT_CONFIGURED, OFFLINE, ONLINE, SUPERVISOR, Agent, AgentKind
from .session import HubSession
from .tables import agents as presence
from .tables.row_values import decode_metadata
from .timestamps import format_time
from .validation import check_text


class AgentRegistry(HubSession):
    """The verbs of an agent that takes part."""

    def enroll(self, name: str, kind: AgentKind = "agent") -> None:
        """Make an agent known before it has ever been here, so that it can be written to."""
        with self._write(durable=False) as db:
            presence.enroll(db, name, kind)

    def register(self, kind: AgentKind = "agent", status: str = ONLINE, **metadata: Any) -> None:  # noqa: ANN401
        """Say that we are here, of which kind, and how we are. Metadata is any JSON; ``note`` is for people."""
        self._record_heartbeat(kind, status, metadata)

    def heartbeat(self, status: str = ONLINE, **metadata: Any) -> None:  # noqa: ANN401 - any JSON value
        """Say that we are still here. ``note`` is for people; other metadata too replaces what stood there before.

        ``heartbeat("degraded", note="why")``: we run, and cannot do our work.
        """
        self._record_heartbeat(None, status, metadata or None)

    def mark_offline(self, *names: str) -> None:
        """Say of agents whose processes are known to be gone that they are offline."""
        with self._write(durable=False) as db:
            db.executemany(
                "UPDATE agent_status SET status = ? WHERE lower(agent_name) = ? AND status <> ?",
                [(OFFLINE, check_text("name", name).lower(), NOT_CONFIGURED) for name in names],
            )

    def retire(self, name: str) -> None:
        """Forget an agent; what waits for it stays, undeliverable until it comes back."""
        with self._write() as db:
            db.execute("DELETE FROM agent_status WHERE lower(agent_name) = ?", (presence.normalize_agent_name(name),))

    def agents(self) -> list[Agent]:
        """Everybody known, by name."""
        rows = self._store.read(presence.SELECT_AGENTS, {"name": None, "now": format_time(self._clock())})
        return [presence.agent_from_row(row, decode_metadata(row["metadata"])) for row in rows]

    def find_agent(self, name: str) -> Agent | None:
        """Who is known under that name."""
        values = {"name": check_text("name", name).strip().lower(), "now": format_time(self._clock())}
        rows = self._store.read(presence.SELECT_AGENTS, values)
        return presence.agent_from_row(rows[0], decode_metadata(rows[0]["metadata"])) if rows else None

    def _record_heartbeat(self, kind: AgentKind | None, status: str, metadata: Mapping[str, Any] | None) -> None:
        self._kind = kind or self._kind
        with self._write(durable=False) as db:
            now = self._clock()
            presence.record_heartbeat(db, self.agent, kind, self._kind, status, metadata, now)
            self._last_heartbeat_at = None if status in (OFFLINE, NOT_CONFIGURED) else format_time(now)
            if kind is not None or status not in (ONLINE, DEGRADED):
                self._ring_after_commit(SUPERVISOR)

    def _is_presence_due(self, *, listening: bool) -> bool:
        """Whether it is time to say again that somebody reads here."""
        return time.monotonic() >= (self._listening_valid_until if listening else self._presence_valid_until)

    def _refresh_presence(self, *, listening: bool) -> None:
        if not self._is_presence_due(listening=listening):
            return
        self._presence_valid_until = time.monotonic() + presence.HEARTBEAT_SECONDS
        self._listening_valid_until = self._presence_valid_until if listening else self._listening_valid_until
        now = self._clock()
        lately = {"now": format_time(now), "lately": format_time(now - presence.HEARTBEAT_SECONDS)}
        # Only presence: whoever reads goes on without it.
        with suppress(StoreError):
            if self._store.read_on_writer(
                presence.SELECT_FRESH_PRESENCE, {"name": self.agent, "listening": listening, **lately}
            ):
                return
            with self._write(durable=False) as db:
                presence.refresh_presence(db, self.agent, self._kind, now, listening=listening)
            self._last_heartbeat_at = format_time(now) if listening else self._last_heartbeat_at
