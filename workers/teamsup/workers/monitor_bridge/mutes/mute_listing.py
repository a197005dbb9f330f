"""Render mutes for people: their beginnings and ends as sentences, and all mutes in a table. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from teamsup.hub import CallerError
from teamsup.hub.errors import ExitCode
from teamsup.hub.validation import quote
from teamsup.terminal.formatting import format_duration, format_moment, format_table, sanitize, to_single_line

from ..incidents.incident import Incident
from ..incidents.rendering import render_reference
from .mute import Mute
from .window import WindowState

_MAX_SUBJECT = 100


class UnknownMute(CallerError):
    """No active mute has this number."""

    exit_code = ExitCode.UNKNOWN


class OpenWindow(CallerError):
    """A maintenance window cannot be ended before its time."""

    exit_code = ExitCode.NOT_NOW


def find_by_words(words: Sequence[str], active: Sequence[Mute]) -> Mute:
    """Return the active mute that a person names by its number. Raise UnknownMute and OpenWindow. Raise CallerError for
    other words.
    """
    if len(words) != 1:
        raise CallerError("Name the mute, and nothing else: unmute ID.")
    found = next((mute for mute in active if mute.key == words[0].removeprefix("#")), None)
    if found is None:
        raise UnknownMute(f"There is no mute {quote(words[0])} now. List them with: teamsup alerts mutes")
    if not found.key.isdecimal():
        raise OpenWindow(f"{found.created_by} is a section of teamsup.toml: change it there to end it earlier.")
    return found


def render_mute(mute: Mute, muted: Sequence[Incident]) -> str:
    """Return the sentence that a person has muted incidents."""
    subject = render_reference(muted) if mute.incidents and muted else sanitize(mute.subject)
    ends_at = _moment(mute.ends_at)
    seconds = format_duration(mute.ends_at - mute.created_at)
    now = f" It mutes {render_reference(muted)}." if muted else " It matches no open incident now."
    return (
        f"{sanitize(mute.created_by)} has muted {subject} for {seconds}, until {ends_at}: nobody is notified of it."
        f"{'' if mute.incidents else now} End it with: /unmute {mute.key}"
    )


def render_ended_by(mute: Mute, unmuted: Sequence[Incident], who: str) -> str:
    """Return the sentence that a person has ended a mute."""
    return f"{sanitize(who)} has ended mute {mute.key}, {sanitize(mute.subject)}.{_render_firing(unmuted)}"


def render_over(unmuted: Sequence[Incident]) -> str:
    """Return the sentence that a mute has ended while these incidents still fire."""
    first = unmuted[0]
    return f"Mute {first.mute} by {sanitize(first.mute_by or '')} is over.{_render_firing(unmuted)}"


def render_table(
    mutes: Sequence[Mute],
    counts: Mapping[str, int],
    closed: Sequence[WindowState],
    now: datetime,
    columns: int | None = None,
) -> list[str]:
    """Return a table with a line for each mute. ``counts`` maps a mute to the number of its incidents."""
    later = [
        f"[mute.{each.name}] mutes {sanitize(' '.join(each.matchers))} from {_moment(each.begins_at)}."
        for each in closed
    ]
    if not mutes:
        return ["Nothing is muted.", *later]
    rows = [("ID", "BY", "LEFT", "INCIDENTS", "MUTES")]
    rows += [
        (
            mute.key,
            sanitize(mute.created_by),
            format_duration(mute.ends_at - now.timestamp()),
            str(counts.get(mute.key, 0)),
            to_single_line(mute.subject, _MAX_SUBJECT),
        )
        for mute in mutes
    ]
    return [*format_table(rows, columns), *later]


def as_json(mute: Mute, counts: Mapping[str, int]) -> dict[str, Any]:
    """Return a mute for programs."""
    return {
        "id": mute.key,
        "matchers": [str(each) for each in mute.matchers],
        "incidents": list(mute.incidents),
        "created_by": mute.created_by,
        "created_at": datetime.fromtimestamp(mute.created_at, UTC),
        "ends_at": datetime.fromtimestamp(mute.ends_at, UTC),
        "muted_incidents": counts.get(mute.key, 0),
    }


def window_as_json(window: WindowState) -> dict[str, Any]:
    """Return a window that is not open, for programs."""
    begins_at = datetime.fromtimestamp(window.begins_at, UTC)
    return {"name": window.name, "matchers": list(window.matchers), "begins_at": begins_at}


def _moment(seconds: float) -> str:
    return format_moment(datetime.fromtimestamp(seconds, UTC))


def _render_firing(unmuted: Sequence[Incident]) -> str:
    if not unmuted:
        return " None of its incidents fires."
    return f" It still fires, and agents and people are notified again: {render_reference(unmuted)}."
