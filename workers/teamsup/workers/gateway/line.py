"""What is known of one client's connection to Discord, and what follows from it. Pure: times are given, in seconds."""

from dataclasses import dataclass, field

from teamsup.hub.wording import duration

_TOO_LONG = 60.0
_AT_A_STRETCH = 3
_A_MINUTE, _IN_A_MINUTE = 60.0, 5
_QUIET_BEATS = 8
_SHOWN_STEP = 10


class Hopeless(Exception):
    """We leave a client that does no good any more."""


@dataclass
class Line:
    """One client's connection, as far as it can be known."""

    down_since: float | None
    """None: Discord has taken us in."""
    up_since: float = 0.0
    last_event: float = 0.0
    _interval: float = 0.0  # of heartbeats; 0: none yet
    _latency: float = 0.0
    _acknowledged: float = 0.0
    _dropped: list[float] = field(default_factory=list)
    _in_vain: int = 0
    """Attempts since the last that went well."""

    def hears(self, event: str, now: float) -> None:
        """An event has come."""
        self.last_event = now
        if event in ("READY", "RESUMED"):
            self.down_since, self.up_since, self._in_vain = None, now, 0

    def drops(self, now: float) -> None:
        """The connection has ended, and discord.py makes another."""
        self._dropped = [at for at in self._dropped if now - at < _A_MINUTE] + [now]
        self._in_vain += 1
        self._interval = 0.0
        if self.down_since is None:
            self.down_since = now

    def beats(self, interval: float, latency: float, acknowledged: float) -> None:
        """Heartbeats go out so often; when the last was acknowledged, and after how long."""
        self._interval, self._latency, self._acknowledged = interval, latency, acknowledged

    def is_up(self, now: float) -> bool:
        """Whether Discord has taken us in and acknowledges heartbeats."""
        return self.down_since is None and self._interval > 0 and not self.is_silent(now)

    def is_silent(self, now: float) -> bool:
        """Whether a heartbeat was not acknowledged as soon as it should be."""
        return self._interval > 0 and now - self._acknowledged > 1.5 * self._interval + 1

    def is_zombie(self, now: float) -> bool:
        """Whether a heartbeat was not acknowledged when the next was due. The second is for a slow machine."""
        return self._interval > 0 and now - self._acknowledged > 2 * self._interval + 1

    def may_be_deaf(self, now: float) -> bool:
        """Whether no event has come for so long that we should ask for one: also a quiet server sends none."""
        return self.is_up(now) and now - self.last_event > _QUIET_BEATS * self._interval

    def is_deaf(self, now: float) -> bool:
        """Whether also the event that we asked for did not come."""
        return self.is_up(now) and now - self.last_event > (_QUIET_BEATS + 2) * self._interval

    def is_proven(self, now: float) -> bool:
        """Whether it has been well for a while."""
        return self.is_up(now) and now - self.up_since > _TOO_LONG

    def is_hopeless(self, now: float) -> str:
        """Why this client should be left; empty: it may go on. discord.py would try for ever, also without a pause."""
        if self._in_vain >= _AT_A_STRETCH:
            return f"Discord has ended {_AT_A_STRETCH} connections in a row at once"
        if len([at for at in self._dropped if now - at < _A_MINUTE]) >= _IN_A_MINUTE:
            return f"Discord has ended {_IN_A_MINUTE} connections within a minute"
        if self.down_since is not None and now - self.down_since > _TOO_LONG:
            return f"Discord has not taken us in for {_TOO_LONG:.0f} s"
        return ""

    def describe(self, now: float) -> str:
        """For people, while it is up. In steps: what nobody would miss need not be written."""
        event = int(now - self.last_event) // _SHOWN_STEP * _SHOWN_STEP
        last = f"{duration(event)} ago" if event else "just now"
        age = now - self.up_since
        shown = duration(age if age >= 60 else age // _SHOWN_STEP * _SHOWN_STEP)
        # Longer than an interval it is discord.py's mistake, where the answer was faster than its own note of the time.
        latency = f"latency {self._latency * 1000:.0f} ms, " if self._latency < self._interval else ""
        return f"connected for {shown}, {latency}last event {last}"

    def silence(self, now: float) -> str:
        """For people, while heartbeats are not acknowledged."""
        return f"Discord has not acknowledged a heartbeat for {duration(now - self._acknowledged)}"
