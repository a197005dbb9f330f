"""Which message types and keys of metadata the code uses: in calls, comparisons, subscripts and displays."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from helpers.source_tree import nodes_of, teamsup_modules


@cache
def constants_of(path: Path) -> dict[str, str]:
    """Return the texts of the constants of a module, by name."""
    found = {}
    for node in nodes_of(path):
        if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name | ast.Tuple):
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            for name, value in zip(names, values, strict=False):
                if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found[name.id] = value.value
    return found


@cache
def shared_constants() -> dict[str, str]:
    return {name: text for path in teamsup_modules() for name, text in constants_of(path).items() if name.isupper()}


def find_types() -> set[str]:
    """Return the texts with which the code makes or compares a message type."""
    return {text for path in teamsup_modules() for node in _types_in(path) for text in _texts(node, path)}


def find_keys() -> set[str]:
    """Return the keys that the code puts into metadata, or reads there."""
    return {text for path in teamsup_modules() for node in _keys_in(path) for text in _texts(node, path)}


def _types_in(path: Path) -> Iterator[ast.AST]:
    for node in nodes_of(path):
        match node:
            case ast.keyword(arg="message_type", value=value):
                yield value
            case ast.Compare(left=ast.Attribute(attr="message_type"), comparators=values):
                yield from values


def _keys_in(path: Path) -> Iterator[ast.AST]:
    for node in nodes_of(path):
        match node:
            case ast.keyword(arg="metadata", value=ast.Dict(keys=keys)):
                yield from (key for key in keys if key is not None)
            case ast.Subscript(value=ast.Attribute(attr="metadata"), slice=key):
                yield key
            case ast.Call(func=ast.Attribute(attr="get", value=ast.Attribute(attr="metadata")), args=[key, *_]):
                yield key


def _texts(node: ast.AST, path: Path) -> Iterator[str]:
    """Yield the texts of a node: its own, or those of the constants that it names."""
    for each in node.elts if isinstance(node, ast.Tuple | ast.Set) else [node]:
        match each:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Name(id=name) | ast.Attribute(attr=name):
                if known := constants_of(path).get(name) or shared_constants().get(name):
                    yield known
