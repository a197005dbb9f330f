"""What the tests of names share: the modules of teamsup, and the words of a name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOTS = ("hub", "supervisor", "workers")


def parse_modules() -> Iterator[tuple[Path, ast.Module]]:
    """Yield each module of teamsup with its tree."""
    for root in ROOTS:
        for path in sorted((ROOT / root / "teamsup").rglob("*.py")):
            yield path, ast.parse(path.read_text("utf-8"))


def words_of(name: str) -> list[str]:
    """Return the words of a name, as of HTTPServer or http_server, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)]
