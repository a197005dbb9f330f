"""The entries that a component shows to people besides messages, such as incidents.

A page does not depend on the component or its tables. It gets texts and times, and returns the name of an action. All
texts may come from outside the team, so a page must escape them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, TypeVar

from teamsup.hub import CallerError, MessageHub

T = TypeVar("T")
_MAX_DIGITS = 19
"""A number with this many digits may be too large for a column."""

Shape = Literal[
    "well",
    "working",
    "paused",
    "degraded",
    "silent",
    "failed",
    "unknown",
    "decision",
    "letter",
    "paged",
    "notified",
    "read",
    "clock",
    "acknowledged",
]
"""The shape of a state, which also has its own colour. ``unknown`` is never shown like ``well``."""


class ActionRejected(CallerError):
    """The action is not possible, or its entry has changed since it was shown. The text says which of the two."""


@dataclass(frozen=True, slots=True)
class Age:
    """A moment in a sentence: "4 s ago", "for 4 s" (not live: "since 14:02:10") or "in 4 s"."""

    at: datetime
    form: Literal["ago", "for", "in"] = "ago"


Text = tuple[str | Age, ...]
"""A sentence for people. Its ages grow while it is shown."""


@dataclass(frozen=True, slots=True)
class EntryState:
    """A state: its shape and its word, such as "firing", with its evidence."""

    shape: Shape
    word: str


@dataclass(frozen=True, slots=True)
class EntryAction:
    """An action of a person on an entry. ``name`` is for ``act()``; the label is for people."""

    name: str
    label: str
    asks_first: str = ""
    """A question that says what will happen. The label then ends with "…". Empty if the action needs no question.
    """
    is_main: bool = False
    """Whether this is the action that most people choose."""
    needs_text: str = ""
    """The label of the text that a person must write; empty if no text is needed."""


@dataclass(frozen=True, slots=True)
class Need:
    """A problem or a question that needs a person."""

    kind: str
    """The kind of its source, which names its entry together with ``id``."""
    id: str
    label: str
    """The name of its subject, such as "Incident 14"."""
    title: str
    evidence: Text
    state: EntryState
    since: datetime
    deadline: datetime | None = None
    """The time at which the team continues without a person."""
    deadline_note: str = ""
    """The effect of the deadline in a few words: "then wait counts"."""
    actions: tuple[EntryAction, ...] = ()
    version: str = ""
    is_critical: bool = False
    address: str = ""
    """The address of the page about the need; empty if that is the page of its entry."""
    replaces: tuple[str, str] | None = None
    """The kind and id of the need that this need replaces, so that a page does not show both."""


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One line of a list. ``cells`` are in the order of the source's columns."""

    id: str
    title: str
    state: EntryState
    evidence: Text
    at: datetime
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """An event that has happened, or the next event (``is_future``). ``at`` is None if the time is unknown."""

    at: datetime | None
    text: Text
    state: EntryState
    is_future: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything about one thing, such as an incident. ``facts`` and ``texts`` are pairs of a label and a text."""

    kind: str
    id: str
    label: str
    title: str
    state: EntryState
    evidence: Text
    since: datetime
    facts: tuple[tuple[str, str], ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    timeline: tuple[TimelineEvent, ...] = ()
    """The events, oldest first. Future events are at the end."""
    links: tuple[tuple[str, str], ...] = ()
    """Labels and addresses of related pages, such as the page of a decision."""
    actions: tuple[EntryAction, ...] = ()
    version: str = ""
    conversation: str | None = None
    """The id of its messages' conversation."""


class EntrySource(Protocol):
    """All entries of one kind. Its functions only read, except ``act()``. They run in any thread, and raise the hub's
    errors.
    """

    @property
    def kind(self) -> str:
        """A word for programs, such as "incident"."""

    @property
    def title(self) -> str:
        """The heading of its list, such as "Incidents"; empty if it has only needs and no list."""

    @property
    def address(self) -> str:
        """The address of its list: "/incidents"; an entry is at "/incidents/14"."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The headings of the cells of its rows."""

    @property
    def filters(self) -> Mapping[str, tuple[str, ...]]:
        """The values of each filter by its name in an address; the first value is the default. A filter without values,
        such as ``words``, is a text that a person types.
        """

    def needs(self, hub: MessageHub, now: datetime) -> Sequence[Need]:
        """Return the needs of this source, in any order."""

    def count_open(self, hub: MessageHub) -> int:
        """Return the number of open entries, for the navigation."""

    def rows(
        self, hub: MessageHub, filters: Mapping[str, str], before: str | None, limit: int, now: datetime
    ) -> Sequence[EntryRow]:
        """Return the newest entries, or the newest of those before the id ``before``."""

    def entry(self, hub: MessageHub, entry_id: str, now: datetime) -> Entry | None:
        """Return the entry, or None."""

    def act(self, hub: MessageHub, entry_id: str, action: str, version: str, person: str, text: str) -> str:
        """Perform the action as a person, and return the outcome as a sentence. ``version`` is the version that was
        shown.

        ``person`` is the name of a console, such as ``console-ann``. This may take some seconds. Raise CallerError if
        the action is impossible, or if another person has changed the entry meanwhile: "ben has acknowledged it".
        """


def sort_needs(needs: Sequence[Need]) -> list[Need]:
    """Return the needs in reading order: critical needs first, then by the next deadline, then by age. Leave out needs
    that another need replaces.
    """
    never, replaced = datetime.max.replace(tzinfo=UTC), {each.replaces for each in needs}
    shown = (each for each in needs if (each.kind, each.id) not in replaced)
    return sorted(shown, key=lambda each: (not each.is_critical, each.deadline or never, each.since))


def has_words(words: str, *texts: str) -> bool:
    """Return whether the texts contain all of these words. Ignore case."""
    text = "\n".join(texts).casefold()
    return all(word in text for word in words.casefold().split())


def take_matching(
    read: Callable[[int | None], Sequence[T]], id_of: Callable[[T], int], fits: Callable[[T], bool], before: int | None
) -> Iterator[T]:
    """Yield the matching entries, the newest first. ``read`` returns the newest entries before a number."""
    while found := read(before):
        yield from filter(fits, found)
        before = id_of(found[-1])


def parse_number(word: str | None) -> int | None:
    """Parse a part of an address, such as an entry's id. Return None unless it can be the number of a row."""
    return int(word) if word is not None and word.isascii() and word.isdecimal() and len(word) < _MAX_DIGITS else None
