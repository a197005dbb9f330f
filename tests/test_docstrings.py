"""Docstrings name what exists, and describe a function as a command."""

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOTS = ("hub", "supervisor", "workers")
_RAISES = re.compile(r"\b[Rr]aises? [^.;]*")
_THIRD_PERSON = re.compile(r"(^|[.:;] )(Returns|Raises|Yields) ")
_CLASS_NAME = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b")


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
