"""Async code is tested by async tests, which anyio's plugin runs; no test has an event loop of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
EVENT_LOOPS = {("asyncio", "run"), ("anyio", "run"), ("asyncio", "Runner"), ("asyncio", "new_event_loop")}


def own_event_loops(module: str) -> list[str]:
    """Return each function of a module that runs an event loop in its body, with its line."""
    if not any(f"{library}.{name}" in module for library, name in EVENT_LOOPS):
        return []
    functions = (node for node in ast.walk(ast.parse(module)) if isinstance(node, ast.FunctionDef))
    return [f"{function.lineno}: {function.name}" for function in functions if any(loops_of(function))]


def loops_of(function: ast.FunctionDef) -> Iterator[bool]:
    """Yield whether each call in a function's body runs an event loop; its decorators are not looked at."""
    for statement in function.body:
        for node in ast.walk(statement):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)):
                    yield (module, name) in EVENT_LOOPS


def test_no_test_runs_an_event_loop() -> None:
    modules = {path.relative_to(TESTS).as_posix(): path.read_text("utf-8") for path in TESTS.rglob("test_*.py")}
    found = {name: loops for name, module in modules.items() if (loops := own_event_loops(module))}
    assert found == {}, "Write `async def test_…` and await it there."


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("    async def use():\n        await wait()\n    asyncio.run(use())", ["1: test_it"]),
        ("    assert anyio.run(use) == 1", ["1: test_it"]),
        ("    async def handler():\n        pass\n    serve(handler)", []),
    ],
)
def test_an_event_loop_in_a_test_is_found(body: str, found: list[str]) -> None:
    assert own_event_loops(f"def test_it():\n{body}\n") == found
