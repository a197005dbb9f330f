"""The modules of teamsup as nodes of ``ast``. A process parses each module once, however many tests read it."""

import ast
import gc
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOTS = ("hub", "supervisor", "workers")


@cache
def teamsup_modules() -> tuple[Path, ...]:
    """Return the files of all modules of teamsup."""
    return tuple(path for root in ROOTS for path in sorted((ROOT / root / "teamsup").rglob("*.py")))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return the nodes of a module of teamsup, and keep them for the next test."""
    return nodes_in(path.read_text("utf-8"))


def nodes_in(source: str) -> tuple[ast.AST, ...]:
    """Return the nodes of a source, the module first, level by level: those of ``ast.walk`` without ``ctx``."""
    # Nodes refer to each other in no circle. Without this pause, their number would start collections in vain.
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        found: list[ast.AST] = [ast.parse(source)]
        for node in found:  # which grows meanwhile
            for field in node._fields:
                value = None if field == "ctx" else getattr(node, field)
                if isinstance(value, list):
                    found += [each for each in value if isinstance(each, ast.AST)]
                elif isinstance(value, ast.AST):
                    found.append(value)
        return tuple(found)
    finally:
        if is_collecting:
            gc.enable()
