"""A retired word is not a part of a name, also not of a local variable or a parameter: one word for one thing."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache

import pytest

from helpers.source_tree import ROOT, nodes_in, nodes_of, teamsup_modules
from helpers.vocabulary import words_of

RETIRED_WORDS = {
    "anew": "forced, or a name for what happens",
    "asking": "call",
    "begun": "started, first_sent, waiting_since",
    "crew": "processes",
    "dressed": "fields",
    "flood": "storm",
    "heard": "inbound, received",
    "news": "announcement, notice, text",
    "patience": "timeout, or seconds of what",
    "piece": "chunk, part",
    "place": "channel, recipient, position, address",
    "plainly": "required",
    "rung": "reminded",
    "spot": "target",
    "standing": "state, status",
    "stranger": "unknown_user, unknown",
    "tell": "notify, report",
    "thing": "subject, event",
    "told": "notified, reported",
}
"""Each with the word of today."""
EXCEPTIONS = {"is_notified"}
"""Names that stay: a sender who waits learns it, which is not yet a notification."""


def test_no_name_is_built_of_a_retired_word() -> None:
    """Take the word of today, or a better one of docs/glossary.md."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}: instead of {word!r} take {RETIRED_WORDS[word]}"
        for path in teamsup_modules()
        for line, name in names_in(nodes_of(path))
        if name not in EXCEPTIONS
        for word in retired_in(name)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def tell_sender(): ...", ["tell"]),
        ("class Strangers: ...", ["stranger"]),
        ("def send(piece, *, was_told=False): ...", ["piece", "told"]),
        ("async def f():\n async for place in g():\n  self.news = 1", ["place", "news"]),
        ("match x:\n case Edited(heard):\n  pass", ["heard"]),
        ("f(told=1); replaced = d['told']", []),
    ],
)
def test_a_retired_word_is_found_where_a_name_is_made(source: str, words: list[str]) -> None:
    assert [word for _, name in names_in(nodes_in(source)) for word in retired_in(name)] == words


def names_in(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield the names that a module makes, with their lines: classes, functions, parameters, variables, attributes."""
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.ExceptHandler(name=str(name)):
                yield node.lineno, name


@cache
def retired_in(name: str) -> list[str]:
    """Return the retired words of which a name is built, also in the plural."""
    return [word for each in words_of(name) for word in RETIRED_WORDS if each in (word, f"{word}s")]
