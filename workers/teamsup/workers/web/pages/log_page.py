"""The newest lines in the logs of all workers or of one worker, updated as they arrive."""

import heapq
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..page import Page, PageContext, Region, RenderedRegion
from .page_content import content_of, filter_links, navigation, now_of, render_page, with_query
from .rendering import render

LINES = (200, 1000, 5000)
LEVELS = ("all", "warnings", "errors")
_SHOWN_LEVELS = {"all": (), "warnings": ("WARNING", "ERROR", "CRITICAL"), "errors": ("ERROR", "CRITICAL")}
_TAIL_BYTES = 4 * 2**20
"""Bytes at the end of each log that are searched, so that a page costs little."""
_LINE = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) (?:(DEBUG|INFO|WARNING|ERROR|CRITICAL) )?(.*)")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. A line without a level continues the previous line, or comes from another program."""

    at: str
    worker: str
    level: str
    text: str
    id: str


def parse_lines(worker: str, lines: Sequence[str]) -> Iterator[LogLine]:
    """Yield the lines of a log that have a time. Pure."""
    seen: Counter[str] = Counter()
    for line in lines:
        if (match := _LINE.fullmatch(line)) is not None:
            day, time, level, text = match.groups()
            seen[time] += 1
            number = f"{day}{time}".translate({ord(each): None for each in "-:."})
            yield LogLine(f"{day} {time}", worker, level or "", text, f"{worker}-{number}-{seen[time]}")


def choose_lines(lines: Sequence[LogLine], level: str, words: str) -> Iterator[LogLine]:
    """Yield the lines with this level and these words. Pure."""
    levels, wanted, belongs = _SHOWN_LEVELS.get(level, ()), words.casefold(), False
    for line in lines:
        # The lines of a traceback have no level, and belong to the error before them.
        belongs = line.level in levels if line.level else belongs
        if (not levels or belongs) and wanted in line.text.casefold():
            yield line


def read_tail(path: Path, most: int = _TAIL_BYTES) -> list[str]:
    """Return the last lines of a file. Leave the first of them out, because it may be cut."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - most))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return lines if size <= most else lines[1:]


def _read(folder: Path, worker: str, level: str, words: str, most: int) -> tuple[list[LogLine], list[str]]:
    """Return the newest lines, the oldest first, and the names of all logs."""
    paths = {path.stem: path for path in sorted(folder.glob("*.log"))}
    tails = []
    for name, path in paths.items():
        if worker in ("", name):
            try:
                lines = list(parse_lines(name, read_tail(path)))
            except OSError:
                continue  # this file was rotated away meanwhile
            tails.append(deque(choose_lines(lines, level, words), most))
    return list(deque(heapq.merge(*tails, key=lambda line: line.at), most)), [*paths]


def _show(context: PageContext) -> str:
    query = context.query
    most = next((each for each in LINES if str(each) == query.get("lines")), LINES[0])
    level, words = query.get("level") or LEVELS[0], query.get("words", "")
    lines, names = _read(context.team.logs, query.get("worker", ""), level, words, most)
    more = next((each for each in LINES if each > most), 0) if len(lines) == most else 0
    return render(
        "log_lines.html",
        now_of(context),
        lines=lines,
        workers=filter_links("/logs", query, "worker", ("", *names), {"": "All", **{name: name for name in names}}),
        levels=filter_links("/logs", query, "level", LEVELS),
        query=query,
        words=words,
        earlier=with_query("/logs", query, lines=str(more)) if more else "",
        more=more,
    )


def _render(context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
    worker = context.query.get("worker")
    return render_page(
        context, "logs.html", content_of(context, "logs", f"Log of {worker}" if worker else "Logs", "/logs"), regions
    )


LOG_PAGE = Page("/logs", _render, (navigation("logs"), Region("log", _show)))
