"""What each module of teamsup imports of teamsup."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from helpers.source_tree import ROOT, nodes_of, teamsup_modules


@cache
def modules() -> dict[str, Path]:
    """Return the file of every module of teamsup by its dotted name."""
    found = {}
    for path in teamsup_modules():
        parts = path.relative_to(ROOT).with_suffix("").parts[1:]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def graph() -> dict[str, frozenset[str]]:
    """Return what each module imports."""
    return {name: frozenset(set(imports_of(name)) - {name}) for name in modules()}


def imports_of(name: str) -> Iterator[str]:
    """Yield the modules of teamsup that this one imports, also lazily and for types alone."""
    path = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            origin = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                target = f"{origin}.{alias.name}"
                if target in modules():
                    yield target
                elif origin in modules():
                    yield origin


def modules_named_in(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the modules of teamsup whose dotted names stand in texts, also before a colon or an unknown part."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            named = re.fullmatch(r"(teamsup(?:\.\w+)+)(?::\w+|\.)?", node.value)
            if named is not None and named[1] in modules():
                yield named[1]
