"""Draw docs/architecture.svg from the imports: packages on floors, arrows to what they import. Run `make pictures`."""

import sys
from collections import Counter
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.import_graph import graph, modules

PICTURE = Path(__file__).with_name("architecture.svg")
WIDTH, BOX, HEIGHT, GAP = 1180, 224, 106, 60
STYLE = """
text { font-family: Helvetica, Arial, "DejaVu Sans", sans-serif; font-size: 12px; fill: #24292f }
.name { font-size: 15px; font-weight: bold } rect { fill: #eef4fb; stroke: #4078c0; rx: 6 }
path { stroke: #57606a; fill: none }
"""


def package_of(module: str) -> str:
    """Return the box of a module: its package below teamsup, or the worker that it belongs to."""
    steps = module.split(".")[1:]
    is_worker = steps[0] == "workers" and len(steps) > 1 and (len(steps) > 2 or is_package(module))
    return ".".join(steps[:2]) if is_worker else steps[0]


def is_package(module: str) -> bool:
    """Return whether the module is a folder."""
    return modules()[module].name == "__init__.py"


def arrows() -> Counter[tuple[str, str]]:
    """Return how many imports lead from one package to another."""
    return Counter(
        (package_of(name), package_of(target))
        for name, targets in graph().items()
        for target in targets
        if package_of(name) != package_of(target)
    )


def floors(imports: Counter[tuple[str, str]]) -> dict[str, int]:
    """Return the floor of each package: one above the highest that it imports."""
    packages = {package_of(name) for name in modules()}

    def floor(package: str) -> int:
        return max((floor(to) + 1 for start, to in imports if start == package), default=0)

    return {package: floor(package) for package in packages}


def needed(imports: Counter[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the arrows that no longer path of arrows replaces."""

    def reaches(start: str, end: str) -> bool:
        return any(to == end or reaches(to, end) for begin, to in imports if begin == start)

    return sorted(
        (start, end)
        for start, end in imports
        if not any(reaches(to, end) for begin, to in imports if begin == start and to != end)
    )


def contents(package: str) -> list[str]:
    """Return the folders of a package; of one without folders, its modules."""
    names = [name.removeprefix(f"teamsup.{package}").strip(".") for name in modules() if package_of(name) == package]
    folders = {name.split(".")[0] for name in names if "." in name}
    return sorted(f"{folder}/" for folder in folders) or sorted(name for name in names if name)


def wrap(words: list[str], most: int = 32) -> list[str]:
    """Return the words in lines of at most so many characters."""
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > most:
            lines.append("")
        lines[-1] += f"{word} "
    return lines


def draw() -> str:
    """Return the picture as SVG."""
    imports = arrows()
    levels = floors(imports)
    top = max(levels.values())
    places = {}
    for level in range(top + 1):
        row = sorted(package for package, floor in levels.items() if floor == level)
        for number, package in enumerate(row):
            x = WIDTH * (2 * number + 1) / (2 * len(row)) - BOX / 2
            places[package] = x, 20 + (top - level) * (HEIGHT + GAP)
    parts = []
    for start, end in needed(imports):
        (x1, y1), (x2, y2) = places[start], places[end]
        a, b, c, d = x1 + BOX / 2, y1 + HEIGHT, x2 + BOX / 2, y2 - 6
        middle = (b + d) / 2
        parts.append(f'<path d="M{a:.0f},{b} C{a:.0f},{middle} {c:.0f},{middle} {c:.0f},{d}" marker-end="url(#end)"/>')
    for package, (x, y) in sorted(places.items()):
        texts = [("name", package.replace("workers.", "workers/")), *(("", line) for line in wrap(contents(package)))]
        parts.append(f'<rect x="{x:.0f}" y="{y}" width="{BOX}" height="{HEIGHT}"/>')
        parts += [
            f'<text x="{x + 10:.0f}" y="{y + 24 + 18 * row}" class="{style}">{escape(text.strip())}</text>'
            for row, (style, text) in enumerate(texts)
        ]
    height = 40 + (top + 1) * HEIGHT + top * GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">\n<style>{STYLE}</style>\n'
        '<defs><marker id="end" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" style="fill: #57606a; stroke: none"/></marker></defs>\n'
        f'<rect width="{WIDTH}" height="{height}" style="fill: #fff; stroke: none"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
