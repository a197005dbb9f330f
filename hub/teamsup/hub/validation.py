"""Check arguments, and quote at most a line or two of them in a refusal."""

import math
from collections.abc import Sequence

from .errors import InvalidDuration, InvalidValue

MAX_QUOTED_CHARACTERS = 200
MAX_LISTED_NAMES = 20
MAX_SECONDS = 10 * 365 * 86400.0
_MAX_INTEGER = 2**63 - 1  # the integers that SQLite can store


def quote(value: object) -> str:
    """Return the value as Python code, cut if it is long."""
    try:
        text = repr(value[:MAX_QUOTED_CHARACTERS] if isinstance(value, str | bytes) else value)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= MAX_QUOTED_CHARACTERS else text[: MAX_QUOTED_CHARACTERS - 1] + "…"


def list_names(names: Sequence[str]) -> str:
    """Return the first names, and the number of the other names."""
    more = [f"…and {len(names) - MAX_LISTED_NAMES} more"] if len(names) > MAX_LISTED_NAMES else []
    return ", ".join([*(name[:64] for name in names[:MAX_LISTED_NAMES]), *more])


def find_similar(name: str, known: Sequence[str]) -> str:
    """Return the most similar known name, or an empty text."""
    try:
        import difflib  # only a mistyped name needs it

        return next(iter(difflib.get_close_matches(name, known, 1)), "")
    except (OSError, ImportError):  # the process has no descriptor left
        return ""


def describe_similar(name: str, known: Sequence[str]) -> str:
    """Return " Did you mean 'lead'?", or nothing if no known name is similar."""
    similar = find_similar(name, known)
    return f" Did you mean {similar!r}?" if similar else ""


def check_text(name: str, value: object) -> str:
    """Raise InvalidValue unless the value is text that can be stored."""
    if not isinstance(value, str):
        raise InvalidValue(f"{name} must be text, not {type(value).__name__}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidValue(f"{name} has a lone surrogate, half of a character: {quote(value)}.") from None
    return value


def check_count(name: str, value: object, *, least: int = 0) -> int:
    """Raise InvalidValue unless the value is a whole number that can be stored."""
    if not isinstance(value, int) or not least <= value <= _MAX_INTEGER:
        raise InvalidValue(f"{name} must be a whole number from {least} on, not {quote(value)}.")
    return value


def check_type(name: str, value: object, wanted: type) -> None:
    """Raise InvalidValue unless the value is an object of this type."""
    if not isinstance(value, wanted):
        raise InvalidValue(f"{name} must be a {wanted.__name__}, not {type(value).__name__}.")


def check_seconds(name: str, seconds: object, *, least: float = 0.001, most: float = MAX_SECONDS) -> None:
    """Raise InvalidDuration unless the value is a number of seconds from ``least`` to ten years."""
    if not isinstance(seconds, int | float) or not least <= seconds <= most:
        raise InvalidDuration(
            f"{name} is {quote(seconds)}; it must be a number of seconds above zero, ten years at most."
        )


def check_timeout(seconds: object) -> None:
    """Raise InvalidDuration unless the value is a number of seconds. A negative timeout has already ended, and an
    infinite timeout never ends.
    """
    if not isinstance(seconds, int | float) or math.isnan(seconds):
        raise InvalidDuration(f"timeout is {quote(seconds)}; it must be a number of seconds.")
