"""Find every mistake in teamsup.toml, with its line. A start names only the first. Pure, except for the file."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from teamsup.config.loader import load_file
from teamsup.hub import NotConfigured, Team

from .team_configuration import parse_configuration

_SECTION = re.compile(r"\[([a-z][\w.-]*)\]")
_WORD = re.compile(r"[A-Za-z][\w-]*")
_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_AT_END = "(at end of document)"
_HEADER = re.compile(r"\s*\[+\s*([^\]#]+?)\s*\]+")
_KEY = re.compile(r"\s*([\w.\"'-]+)\s*=")
_UNKNOWN_KEY = re.compile(r"has no key '([^']+)'")
_MOST = 100


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake. ``line`` is None if no line contains it, for example for a missing section."""

    line: int | None
    text: str


def find_mistakes(team: Team) -> list[Mistake]:
    """Return all mistakes in the order of the lines. Raise NotConfigured without a file, and UnsafeFile.

    Remove each wrong key or section, and read the rest again, until no mistake is left.
    """
    try:
        tables = copy.deepcopy(load_file(team))
    except NotConfigured as error:
        if not team.configuration.exists():
            raise
        text = _without_path(team, str(error))
        if _AT_END in text:
            return [Mistake(len(team.configuration.read_text("utf-8").splitlines()), text)]
        found = _LINE.search(text)
        return [Mistake(int(found[1]) if found else None, text)]
    lines = _number_lines(team.configuration.read_text("utf-8"))
    mistakes: dict[tuple[str, str], Mistake] = {}
    for _ in range(_MOST):
        faults = list(_read_faults(team, tables))
        if not faults:
            break
        for fault in faults:
            text = _without_path(team, fault)
            section, key = _find_position(text, tables)
            # A key may be missing only because an earlier round took it out.
            mistakes.setdefault((section, key), Mistake(_find_line(section, key, lines), text))
        # Take out all faults of this round, so that the next round finds what they have hidden.
        taken = [_take_out(tables, *_find_position(_without_path(team, fault), tables)) for fault in faults]
        if True not in taken:
            break
    return sorted(mistakes.values(), key=lambda each: each.line or 0)


def _read_faults(team: Team, tables: Mapping[str, Any]) -> Iterator[str]:
    try:
        yield from dict.fromkeys(
            each.fault for each in parse_configuration(team, tables).programs.values() if each.fault
        )
    except NotConfigured as error:
        yield str(error)


def _without_path(team: Team, text: str) -> str:
    return text.removeprefix(f"{team.configuration}: ").removeprefix(f"{team.configuration} ")


def _find_position(text: str, tables: Mapping[str, Any]) -> tuple[str, str]:
    """Return the section and the key that a sentence is about, or empty texts."""
    named = _SECTION.search(text)
    section = named[1] if named else next((word for word in _WORD.findall(text) if word in tables), "")
    behind = text[named.end() :] if named else text
    table = _find_table(tables, section)
    known = table if isinstance(table, dict) else {}
    # After the unknown key the sentence names known keys. Those are not mistakes.
    if (unknown := _UNKNOWN_KEY.search(behind)) and unknown[1] in known:
        return section, unknown[1]
    words = _WORD.findall(behind)
    key = next((word for word in words if word in known and not isinstance(known[word], dict)), "")
    return section, key or next((word for word in words if word in known), "") or (
        "command" if "command" in words else ""
    )


def _find_table(tables: Mapping[str, Any], section: str) -> Any:  # noqa: ANN401 - a value of TOML
    found: Any = tables
    for part in section.split(".") if section else ():
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _take_out(tables: dict[str, Any], section: str, key: str) -> bool:
    """Remove the key, or else the section, from the tables. Return whether something was removed."""
    table = _find_table(tables, section)
    if section and isinstance(table, dict) and key in table:
        del table[key]
        return True
    above, _, last = section.rpartition(".")
    parent = _find_table(tables, above) if above else tables
    if isinstance(parent, dict) and last in parent:
        del parent[last]
        return True
    return False


def _number_lines(text: str) -> dict[tuple[str, str], int]:
    """Return the line of each section, with an empty key, and of each key."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = ".".join(part.strip().strip("\"'") for part in header[1].split("."))
            found.setdefault((section, ""), number)
        elif key := _KEY.match(line):
            found.setdefault((section, key[1].strip("\"'")), number)
    return found


def _find_line(section: str, key: str, lines: Mapping[tuple[str, str], int]) -> int | None:
    # ``[worker]`` with ``a.command = …`` has the key in the section above.
    above, _, last = section.rpartition(".")
    exact = [lines[each] for each in ((section, key), (above, f"{last}.{key}")) if each in lines]
    # A table in a section may have no line. Then use the line of the first header below it.
    path = f"{section}.{key}" if key else section
    below = sorted(number for (name, _), number in lines.items() if section and f"{name}.".startswith(f"{path}."))
    around = [lines[each] for each in ((section, ""), (above, last), ("", section)) if each in lines]
    return next(iter(exact + below + around), None)
