"""Docstrings name what exists, and describe a function as a command."""

import ast
import builtins
import re
from collections.abc import Callable
from functools import cache

from helpers.source_tree import ROOT, nodes_of, teamsup_modules

_RAISES = re.compile(r"\b[Rr]aises? [^.;]*")
_THIRD_PERSON = re.compile(r"(^|[.:;] )(Returns|Raises|Yields) ")
_FRAGMENT = re.compile(r"(How|Of|What|Where|Which|Who|Whose|That|Those|Neither|Nothing)\b")
_ACTORS = re.compile(r"\b([Nn]obody|[Ss]omebody|[Ee]verybody|stands?(?! for\b)|stood|(?:ends?|ended) in order)\b")
_REFERENCES = re.compile(
    r"\b(?:[Ww]e|us|[Oo]urs?|ones|that many|(?:of|with) that (?:name|number|id)|[Ee]mpty: (?:it|they)"
    r"|an? (?:older|newer|earlier|later|new|old) one|the (?:first|last|other|next) one)\b"
    r"|(?:^|[;.,] )(?:None|True|False): "
)
_CLASS_NAME = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b")


@cache
def docstrings() -> list[tuple[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, str, str]]:
    """Return every class and function of teamsup with its place and its docstring."""
    return [
        (node, f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}", ast.get_docstring(node) or "")
        for path in teamsup_modules()
        for node in nodes_of(path)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_an_error_that_a_docstring_says_is_raised_exists() -> None:
    known = set(dir(builtins))
    for path in teamsup_modules():
        for node in nodes_of(path):
            match node:
                case ast.ClassDef(name=name) | ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                    known.add(name)
    unknown = [
        f"{place}: {error}"
        for _node, place, text in docstrings()
        for sentence in _RAISES.findall(text)
        for error in _CLASS_NAME.findall(sentence)
        if error not in known
    ]
    assert unknown == []


def test_a_function_is_described_as_a_command() -> None:
    """Write Return, Raise and Yield, not Returns, Raises and Yields."""
    found = [
        place for node, place, text in docstrings() if not isinstance(node, ast.ClassDef) and _THIRD_PERSON.search(text)
    ]
    assert found == []


def test_a_description_begins_with_its_noun_or_its_verb() -> None:
    """Write "Percent of one core", not "Of one core", and "The result of a copy", not "What a copy did"."""
    assert find_descriptions(_FRAGMENT.match) == []


def test_a_description_names_who_acts_and_where_things_are() -> None:
    """Write "an agent or a person" instead of "somebody", and "is" instead of "stands"."""
    assert find_descriptions(_ACTORS.search) == []


def test_a_description_names_what_it_refers_to() -> None:
    """Write "the hub's agent" instead of "us", "a later message" instead of "a later one", and "this name".

    Write "None if it is unknown" instead of "None: unknown".
    """
    assert find_descriptions(_REFERENCES.search) == []


def find_descriptions(is_hard: Callable[[str], re.Match[str] | None]) -> list[str]:
    """Return the docstrings, also those of attributes and constants, in which words of ours match."""
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}: {found[0]!r}: {text}"
        for path in teamsup_modules()
        for node in nodes_of(path)
        if isinstance(node, ast.Expr) and isinstance(text := getattr(node.value, "value", None), str)
        if (found := is_hard(re.sub(r"``?[^`]*``?", "CODE", text)))
    ]
