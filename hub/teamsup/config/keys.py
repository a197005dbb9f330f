"""The keys of a section: the fields of its dataclass. The annotation of a field adds facts that its type cannot
express.

The docstring below a field is the meaning of the key. The checks, the JSON Schema, the reference and the file of
``teamsup init`` are all made from these.
"""

import re
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, get_args, get_origin, get_type_hints

_DAY = 86400


@dataclass(frozen=True, slots=True)
class Number:
    """The unit and the range of a number, or of each number in a list."""

    unit: str
    """The name of the unit in the plural, such as "seconds"."""
    least: float
    most: float
    is_above: bool = False
    """Whether the number must be above ``least``."""
    or_zero: bool = False
    """Whether 0 is allowed too."""

    def check(self, value: float) -> None:
        """Raise ValueError for a number out of the range. The error is the end of a sentence that begins with the key's
        name.
        """
        is_low = value <= self.least if self.is_above else value < self.least
        if (is_low or value > self.most) and not (self.or_zero and value == 0):
            raise ValueError(f"must be {self.range}")

    @property
    def range(self) -> str:
        """The range in words, such as "from 1 to 100"."""
        low, high = _write_number(self.least), _write_number(self.most)
        words = f"above {low} and at most {high}" if self.is_above else f"from {low} to {high}"
        words = f"0, or {words}" if self.or_zero else words
        days = self.most / _DAY
        if self.unit != "seconds" or days < 1:
            return words
        length = {1.0: "a day", 365.0: "a year"}.get(days, f"{days:g} days")
        return f"{words}, which is {length}"


@dataclass(frozen=True, slots=True)
class TextPattern:
    """The form of a text: a regular expression for the whole text, and a description for people."""

    pattern: str
    """A pattern that is valid in Python and in JavaScript, because the JSON Schema contains it."""
    words: str
    """The form in words: a size such as "500 MiB"."""

    def check(self, value: str) -> None:
        """Raise ValueError for a text of another form. The error is the end of a sentence that begins with the key's
        name.
        """
        if not re.fullmatch(self.pattern, value):
            raise ValueError(f"must be {self.words}, not {value!r}")


# The next two are plain classes. Dataclasses would cost time in each process that reads a section.
class Example(str):
    """A value in the syntax of TOML, for a key whose default is not a good example."""

    __slots__ = ()


class SecretValues:
    """The mark of a table whose values are secrets: no command shows them."""


UP_TO_AN_HOUR = Number("seconds", 0, 3600, is_above=True)
UP_TO_A_DAY = Number("seconds", 1, _DAY)
UP_TO_A_WEEK = Number("seconds", 1, 7 * _DAY)
UP_TO_A_MONTH = Number("seconds", 0, 30 * _DAY, is_above=True)
DISCORD_IDS = Number("Discord IDs", 1, 2**63 - 1)
SIZE = TextPattern(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGkmg]?)(?:[iI]?[Bb])?\s*", 'a size such as "500 MiB"')


@dataclass(frozen=True, slots=True)
class SectionKey:
    """One key of a section."""

    name: str
    type: Any
    """Its type without the annotations."""
    default: Any
    """None if the key has no value until a person writes one."""
    is_required: bool = False
    number: Number | None = None
    pattern: TextPattern | None = None
    example: str = ""
    """A value in the syntax of TOML; empty if the default is a good example."""
    is_secret: bool = False
    """Whether its values are secret, so that commands hide them."""

    def check(self, value: Any) -> None:  # noqa: ANN401
        """Check a value of the right type. Raise ValueError, which is the end of a sentence that begins with the key's
        name.
        """
        rule = self.number or self.pattern
        for each in value if isinstance(value, tuple) else () if value is None else (value,):
            if rule is not None:
                rule.check(each)


def keys_of(section: type[Any]) -> dict[str, SectionKey]:
    """Return the keys of a section by name, in the order of its fields."""
    hints = get_type_hints(section, include_extras=True)
    return {key.name: key for key in (_describe(field, hints[field.name]) for field in fields(section))}


def _describe(field: Any, hint: Any) -> SectionKey:  # noqa: ANN401 - a Field and a type
    kind, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    is_required = field.default is MISSING and field.default_factory is MISSING
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return SectionKey(
        field.name,
        kind,
        None if is_required else default,
        is_required,
        number=next((each for each in extras if isinstance(each, Number)), None),
        pattern=next((each for each in extras if isinstance(each, TextPattern)), None),
        example=next((each for each in extras if isinstance(each, Example)), ""),
        is_secret=any(isinstance(each, SecretValues) for each in extras),
    )


def _write_number(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)
