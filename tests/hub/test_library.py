"""The hub is a library: it knows no worker, none of their tables and none of their message types."""

import ast
import re
from collections.abc import Iterable, Iterator

from helpers.source_tree import ROOT, nodes_of

HUB = ROOT / "hub" / "teamsup" / "hub"
WORKERS_WORDS = re.compile(
    r"user_comm|gateway|discord|monitor|opinion|decision|incident|relay|alert|webhook|agent[_-]runner|browser|\bweb\b",
    re.IGNORECASE,
)
# Names of migrations. They are a record, and also changed the tables of workers when these were the hub's.
NUMBERED_SCRIPT = re.compile(r"\d+-[\w-]+\.sql")


def test_no_name_and_no_text_of_the_hub_is_about_a_worker() -> None:
    found = [
        f"{path.relative_to(HUB)}:{line}: {text[:60]!r}"
        for path in sorted(HUB.rglob("*.py"))
        for line, text in words_of(nodes_of(path))
        if WORKERS_WORDS.search(text) and not NUMBERED_SCRIPT.fullmatch(text)
    ]
    assert found == []


def test_no_table_or_trigger_of_a_new_database_is_about_a_worker() -> None:
    schema = HUB / "engines" / "sqlite" / "schema"
    scripts = [path for path in schema.glob("*.sql") if not NUMBERED_SCRIPT.fullmatch(path.name)]
    assert scripts
    assert [path.name for path in scripts if WORKERS_WORDS.search(path.read_text("utf-8"))] == []


def test_the_class_shows_its_eight_verbs_first() -> None:
    """What only workers need comes after them. The rest stands apart, in ``queries`` and ``maintenance``."""
    (hub,) = (node for node in nodes_of(HUB / "message_hub.py") if isinstance(node, ast.ClassDef))
    methods = [
        node.name
        for node in hub.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not is_property(node)
    ]
    assert methods[:8] == ["send", "ask", "reply", "broadcast", "claim", "listen", "acknowledge", "release"]


def is_property(function: ast.FunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in function.decorator_list)


def words_of(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield the texts and the names of a module, each with its line."""
    for node in nodes:
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield line, node.value
        elif isinstance(node, ast.Name | ast.alias):
            yield line, node.id if isinstance(node, ast.Name) else node.name
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield line, node.name
        elif isinstance(node, ast.Attribute):
            yield line, node.attr
        elif isinstance(node, ast.arg | ast.keyword):
            yield line, node.arg or ""
