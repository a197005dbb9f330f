"""Every section of teamsup.toml with its keys and their meanings, read from the dataclasses of the sections."""

import ast
import functools
import inspect
import itertools
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, Literal, get_args, get_origin

from teamsup.config.components import installed_components
from teamsup.config.keys import SectionKey, keys_of
from teamsup.config.loader import choices_of
from teamsup.config.sections import MetricsSection, TeamSection, WorkerSection

_OWN: tuple[tuple[str, type[Any], bool], ...] = (
    ("team", TeamSection, False),
    ("worker", WorkerSection, True),
    ("metrics", MetricsSection, False),
)
_TYPE_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "`true` or `false`"}


@dataclass(frozen=True, slots=True)
class DescribedKey:
    """A key with its meaning."""

    key: SectionKey
    meaning: str
    """Sentences for people; empty if there are none."""
    table: "DescribedSection | None" = None
    """The keys of its value, if the value is a table of keys."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed texts of its value, or of each entry; empty if any text is allowed."""
        return next((get_args(kind) for kind in _leaves(self.key.type) if get_origin(kind) is Literal), ())

    @property
    def unit(self) -> str:
        """The unit of a number; empty for any other type."""
        return self.key.number.unit if self.key.number else ""

    @property
    def range(self) -> str:
        """The allowed values, in words."""
        if self.table is not None:
            return f"a table: {self.table.title}"
        if self.key.number:
            words = self.key.number.range
        elif self.choices:
            words = ", ".join(f'`"{choice}"`' for choice in self.choices)
        else:
            words = self.key.pattern.words if self.key.pattern else _TYPE_WORDS[next(_leaves(self.key.type))]
        kind = choices_of(self.key.type)[0]
        if get_origin(kind) is tuple:
            return f"a list, each {words}" + (", or one text" if str in choices_of(self.key.type) else "")
        return words if get_origin(kind) in (None, Literal) else f"a table, each value {words}"


@dataclass(frozen=True, slots=True)
class DescribedSection:
    """A section with its keys."""

    name: str
    """The name, such as "team", or "worker" for [worker.NAME]."""
    title: str
    """The title, such as "[worker.NAME]"."""
    kind: type[Any]
    text: str
    """Its purpose."""
    is_group: bool
    keys: tuple[DescribedKey, ...]


@functools.cache
def describe_sections() -> tuple[DescribedSection, ...]:
    """Return the sections of the team and of all components that can be loaded."""
    found = [*_OWN]
    for component in installed_components().values():
        if component.section is not None:
            found.append((component.name, component.section, False))
        found += [(name, kind, True) for name, kind in component.groups.items()]
    return tuple(
        _describe(name, f"[{name}.NAME]" if is_group else f"[{name}]", kind, is_group) for name, kind, is_group in found
    )


def write_toml(value: object) -> str:
    """Return a value of teamsup.toml in the syntax of TOML, in one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value == int(value):
            return str(int(value))
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(map(write_toml, value))}]"
        case Mapping():
            pairs = (f"{_write_key(str(name))} = {write_toml(each)}" for name, each in value.items())
            return f"{{ {', '.join(pairs)} }}" if value else "{}"
    return str(value)


def _write_key(name: str) -> str:
    return name if name.isascii() and name.replace("-", "").replace("_", "").isalnum() else write_toml(name)


def _describe(name: str, title: str, kind: type[Any], is_group: bool = False) -> DescribedSection:
    text = " ".join((kind.__doc__ or "").split()).partition(": ")[2]
    meanings = _read_meanings(kind)
    keys = [
        DescribedKey(key, meanings.get(key.name, ""), _describe_table(f"{title} {key.name}", key.type))
        for key in keys_of(kind).values()
    ]
    return DescribedSection(name, title, kind, text[:1].upper() + text[1:], is_group, tuple(keys))


def _describe_table(title: str, kind: Any) -> DescribedSection | None:  # noqa: ANN401 - a type
    table = choices_of(kind)[0]
    return _describe(title, title, table) if isinstance(table, type) and is_dataclass(table) else None


def _read_meanings(kind: type[Any]) -> dict[str, str]:
    """Return the docstrings below the fields of a dataclass; empty if its source is missing."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__[:-1]):
        body = _read_classes(each.__module__).get(each.__qualname__, [])
        for field, below in itertools.pairwise(body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = " ".join(text.split())
    return found


@functools.cache
def _read_classes(module: str) -> dict[str, list[ast.stmt]]:
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError, SyntaxError):
        return {}
    return {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}


def _leaves(kind: Any) -> Iterator[Any]:  # noqa: ANN401 - types
    """Yield the types of the values themselves, or of the entries of a list or a table."""
    for each in choices_of(kind):
        origin = get_origin(each)
        if origin is tuple:
            yield get_args(each)[0]
        elif origin is None or origin is Literal:
            yield each
        else:
            yield get_args(each)[1]
