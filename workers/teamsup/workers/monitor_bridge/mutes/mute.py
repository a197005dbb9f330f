"""A mute keeps the incidents that it matches from notifying agents and people for a time. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from teamsup.hub import CallerError

from ..incidents import incident
from ..incidents.incident import Incident, severity_rank
from .matcher import Matcher, is_duration, parse_duration, parse_matcher

DEFAULT_SECONDS = 3600.0
USAGE = "Name what to mute, and for how long: mute job=backup 2h, or mute 12 30m."
_CLOCK_SECONDS = 1.0
"""If a mute begins more than these seconds in the future, it was made before the clock was set back."""


@dataclass(frozen=True, slots=True)
class MuteRequest:
    """A person's request to mute incidents: by their numbers, or all that match each of the matchers."""

    matchers: tuple[Matcher, ...] = ()
    incidents: tuple[int, ...] = ()
    seconds: float = DEFAULT_SECONDS


@dataclass(frozen=True, slots=True)
class Mute:
    """A mute. Times are Unix seconds."""

    key: str
    """The number of the mute, or the name of its section in teamsup.toml."""
    created_by: str
    """The name of the person or of the section that made the mute."""
    created_at: float
    ends_at: float
    matchers: tuple[Matcher, ...] = ()
    incidents: tuple[int, ...] = ()
    severity: str = "critical"
    """The worst severity that is muted."""
    created_by_id: str | None = None

    def is_active(self, now: float) -> bool:
        return self.created_at - _CLOCK_SECONDS <= now < self.ends_at

    def covers(self, each: Incident) -> bool:
        """Return whether the mute applies to this incident. A mute never applies to a test."""
        if each.is_test or severity_rank(each.severity) < severity_rank(self.severity):
            return False
        if self.incidents:
            return each.id in self.incidents
        facts = {"source": each.source, "severity": each.severity, "title": each.title}
        return bool(self.matchers) and all(matcher.matches(facts, each.labels) for matcher in self.matchers)

    @property
    def subject(self) -> str:
        """Return a phrase with the incidents that the mute applies to."""
        if not self.incidents:
            return " ".join(map(str, self.matchers))
        return f"incident{'s' if len(self.incidents) > 1 else ''} " + ", ".join(map(str, self.incidents))


@dataclass(frozen=True, slots=True)
class MuteChange:
    """An incident whose mute changes. ``mute`` is None if the incident does not have a mute any more."""

    incident: Incident
    mute: Mute | None


def decide_changes(incidents: Iterable[Incident], active: Sequence[Mute]) -> list[MuteChange]:
    """Return the changes that these active mutes cause. If several apply to an incident, the mute that ends last
    counts.
    """
    found = []
    for each in incidents:
        covering = [mute for mute in active if mute.covers(each)] if each.state == incident.FIRING else []
        mute = max(covering, key=lambda one: (one.ends_at, one.key), default=None)
        ends_at = None if each.mute_ends_at is None else each.mute_ends_at.timestamp()
        is_same = mute is not None and ends_at is not None and abs(mute.ends_at - ends_at) < _CLOCK_SECONDS
        if (each.mute != mute.key or not is_same) if mute is not None else each.mute is not None:
            found.append(MuteChange(each, mute))
    return found


def parse_request(words: Sequence[str]) -> MuteRequest:
    """Return the request that these words make, such as ``job=backup 2h``. Raise CallerError."""
    matchers: list[Matcher] = []
    numbers: list[int] = []
    durations: list[float] = []
    for word in words:
        if (number := incident.parse_number(word)) is not None:
            numbers.append(number)
        elif is_duration(word):
            durations.append(parse_duration(word))
        else:
            matchers.append(parse_matcher(word))
    if bool(matchers) == bool(numbers) or len(durations) > 1:
        raise CallerError(USAGE)
    return MuteRequest(tuple(matchers), tuple(numbers), *durations)
