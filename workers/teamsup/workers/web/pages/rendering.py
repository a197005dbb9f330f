"""Render the pages: Jinja templates with escaping, and the formats of ages, times, states and numbers.

An unknown value is a question mark, and a value that does not apply is a dash. 0 is always a counted result.
"""

import functools
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from teamsup.config.entries import Age, Text
from teamsup.terminal.formatting import sanitize

from ..static_files import asset

Form = Literal["ago", "for", "in", "span"]
_CLOCK_SECONDS = 10.0
"""Seconds by which two clocks may differ before a page says that a clock is wrong."""
_FOLDER = Path(__file__).parents[1]
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_A_WEEK = timedelta(days=7)


class Missing(Enum):
    """The reason why a cell does not show a number."""

    UNKNOWN = "?"
    NOT_APPLICABLE = "–"


@functools.cache
def create_environment() -> Environment:
    """Return the environment of all templates."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        {
            "age": _age,
            "clock": _clock,
            "day": _day,
            "iso": to_iso,
            "moment": _moment,
            "money": format_money,
            "plain": sanitize,
            "quoted": functools.partial(quote, safe=""),
            "rich": _rich,
            "size": format_bytes,
            "span": format_span,
            "value": _value,
        }
    )
    environment.globals.update(asset=asset)
    return environment


def render(template: str, now: datetime, **values: Any) -> str:  # noqa: ANN401 - what the template names
    """Return the template with these values."""
    return create_environment().get_template(template).render(values, now=now)


def format_span(seconds: float, units: int = 1) -> str:
    """Return seconds in their largest units: ``18 ms``, ``0.4 s``, ``3 min 38 s`` with two units."""
    if seconds < 0:
        seconds = 0.0
    if 0 < seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if 0 < seconds < 1:
        return f"{seconds:.1f} s"
    rest = int(seconds)
    parts: list[str] = []
    for name, length in _UNITS:
        count, rest = divmod(rest, length)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
        if len(parts) == units:
            break
    return " ".join(filter(None, parts)) or "0 s"


def format_age(moment: datetime, now: datetime, form: Form = "ago", units: int = 1) -> str:
    """Return the age of a time. If a past time is in the future, or the reverse, say so, because a clock
    may be wrong.
    """
    seconds = (now - moment).total_seconds()
    if form == "in":
        return f"in {format_span(-seconds, units)}" if seconds <= 0 else f"{format_span(seconds, units)} late"
    if seconds < -_CLOCK_SECONDS:
        return f"{format_span(-seconds, units)} ahead of the clock"
    if seconds < 1 and form == "ago":
        return "now"
    span = format_span(max(1, int(seconds)), units)
    return {"ago": f"{span} ago", "for": f"for {span}"}.get(form, span)


def format_bytes(count: float) -> str:
    """Return a number of bytes: ``412 MiB``, ``5.1 GiB``."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def format_money(usd: float) -> str:
    return f"${usd:,.2f}"


def format_clock(moment: datetime, now: datetime) -> str:
    """Return a local time of this machine, with the day if it is not today."""
    local, today = moment.astimezone(), now.astimezone()
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%a %H:%M}" if abs(today - local) < _A_WEEK - timedelta(days=1) else f"{local:%Y-%m-%d %H:%M}"


def format_day(moment: datetime, now: datetime) -> str:
    """Return a short time for lists: ``14:21`` today, ``Wed`` in the last week, and the date before that."""
    local, today = moment.astimezone(), now.astimezone()
    if local.date() == today.date():
        return f"{local:%H:%M}"
    return f"{local:%a}" if abs(today - local) < _A_WEEK - timedelta(days=1) else f"{local:%Y-%m-%d}"


def to_iso(moment: datetime) -> str:
    """Return the time for the attribute ``datetime``, in UTC to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _tag(moment: datetime, text: str, *attributes: str) -> Markup:
    local = f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    marks = "".join(f" {each}" for each in attributes)
    return Markup('<time datetime="{}"{} title="{}">{}</time>').format(to_iso(moment), Markup(marks), local, text)  # noqa: S704


@pass_context
def _age(context: Context, moment: datetime | Age, form: Form = "ago", units: int = 1) -> Markup:
    at, shown = (moment.at, moment.form) if isinstance(moment, Age) else (moment, form)
    attributes = (f'data-age="{shown}"', *([f'data-units="{units}"'] if units > 1 else []))
    return _tag(at, format_age(at, context["now"], shown, units), *attributes)


@pass_context
def _clock(context: Context, moment: datetime) -> Markup:
    return _tag(moment, format_clock(moment, context["now"]))


@pass_context
def _day(context: Context, moment: datetime) -> Markup:
    return _tag(moment, format_day(moment, context["now"]))


@pass_context
def _rich(context: Context, text: str | Text) -> Markup:
    """Return a sentence as HTML. Its texts are escaped, and the browser updates its ages."""
    parts = (text,) if isinstance(text, str) else text
    return Markup().join(_age(context, part) if isinstance(part, Age) else escape(sanitize(part)) for part in parts)


def _value(value: object) -> Markup:
    """Return a cell's text: a question mark for an unknown value, a dash for a value that does not apply."""
    if value is Missing.UNKNOWN:
        return Markup('<span class="not-known">?<span class="unseen"> unknown</span></span>')
    if value is Missing.NOT_APPLICABLE:
        return Markup('<span class="none">–<span class="unseen"> does not apply</span></span>')
    return escape(sanitize(str(value)))
