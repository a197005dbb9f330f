"""Draw docs/soak.svg from the JSON of a run: messages a minute, memory, and every fault of the chaos.

make soak MINUTES=60 JSON=soak.json
.venv/bin/python docs/draw_soak.py soak.json
"""

import json
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).with_name("soak.svg")
_WIDTH, _LEFT, _RIGHT = 920, 240, 20
_PANEL, _GAP, _ROW = 110, 44, 17
_COLOURS = {"sqlite": "#2563eb", "postgresql": "#d97706"}
_BUCKET_SECONDS = 20.0
Point = tuple[float, float]


def draw(runs: Sequence[dict[str, Any]]) -> str:
    """Return the SVG of these runs, which were side by side."""
    longest = max(look["seconds"] for run in runs for look in run["series"])
    kinds = sorted({fault["kind"] for run in runs for fault in run["chaos_faults"]})
    parts: list[str] = []
    top = 62
    for title, measure in (("messages a minute", messages_per_minute), ("memory of the team, MiB", total_memory)):
        lines = {run["engine"]: measure(run) for run in runs}
        parts += _panel(top, title, lines, longest)
        top += _PANEL + _GAP
    parts += _blows(top, kinds, runs, longest)
    top += _ROW * len(kinds)
    parts += _time_axis(top, longest)
    height = top + 36
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif"'
        ' font-size="12" fill="#1f2937">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">The whole team for {longest / 60:.0f} minutes,'
        f" {sum(len(run['chaos_faults']) for run in runs)} faults</text>",
    ]
    for place, run in enumerate(runs):
        x = _LEFT + 150 * place
        head.append(f'<rect x="{x}" y="32" width="12" height="4" fill="{_COLOURS[run["engine"]]}"/>')
        head.append(f'<text x="{x + 18}" y="39">{escape(run["engine"])}</text>')
    return "\n".join([*head, *parts, "</svg>", ""])


def messages_per_minute(run: dict[str, Any]) -> list[Point]:
    """Return how many messages of all kinds were completed, as a rate."""
    points: list[Point] = []
    before: Point = (0.0, 0.0)
    for look in run["series"]:
        if look["seconds"] - before[0] >= _BUCKET_SECONDS:
            now = (look["seconds"], float(sum(look["completed"].values())))
            points.append((now[0], (now[1] - before[1]) / (now[0] - before[0]) * 60))
            before = now
    return points


def total_memory(run: dict[str, Any]) -> list[Point]:
    """Return the memory of all processes together. A killed one is missing until the next has started."""
    return [(look["seconds"], sum(look["memory"].values())) for look in run["series"]]


def _x(seconds: float, longest: float) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * seconds / longest, 1)


def _panel(top: int, title: str, lines: dict[str, list[Point]], longest: float) -> list[str]:
    highest = max((value for points in lines.values() for _, value in points), default=1.0) or 1.0
    parts = [
        f'<text x="{_LEFT - 10}" y="{top + 10}" text-anchor="end">{title}</text>',
        f'<text x="{_LEFT - 10}" y="{top + 28}" text-anchor="end" fill="#6b7280">highest {highest:,.0f}</text>',
        f'<text x="{_LEFT - 10}" y="{top + _PANEL}" text-anchor="end" fill="#6b7280">0</text>',
        f'<path d="M{_LEFT} {top}V{top + _PANEL}H{_WIDTH - _RIGHT}" fill="none" stroke="#9ca3af"/>',
    ]
    for engine, points in lines.items():
        where = " ".join(f"{_x(at, longest)},{round(top + _PANEL * (1 - value / highest), 1)}" for at, value in points)
        parts.append(f'<polyline points="{where}" fill="none" stroke="{_COLOURS[engine]}" stroke-width="1.5"/>')
    return parts


def _blows(top: int, kinds: Sequence[str], runs: Sequence[dict[str, Any]], longest: float) -> list[str]:
    parts = []
    for row, kind in enumerate(kinds):
        y = top + _ROW * row
        count = sum(fault["kind"] == kind for run in runs for fault in run["chaos_faults"])
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(kind)}: {count}</text>')
        for run in runs:
            parts += [
                f'<circle cx="{_x(fault["seconds"], longest)}" cy="{y}" r="3" fill="{_COLOURS[run["engine"]]}"/>'
                for fault in run["chaos_faults"]
                if fault["kind"] == kind
            ]
    return parts


def _time_axis(top: int, longest: float) -> list[str]:
    minutes = longest / 60
    step = next(each for each in (1, 2, 5, 10, 20, 60, 120, 600) if minutes / each <= 10)
    marks = range(0, int(minutes) + 1, step)
    return [
        f'<text x="{_x(mark * 60, longest)}" y="{top + 14}" text-anchor="middle" fill="#6b7280">{mark} min</text>'
        for mark in marks
    ]


def main() -> None:
    runs = [run for run in json.loads(Path(sys.argv[1]).read_text()) if "series" in run]
    OUTPUT.write_text(draw(runs))
    sys.stdout.write(f"{OUTPUT.name} shows {len(runs)} runs\n")


if __name__ == "__main__":
    main()
