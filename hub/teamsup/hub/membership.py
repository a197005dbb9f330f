"""Taking part: who is known to the team, who is here, and how a listener shows that it is."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from . import presence
from .checks import check_text
from .clock import to_text
from .errors import StoreError
from .hub_base import HubBase
from .messages import DEGRADED, NOT_CONFIGURED, OFFLINE, ONLINE, SUPERVISOR, Agent, Kind
from .row_values import metadata_of


class Membership(HubBase):
    """The verbs of an agent that takes part."""

    def enroll(self, name: str, kind: Kind = "agent") -> None:
        """Make an agent known before it has ever been here, so that it can be written to."""
        with self._write(durable=False) as db:
            presence.enroll(db, name, kind)

    def register(self, kind: Kind = "agent", status: str = ONLINE, **metadata: Any) -> None:  # noqa: ANN401
        """Say that we are here, of which kind, and how we are. Metadata is any JSON; ``note`` is for people."""
        self._announce(kind, status, metadata)

    def heartbeat(self, status: str = ONLINE, **metadata: Any) -> None:  # noqa: ANN401 - any JSON value
        """Say that we are still here. ``note`` is for people; other metadata too replaces what stood there before.

        ``heartbeat("degraded", note="why")``: we run, and cannot do our work.
        """
        self._announce(None, status, metadata or None)

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
            db.execute("DELETE FROM agent_status WHERE lower(agent_name) = ?", (presence.agent_name(name),))

    def agents(self) -> list[Agent]:
        """Everybody known, by name."""
        rows = self._store.read(presence.AGENTS, {"name": None, "now": to_text(self._clock())})
        return [presence.agent_from(row, metadata_of(row["metadata"])) for row in rows]

    def agent_named(self, name: str) -> Agent | None:
        """Who is known under that name."""
        values = {"name": check_text("name", name).strip().lower(), "now": to_text(self._clock())}
        rows = self._store.read(presence.AGENTS, values)
        return presence.agent_from(rows[0], metadata_of(rows[0]["metadata"])) if rows else None

    def _announce(self, kind: Kind | None, status: str, metadata: Mapping[str, Any] | None) -> None:
        self._kind = kind or self._kind
        with self._write(durable=False) as db:
            now = self._clock()
            presence.announce(db, self.agent, kind, self._kind, status, metadata, now)
            self._said_at = None if status in (OFFLINE, NOT_CONFIGURED) else to_text(now)
            if kind is not None or status not in (ONLINE, DEGRADED):
                self._ring_later(SUPERVISOR)

    def _is_unseen(self, *, listening: bool) -> bool:
        """Whether it is time to say again that somebody reads here."""
        return time.monotonic() >= (self._listens_until if listening else self._seen_until)

    def _be_seen(self, *, listening: bool) -> None:
        if not self._is_unseen(listening=listening):
            return
        self._seen_until = time.monotonic() + presence.BEAT_SECONDS
        self._listens_until = self._seen_until if listening else self._listens_until
        now = self._clock()
        lately = {"now": to_text(now), "lately": to_text(now - presence.BEAT_SECONDS)}
        # Only presence: whoever reads goes on without it.
        with suppress(StoreError):
            if self._store.look(presence.IS_SEEN, {"name": self.agent, "listening": listening, **lately}):
                return
            with self._write(durable=False) as db:
                presence.be_seen(db, self.agent, self._kind, now, listening=listening)
            self._said_at = to_text(now) if listening else self._said_at
