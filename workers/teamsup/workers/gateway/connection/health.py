"""The health of one client's connection to Discord, and the action that follows. Pure: the caller passes times, in
seconds."""

from dataclasses import dataclass, field

from teamsup.terminal.formatting import format_duration

_DOWN_LIMIT_SECONDS = 60.0
_MAX_FAILED_IN_ROW = 3
_DISCONNECT_WINDOW_SECONDS, _MAX_DISCONNECTS = 60.0, 5
_STALL_HEARTBEATS = 8
_DISPLAY_STEP_SECONDS = 10


class ReconnectRequired(Exception):
    """The client is useless and must be replaced."""


@dataclass
class ConnectionHealth:
    """The observed health of one client's connection."""

    down_since: float | None
    """The time since which Discord has not accepted the bot. None while the bot is accepted."""
    up_since: float = 0.0
    last_event: float = 0.0
    _interval: float = 0.0  # between two heartbeats; 0 before the first
    _latency: float = 0.0
    _last_ack: float = 0.0
    _disconnects: list[float] = field(default_factory=list)
    _failed_in_row: int = 0
    """Attempts since the last success."""

    def on_event(self, event: str, now: float) -> None:
        """Note that an event has arrived."""
        self.last_event = now
        if event in ("READY", "RESUMED"):
            self.down_since, self.up_since, self._failed_in_row = None, now, 0

    def on_disconnect(self, now: float) -> None:
        """Note that the connection has ended. discord.py makes another connection."""
        self._disconnects = [at for at in self._disconnects if now - at < _DISCONNECT_WINDOW_SECONDS] + [now]
        self._failed_in_row += 1
        self._interval = 0.0
        if self.down_since is None:
            self.down_since = now

    def on_heartbeat(self, interval: float, latency: float, acknowledged: float) -> None:
        """Note the interval of heartbeats, the time of the last acknowledgement, and its delay in seconds."""
        self._interval, self._latency, self._last_ack = interval, latency, acknowledged

    def is_up(self, now: float) -> bool:
        """Return whether Discord has accepted the bot and acknowledges heartbeats."""
        return self.down_since is None and self._interval > 0 and not self.is_ack_overdue(now)

    def is_ack_overdue(self, now: float) -> bool:
        """Return whether the acknowledgement of a heartbeat is late."""
        return self._interval > 0 and now - self._last_ack > 1.5 * self._interval + 1

    def is_zombie(self, now: float) -> bool:
        """Return whether a heartbeat was still unacknowledged one second after the next heartbeat was due."""
        return self._interval > 0 and now - self._last_ack > 2 * self._interval + 1

    def may_be_stalled(self, now: float) -> bool:
        """Return whether the gateway should request an event, because none has arrived for long. A quiet server sends
        no events.
        """
        return self.is_up(now) and now - self.last_event > _STALL_HEARTBEATS * self._interval

    def is_stalled(self, now: float) -> bool:
        """Return whether the requested event is missing too."""
        return self.is_up(now) and now - self.last_event > (_STALL_HEARTBEATS + 2) * self._interval

    def is_stable(self, now: float) -> bool:
        """Return whether the connection has been up for a while."""
        return self.is_up(now) and now - self.up_since > _DOWN_LIMIT_SECONDS

    def reconnect_reason(self, now: float) -> str:
        """Return why this client must be replaced, or an empty text. discord.py would retry forever, even without a
        pause.
        """
        if self._failed_in_row >= _MAX_FAILED_IN_ROW:
            return f"Discord has ended {_MAX_FAILED_IN_ROW} connections in a row at once"
        if len([at for at in self._disconnects if now - at < _DISCONNECT_WINDOW_SECONDS]) >= _MAX_DISCONNECTS:
            return f"Discord has ended {_MAX_DISCONNECTS} connections within a minute"
        if self.down_since is not None and now - self.down_since > _DOWN_LIMIT_SECONDS:
            return f"Discord has not accepted us for {_DOWN_LIMIT_SECONDS:.0f} s"
        return ""

    def describe(self, now: float) -> str:
        """Return the state for people, while the connection is up. Figures change in steps, so that the text rarely
        changes."""
        event = int(now - self.last_event) // _DISPLAY_STEP_SECONDS * _DISPLAY_STEP_SECONDS
        last = f"{format_duration(event)} ago" if event else "just now"
        age = now - self.up_since
        shown = format_duration(age if age >= 60 else age // _DISPLAY_STEP_SECONDS * _DISPLAY_STEP_SECONDS)
        # A latency above an interval is wrong: the answer came before discord.py noted the time.
        latency = f"latency {self._latency * 1000:.0f} ms, " if self._latency < self._interval else ""
        return f"connected for {shown}, {latency}last event {last}"

    def describe_missing_ack(self, now: float) -> str:
        """Return the state for people, while heartbeats are not acknowledged."""
        return f"Discord has not acknowledged a heartbeat for {format_duration(now - self._last_ack)}"
