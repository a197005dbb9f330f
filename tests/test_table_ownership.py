"""A table has one owner: the hub's are named in SQL inside the hub alone, a component's in one module of it."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HUB = ROOT / "hub" / "teamsup" / "hub"
WORKERS = ROOT / "workers" / "teamsup" / "workers"
COMPONENTS = ("gateway", "user_comm", "monitor_bridge", "agent_runner")
# What a component hands to the hub for its maintenance names the tables once more.
DESCRIPTION = "component.py"
_STATEMENT = re.compile(
    r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|JOIN)\b|\b(select|insert|update|delete) .*(from|into|set) "
)
_NAMED = re.compile(
    r'\b(?:FROM|JOIN|INTO|UPDATE(?:\s+OR\s+\w+)?|TABLE|DELETE\s+ON|INSERT\s+ON)\s+(?:main\.|live\.)?"?(\w+)|,\s*(\w+)\s+AS\s',
    re.IGNORECASE,
)
_CREATED = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)")


def made_by(script: Path) -> set[str]:
    """Return the tables that a script makes."""
    return set(_CREATED.findall(script.read_text("utf-8")))


def tables_of_hub() -> set[str]:
    return made_by(HUB / "engines" / "sqlite" / "schema" / "baseline.sql")


def tables_of(component: str) -> set[str]:
    return {table for script in (WORKERS / component / "schema").glob("*.sql") for table in made_by(script)}


def test_the_scripts_of_a_component_name_its_own_tables_alone() -> None:
    foreign = {
        f"{component}: {table}"
        for component in COMPONENTS
        for script in (WORKERS / component / "schema").glob("*.sql")
        for match in _NAMED.finditer(re.sub(r"--.*", "", script.read_text("utf-8")))
        if (table := match[1] or match[2]).upper() != "IF" and table not in tables_of(component)
    }
    assert foreign == set()


@cache
def modules_naming() -> dict[str, set[Path]]:
    """Return the modules whose SQL names a table, by table."""
    found: dict[str, set[Path]] = defaultdict(set)
    for root in ("hub", "supervisor", "workers"):
        for path in (ROOT / root / "teamsup").rglob("*.py"):
            for sql in statements_in(path):
                for match in _NAMED.finditer(sql):
                    found[match[1] or match[2]].add(path)
    return found


def statements_in(path: Path) -> Iterator[str]:
    """Yield the texts of a module that look like SQL; docstrings do not count."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in docstrings else None
        if isinstance(text, str) and _STATEMENT.search(text):
            yield text


def test_sql_is_found() -> None:
    assert HUB / "tables" / "deliveries.py" in modules_naming()["deliveries"]
    assert {"messages", "deliveries", "agent_status"} <= tables_of_hub()
    assert all(len(tables_of(component)) >= 4 for component in COMPONENTS)


def test_the_tables_of_the_hub_are_named_inside_the_hub_alone() -> None:
    outside = {
        path.relative_to(ROOT).as_posix()
        for table in tables_of_hub()
        for path in modules_naming()[table]
        if not path.is_relative_to(HUB)
    }
    assert outside == set()


def test_the_hub_names_no_table_of_a_component() -> None:
    theirs = {table for component in COMPONENTS for table in tables_of(component)}
    assert {table for table in theirs for path in modules_naming()[table] if path.is_relative_to(HUB)} == set()


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_table_of_a_component_is_named_in_one_module_of_it(component: str) -> None:
    several = {}
    for table in sorted(tables_of(component)):
        owners = [path for path in modules_naming()[table] if path.name != DESCRIPTION]
        if len(owners) != 1 or not owners[0].is_relative_to(WORKERS / component):
            several[table] = sorted(path.relative_to(WORKERS).as_posix() for path in owners)
    assert several == {}
