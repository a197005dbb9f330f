"""The structure: which package may import which, no circle, small folders, one class a name, no injection."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOTS = ("hub", "supervisor", "workers")

# Each package with what it may import beside itself, from the ground floor up.
FLOORS = {
    "hub": set(),
    "config": {"hub"},
    "terminal": {"hub", "config"},
    "claude_code": {"hub", "config", "terminal"},
    "supervisor": {"hub", "config", "terminal"},
    "workers": {"hub", "config", "terminal", "claude_code"},
    "cli": {"hub", "config", "terminal", "claude_code", "supervisor"},
}
# One worker knows no other; what they share stands directly in workers.
WORKERS = ("gateway", "user_comm", "monitor_bridge", "agent_runner")
MODULES_A_FOLDER = 14
LINES_A_MODULE = 350


@cache
def modules() -> dict[str, tuple[Path, ast.Module]]:
    """Return every module of teamsup by its dotted name, with its file and its tree."""
    found = {}
    for root in ROOTS:
        for path in sorted((ROOT / root / "teamsup").rglob("*.py")):
            parts = path.relative_to(ROOT / root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = path, ast.parse(path.read_text())
    return found


def imports_of(name: str) -> Iterator[str]:
    """Yield the modules of teamsup that this one imports, also lazily and for types alone."""
    path, tree = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
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


@cache
def graph() -> dict[str, frozenset[str]]:
    """Return what each module imports."""
    return {name: frozenset(set(imports_of(name)) - {name}) for name in modules()}


def floor(name: str) -> str:
    """Return the package of teamsup that a module is in."""
    return name.split(".")[1]


def test_imports_point_downwards() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, targets in graph().items()
        for target in sorted(targets)
        if floor(target) != floor(name) and floor(target) not in FLOORS[floor(name)]
    ]
    assert wrong == []


def test_a_worker_knows_no_other() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, targets in graph().items()
        for target in sorted(targets)
        for one, other in combinations(WORKERS, 2)
        if {part(name), part(target)} == {one, other}
    ]
    assert wrong == []


def part(name: str) -> str:
    """Return the worker that a module belongs to; empty for any other."""
    steps = name.split(".")
    return steps[2] if floor(name) == "workers" and len(steps) > 2 else ""


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert [sorted(circle) for circle in circles()] == []


def circles() -> list[set[str]]:
    """Return the sets of modules that reach each other by imports."""
    reach: dict[str, set[str]] = {}
    for name in graph():
        seen: set[str] = set()
        todo = list(graph()[name])
        while todo:
            step = todo.pop()
            if step not in seen:
                seen.add(step)
                todo += graph()[step]
        reach[name] = seen
    rings = {frozenset({name} | {other for other in reach[name] if name in reach[other]}) for name in graph()}
    return [set(ring) for ring in rings if len(ring) > 1]


@pytest.mark.parametrize("root", ROOTS)
def test_a_folder_can_be_seen_at_a_glance(root: str) -> None:
    large = {}
    for folder in (ROOT / root / "teamsup").rglob("*"):
        if folder.is_dir() and folder.name not in ("commands", "schema", "__pycache__"):
            entries = [x for x in folder.iterdir() if x.name != "schema" and not x.name.startswith("__")]
            inside = [x for x in entries if x.is_dir() or x.suffix == ".py"]
            if len(inside) > MODULES_A_FOLDER:
                large[folder.relative_to(ROOT).as_posix()] = len(inside)
    assert large == {}


def test_a_module_can_be_read_at_once() -> None:
    sizes = {name: path.read_text().count("\n") for name, (path, _tree) in modules().items()}
    assert {name: lines for name, lines in sizes.items() if lines > LINES_A_MODULE} == {}


def test_no_two_public_classes_share_a_name() -> None:
    homes = defaultdict(list)
    for name, (_path, tree) in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name)
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_nothing_is_injected_by_assigning_to_the_attributes_of_another_object() -> None:
    """An object gets what it needs when it is made; `self.other.attribute = …` hides an arrow from every reader."""
    wrong = [
        f"{name}:{node.lineno}: {ast.unparse(target)} = {ast.unparse(node.value)}"
        for name, (_path, tree) in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_callable(node.value)
        for target in node.targets
        if isinstance(target, ast.Attribute) and _is_member_of_self(target.value)
    ]
    assert wrong == []


def _is_member_of_self(value: ast.expr) -> bool:
    return isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name) and value.value.id == "self"


def _is_callable(value: ast.expr) -> bool:
    is_member = isinstance(value, ast.Attribute) and isinstance(value.value, (ast.Name, ast.Attribute))
    return is_member or isinstance(value, ast.Lambda)
