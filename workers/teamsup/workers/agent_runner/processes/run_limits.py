"""The remaining limits when another process continues a run. A program counts only what its own process has used."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..run import Run
from ..sections import AgentSection

_MINUTE = 60.0
_SECONDS, _OUTPUT = "seconds.json", "stdout.jsonl"


def find_used_up(section: AgentSection, run: Run, seconds: float) -> str:
    """Return the limit that the run has used up, as a reason, or an empty text. ``seconds`` is the run's
    time so far.
    """
    if run.turns >= section.max_turns:
        return f"it has used up its max_turns, {section.max_turns}"
    if run.usd and run.usd >= section.max_usd:
        return f"it has used up its max_usd, ${section.max_usd:.2f}"
    if seconds >= section.max_minutes * _MINUTE:
        return f"it ran longer than {section.max_minutes:g} minutes"
    return ""


def subtract_used(section: AgentSection, run: Run, seconds: float) -> AgentSection:
    """Return the section with the remaining limits of the run. None of the limits may be used up."""
    return replace(
        section,
        max_turns=section.max_turns - run.turns,
        max_usd=max(0.0, section.max_usd - (run.usd or 0.0)),
        max_minutes=max(0.01, section.max_minutes - seconds / _MINUTE),
    )


def used_seconds(folder: Path, run: Run) -> float:
    """Return the seconds of the run's processes that have ended."""
    return sum(seconds for number, seconds in _read(folder).items() if number != str(run.starts) or not run.pid)


def record_seconds(folder: Path, run: Run, seconds: float | None) -> None:
    """Store the seconds of the latest process. If they are None, its end was not observed, so its last output counts as
    the end.
    """
    if run.started_at is None:
        return
    # A run must reach its end even if these seconds cannot be stored.
    with suppress(OSError):
        if seconds is None:
            seconds = max(0.0, (folder / _OUTPUT).stat().st_mtime - run.started_at)
        known = {**_read(folder), str(run.starts): seconds}
        draft = folder / f".{_SECONDS}"
        draft.write_text(json.dumps(known))
        draft.replace(folder / _SECONDS)


def _read(folder: Path) -> Mapping[str, float]:
    try:
        known = json.loads((folder / _SECONDS).read_text())
        return {str(number): float(seconds) for number, seconds in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
