"""What nobody calls is removed: neither a test nor a table keeps a function, a method or a class alive."""

import ast
import re
from collections.abc import Iterable, Iterator

import pytest

from helpers.import_graph import modules
from helpers.source_tree import ROOT, nodes_in, nodes_of

# The names that a library calls, and why another name is not called from teamsup.
CALLED_FROM_OUTSIDE = {
    "pipe_data_received": "asyncio's SubprocessProtocol",
    "process_exited": "asyncio's SubprocessProtocol",
    "get_completions": "prompt_toolkit's Completer",
    "handle_error": "socketserver",
    "do_GET": "http.server",
    "log_message": "http.server",
    "before_identify_hook": "discord.py's Client",
    "all_commands": "the scripts of docs/ write the man page with it",
}


def test_every_name_has_a_user_beside_its_tests() -> None:
    users = {name for path in modules().values() for name in used_names(nodes_of(path))}
    users |= {name for path in ROOT.glob("workers/**/*.html") for name in re.findall(r"\w+", path.read_text("utf-8"))}
    dead = {
        name: f"{module}:{line}"
        for module, path in modules().items()
        for line, name in defined_names(nodes_of(path))
        if name not in users
    }
    assert {name: place for name, place in dead.items() if name not in CALLED_FROM_OUTSIDE} == {}
    assert CALLED_FROM_OUTSIDE.keys() - dead.keys() == set()


@pytest.mark.parametrize(
    ("source", "dead"),
    [
        ("def f(): pass", ["f"]),
        ("def f(): pass\nf()", []),
        ("class A:\n    def g(self): pass\nA()", ["g"]),
        ("def f(): pass\nCHECK = 'teamsup.x:f'", []),
        ("def f(): pass\n'''It calls f.'''", ["f"]),
        ("def __getattr__(name): pass", []),
        ("class A:\n    def g(self): pass\nA().g = 1", ["g"]),
    ],
)
def test_a_dead_name_is_found(source: str, dead: list[str]) -> None:
    users = set(used_names(nodes_in(source)))
    assert [name for _line, name in defined_names(nodes_in(source)) if name not in users] == dead


def defined_names(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield the functions, methods and classes of a module, each with its line."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("__"):
            yield node.lineno, node.name


def used_names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that a module reads, and those in its texts: ``getattr`` and entry points take them so."""
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()):
                yield name
            case ast.Constant(value=str(text)) if re.fullmatch(r"[\w.]*:?\w+", text):
                yield text.rpartition(":")[2]
