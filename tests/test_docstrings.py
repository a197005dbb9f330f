"""Docstrings name what exists, and describe a function as a command."""

import ast
import builtins
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOTS = ("hub", "supervisor", "workers")
_RAISES = re.compile(r"\b[Rr]aises? [^.;]*")
_THIRD_PERSON = re.compile(r"(^|[.:;] )(Returns|Raises|Yields) ")
_FRAGMENT = re.compile(r"(How|Of|What|Where|Which|Who|Whose|That|Those|Neither|Nothing)\b")
_ACTORS = re.compile(r"\b([Nn]obody|[Ss]omebody|[Ee]verybody|stands?(?! for\b)|stood)\b")
_CLASS_NAME = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b")


@functools.cache
def trees() -> dict[str, ast.Module]:
    """Return every module of teamsup by its path."""
    paths = [path for root in ROOTS for path in (ROOT / root / "teamsup").rglob("*.py")]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in paths}


def docstrings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each docstring with the name of what it describes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, ast.get_docstring(node) or ""


def test_an_error_that_a_docstring_says_is_raised_exists() -> None:
    found = trees()
    known = set(dir(builtins))
    for tree in found.values():
        for node in ast.walk(tree):
            match node:
                case ast.ClassDef(name=name) | ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                    known.add(name)
    unknown = [
        f"{path}: {name}: {error}"
        for path, tree in found.items()
        for name, text in docstrings(tree)
        for sentence in _RAISES.findall(text)
        for error in _CLASS_NAME.findall(sentence)
        if error not in known
    ]
    assert unknown == []


def test_a_function_is_described_as_a_command() -> None:
    """Write Return, Raise and Yield, not Returns, Raises and Yields."""
    found = [
        f"{path}:{node.lineno}: {node.name}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and _THIRD_PERSON.search(ast.get_docstring(node) or "")
    ]
    assert found == []


def test_a_description_begins_with_its_noun_or_its_verb() -> None:
    """Write "Percent of one core", not "Of one core", and "The result of a copy", not "What a copy did"."""
    assert find_descriptions(_FRAGMENT.match) == []


def test_a_description_names_who_acts_and_where_things_are() -> None:
    """Write "an agent or a person" instead of "somebody", and "is" instead of "stands"."""
    assert find_descriptions(_ACTORS.search) == []


def find_descriptions(is_hard: Callable[[str], re.Match[str] | None]) -> list[str]:
    """Return the docstrings, also those of attributes and constants, in which words of ours match."""
    return [
        f"{path}:{node.lineno}: {found[0]!r}: {text}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(text := getattr(node.value, "value", None), str)
        if (found := is_hard(re.sub(r"``?[^`]*``?", "CODE", text)))
    ]
