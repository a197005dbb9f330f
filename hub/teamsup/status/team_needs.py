"""The team's problems that only a person can end, from the supervisor's state and the entries of components."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from teamsup.config.entries import Age, EntrySource, EntryState, Need, Text, sort_needs
from teamsup.hub import MessageHub
from teamsup.hub.models import DEGRADED, NOT_CONFIGURED, SUPERVISOR

from .process_state import State
from .team_status import UNKNOWN, ParticipantStatus, TeamStatus

PARTICIPANT = "participant"
"""The kind of a need about a participant, or about the team itself. Such a need does not have actions, only a page."""
_ALONE_SECONDS = 300.0
"""A part that retries by itself becomes a need only after this time."""
_MANY_FAILURES = 5
_UNKNOWN_STATE = EntryState("unknown", "unknown")


def read_needs(hub: MessageHub, status: TeamStatus, sources: Iterable[EntrySource], now: datetime) -> list[Need]:
    """Return all needs for a person, the worst first. A source that fails becomes a need too."""
    if status.trouble is not None:
        # No source can be read, so what else needs a person is unknown.
        return sort_needs(find_needs(status, now))
    found = [*find_needs(status, now)]
    for source in sources:
        try:
            found += source.needs(hub, now)
        except Exception as error:
            # A component has a bug, or an older table. The other needs are still correct.
            found.append(_unreadable(source, error, now))
    return sort_needs(found)


def find_needs(status: TeamStatus, now: datetime) -> list[Need]:
    """Return the needs that follow from the states of the participants. Pure."""
    found = [] if status.trouble is None else [_hub_trouble(status, now)]
    if not status.is_running:
        return [*found, _not_supervised(now)]
    if not status.is_published:
        # The heartbeats may be recent, but they do not show how the workers are.
        found.append(_not_published(now))
    return [*found, *(need for row in status.rows for need in _needs_of(row, now))]


def _needs_of(row: ParticipantStatus, now: datetime) -> Iterator[Need]:
    if row.well:
        return
    crash = row.crashes[-1] if row.crashes else None
    since = None if crash is None else datetime.fromtimestamp(crash.at, UTC)
    match row.state:
        case State.FATAL | State.EXITED:
            yield _need(row, "does not run until somebody corrects it", EntryState("failed", "failed"), since, now)
        case word if word == NOT_CONFIGURED:
            yield _need(row, "is not configured", EntryState("failed", NOT_CONFIGURED), since, now)
        case State.BACKOFF if crash is not None and crash.failures >= _MANY_FAILURES:
            yield _need(row, f"crashed {crash.failures} times in a row", EntryState("failed", "crashes"), since, now)
        case word if word == UNKNOWN and _is_long(row.heartbeat_age_seconds):
            yield _need(row, "is not heard", _UNKNOWN_STATE, _before(now, row.heartbeat_age_seconds), now)
        case word if word == DEGRADED.upper() and _is_long(row.degraded_seconds):
            state = EntryState("degraded", "degraded")
            yield _need(row, "is degraded", state, _before(now, row.degraded_seconds), now)


def _is_long(seconds: float | None) -> bool:
    """Return whether this time is so long that a person must look. An unknown time counts as long."""
    return seconds is None or seconds >= _ALONE_SECONDS


def _before(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now - timedelta(seconds=seconds)


def _need(row: ParticipantStatus, title: str, state: EntryState, since: datetime | None, now: datetime) -> Need:
    return Need(
        PARTICIPANT,
        row.name,
        row.name,
        title,
        _evidence_of(row, since),
        state,
        since or now,
        is_critical=row.kind == "supervisor",
        address=f"/team/{row.name}",
    )


def _evidence_of(row: ParticipantStatus, since: datetime | None) -> Text:
    """Return the reason and its age, without saying the age twice."""
    if row.is_silent and since is not None:
        return ("Its last heartbeat was ", Age(since), ".")
    note = row.note.rstrip(".")
    why = f"{note[:1].upper()}{note[1:]}." if note else "It does not say why."
    if since is None:
        return (why,)
    if row.crashes and row.state != DEGRADED.upper():
        return ("Its last crash was ", Age(since), f". {why}")
    return (why[:-1], ", ", Age(since, "for"), ".")


def _not_supervised(now: datetime) -> Need:
    evidence = ("Nobody starts its workers again, and what is shown of them may be old. Start it with: teamsup start",)
    return Need(
        PARTICIPANT,
        SUPERVISOR,
        "Supervisor",
        "is not heard: the team does not run",
        evidence,
        _UNKNOWN_STATE,
        now,
        is_critical=True,
        address=f"/team/{SUPERVISOR}",
    )


def _not_published(now: datetime) -> Need:
    evidence = (
        "It runs, but its file supervisor.json cannot be read, so the states of its workers are not known. It writes"
        " the file again when it starts or restarts a worker.",
    )
    return Need(
        PARTICIPANT,
        f"{SUPERVISOR}-state",
        "Supervisor",
        "has published no readable state",
        evidence,
        _UNKNOWN_STATE,
        now,
        is_critical=True,
        address=f"/team/{SUPERVISOR}",
    )


def _hub_trouble(status: TeamStatus, now: datetime) -> Need:
    evidence = (f"{status.trouble} What else needs you is not known.",)
    state = EntryState("failed", "failed")
    return Need(PARTICIPANT, "hub", "Hub", "cannot be used", evidence, state, now, is_critical=True, address="/")


def _unreadable(source: EntrySource, error: Exception, now: datetime) -> Need:
    evidence = (f"{type(error).__name__}: {error}",)
    label = source.title or source.kind
    return Need(
        PARTICIPANT, f"source-{source.kind}", label, "cannot be read", evidence, _UNKNOWN_STATE, now, address="/"
    )
