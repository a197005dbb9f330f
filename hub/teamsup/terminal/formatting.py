"""Format output for people: durations, tables, and foreign text that is safe for terminals and models."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime

from teamsup.hub.models import NOT_CONFIGURED, OFFLINE, Agent, DeliveryState

# Characters that join or style their neighbours stay where writing systems and emoji need them.
_JOINABLE = "\u0600-\u08ff\u0900-\u0dff\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_BRACKET = re.compile("[<\ufe64\uff1c]")
# The flags of England, Scotland and Wales are the only emoji of tags.
_FLAGS = "|".join(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in f"{land}\x7f")
    for land in ("gbeng", "gbsct", "gbwls")
)
_INVISIBLE = (
    f"({_FLAGS})|"
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufff0-\ufffb\ufffe\uffff"  # controls and non-characters
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"  # direction, ends of lines
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u3164\ufeff\uffa0"  # invisible characters
    "\ufe00-\ufe0d\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"  # tags, and other hidden text
    f"|(?<![{_JOINABLE}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINABLE}])"
    "|(?<![#*0-9\u00a9\u00ae\u2030-\u32ff\U0001f000-\U0001faff])[\ufe0e\ufe0f]"
)

_LEAST_LAST_COLUMNS = 24
"""The minimum width of a table's last column. In a narrower terminal each row is wrapped as a paragraph."""


def sanitize(text: str) -> str:
    """Return the text with U+FFFD for invisible characters, which could mislead a terminal or a model.

    These steer a terminal, change the direction of writing, have no width, hide text, or are lone surrogates. Tabs and
    line ends stay.
    """
    if text.isascii() and text.isprintable():
        return text  # most names and labels are ASCII; the search takes ten times as long
    return re.sub(_INVISIBLE, _replace_invisible, text.replace("\r\n", "\n"))


def _replace_invisible(found: re.Match[str]) -> str:
    return found[1] or "\N{REPLACEMENT CHARACTER}"


def strip_tag(text: str, tag: str) -> str:
    """Return the text without anything like the beginning or end of a tag, in any case, width or spacing."""
    if not _BRACKET.search(text):
        return text
    from unicodedata import normalize  # most texts have no bracket

    letters = [
        (position, letter)
        for position, character in enumerate(text)
        for letter in normalize("NFKC", character).casefold()
        if letter.isalnum()
    ]
    positions, folded = [position for position, _ in letters], "".join(letter for _, letter in letters)

    def opened(bracket: re.Match[str]) -> str:
        is_tag = folded.startswith(tag, bisect_right(positions, bracket.start()))
        return "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}" if is_tag else bracket[0]

    return _BRACKET.sub(opened, text)


def to_single_line(text: str, longest: int) -> str:
    """Return the text in one printable line of at most ``longest`` characters."""
    line = sanitize(" ".join(text[: 4 * longest].split()))
    return line if len(line) <= longest else line[: longest - 1] + "…"


def prefix_speaker(name: str, text: str) -> str:
    """Return the text with the speaker's name before it. Later lines cannot look like those of another speaker."""
    first, *others = sanitize(text).split("\n")
    return "\n".join([f"{name}: {first}", *(line and f"  {line}" for line in others)])


def format_duration(seconds: float) -> str:
    """Return seconds in at most two units, the largest first: ``4s``, ``3m 20s``, ``2h 5m``, ``3d 4h``."""
    minutes, s = divmod(max(0, int(seconds)), 60)
    hours, m = divmod(minutes, 60)
    d, h = divmod(hours, 24)
    if d:
        return f"{d}d {h}h"
    if h:
        return f"{h}h {m}m"
    return f"{m}m {s}s" if m else f"{s}s"


def format_age(moment: datetime | None, now: datetime | None = None) -> str:
    """Return the age of a time, in words for people."""
    if moment is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if seconds < -10:
        return f"{format_duration(-seconds)} ahead of the clock"
    return "just now" if seconds < 10 else f"{format_duration(seconds)} ago"


def format_moment(moment: datetime | None) -> str:
    """Return a time in UTC for people, or an empty text if there is none."""
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def format_clock(moment: datetime, now: datetime | None = None) -> str:
    """Return a time in UTC, without the day if it is today's."""
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    in_utc = moment.astimezone(UTC)
    return f"{in_utc:%H:%M:%S} UTC" if in_utc.date() == today else format_moment(moment)


def output_columns() -> int | None:
    """Return the width of the terminal at stdout. Return None if stdout is not a terminal, so that a program may read
    it.
    """
    import shutil
    import sys

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def format_table(rows: Sequence[Sequence[str]], columns: int | None = None) -> list[str]:
    """Return a table's lines: every column as wide as its widest cell, the last unpadded.

    ``columns`` is the width of the terminal. It is None without a terminal; then no line is wrapped.
    """
    return [line for lines in format_rows(rows, columns) for line in lines]


def format_rows(rows: Sequence[Sequence[str]], columns: int | None = None) -> list[list[str]]:
    """Return the lines of each row of a table. In a narrow terminal the last cell of a long line continues below
    itself. If it has too little room for that, each row becomes a paragraph of its cells.
    """
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]
    if columns is None or all(len(line.rstrip()) <= columns for line in lines):
        return [[line] for line in lines]
    start = sum(width + 2 for width in widths)
    if columns - start < _LEAST_LAST_COLUMNS:
        return [_wrap("  ".join(filter(None, row)), columns, " " * 4) for row in rows]
    parts = [_wrap(line[start:], columns - start) or [""] for line in lines]
    return [
        [line[:start] + first, *(" " * start + part for part in others)]
        for line, (first, *others) in zip(lines, parts, strict=True)
    ]


def _wrap(text: str, columns: int, indent: str = "") -> list[str]:
    import textwrap  # most tables fit

    # Options and links stay whole.
    return textwrap.wrap(text, columns, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def describe_delivery(state: DeliveryState) -> str:
    """Return the state of a message for one recipient, with the times when it was stored, offered, read and ended."""
    facts = {"stored": state.stored_at, "offered": state.offered_at, "read": state.read_at, "ended": state.done_at}
    return ", ".join(f"{fact} {format_age(moment)}" for fact, moment in facts.items() if moment is not None)


def describe_presence(agent: Agent, now: datetime) -> str:
    """Return an agent's presence: its own status, or the age of its last heartbeat."""
    if agent.is_present(now) or agent.status == NOT_CONFIGURED:
        since = agent.degraded_since
        return agent.status if since is None else f"{agent.status} for {format_duration((now - since).total_seconds())}"
    if agent.last_heartbeat is None:
        return f"{OFFLINE}, never here yet"
    last = f"last seen {format_age(agent.last_heartbeat, now)}"
    if agent.status == OFFLINE or agent.is_watched:
        last = f"{OFFLINE if agent.status == OFFLINE else 'silent'}, {last}"
    return f"{last}, degraded then" if agent.degraded else last
