"""Render runs for people: all as lines of a table, or one run in full. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from teamsup.terminal.formatting import (
    format_age,
    format_clock,
    format_duration,
    format_table,
    sanitize,
    to_single_line,
)

from ..run import Run

_HEADINGS = ("ID", "AGENT", "STATE", "CAUSE", "BEGAN", "TOOK", "TURNS", "COST", "REASON")
_NOTHING = "-"
_REASON_CHARACTERS = 60
_LABEL_WIDTH = 14


def render_table(runs: Sequence[Run], now: float, columns: int | None = None) -> list[str]:
    """Return the lines of a table, or one sentence if there is no run. ``now`` is in Unix seconds."""
    if not runs:
        return ["No run yet."]
    rows = [
        (
            str(run.id),
            run.agent,
            run.state,
            describe_cause(run, now),
            _age(run.created_at, now),
            _describe_time_taken(run, now),
            str(run.turns or _NOTHING),
            describe_cost(run),
            to_single_line(run.reason, _REASON_CHARACTERS),
        )
        for run in runs
    ]
    # Most runs have no reason, and a narrow terminal would wrap its heading.
    shown = (_HEADINGS, *rows) if any(run.reason for run in runs) else (row[:-1] for row in (_HEADINGS, *rows))
    cells = [[" ".join(sanitize(cell).split()) for cell in row] for row in shown]
    return [line.rstrip() for line in format_table(cells, columns)]


def render_run(run: Run, team_folder: Path, now: float, transcript: Path | None, question: int | None = None) -> str:
    """Return everything about one run. Foreign text is made printable. ``question`` is the number of the latest
    question to people.
    """
    facts = {
        "agent": run.agent,
        "state": f"{run.state}: {run.reason}" if run.reason else run.state,
        "cause": describe_cause(run, now),
        "conversation": run.cause.conversation,
        "created": _age(run.created_at, now),
        "started": "" if run.started_at is None else f"{_age(run.started_at, now)}, {_describe_starts(run.starts)}",
        "ended": "" if run.ended_at is None else _age(run.ended_at, now),
        "next try": "" if run.next_try_at is None else f"in {format_duration(run.next_try_at - now)}",
        "process": str(run.pid) if run.pid and run.state == "running" else "",
        "program": " ".join(filter(None, (run.program, run.program_version, run.model))),
        "turns": str(run.turns or ""),
        "tokens": f"{run.tokens_in:,} in, {run.tokens_out:,} out" if run.tokens_in or run.tokens_out else "",
        "cost": describe_cost(run),
        "tools": ", ".join(run.tools),
        "decision": "" if question is None else f"#{question}",
        "session": run.session_id + (" (continued)" if run.is_resumed else ""),
        "transcript": _describe_transcript(run, transcript),
        "files": str(team_folder / "runs" / str(run.id)),
        "answer": run.answer,
    }
    lines = [f"run {run.id}"]
    for label, value in facts.items():
        if value:
            first, *rest = sanitize(value).split("\n")
            lines.append(f"  {label:{_LABEL_WIDTH}}{first}")
            lines += [f"  {'':{_LABEL_WIDTH}}{line}".rstrip() for line in rest]
    return "\n".join(lines)


def describe_cause(run: Run, now: float) -> str:
    """Return the cause of the run: a message's number, a tick of its schedule, or a person."""
    if run.cause.kind == "message":
        return f"message #{run.cause.message_number}" if run.cause.message_number is not None else "message"
    return f"schedule {_format_tick(run.cause.key, now)}" if run.cause.kind == "schedule" else "a person"


def describe_cost(run: Run) -> str:
    """Return the cost in dollars; an unknown cost is not zero."""
    if run.usd is None:
        return "unknown" if run.starts and run.state != "running" else _NOTHING
    return f"${run.usd:.4f}" if 0 < run.usd < 1 else f"${run.usd:.2f}"


def _describe_time_taken(run: Run, now: float) -> str:
    """Return the time from the first plan to the end, or until now."""
    if run.started_at is None:
        return _NOTHING
    return format_duration((run.ended_at if run.ended_at is not None else now) - run.created_at)


def _describe_transcript(run: Run, transcript: Path | None) -> str:
    """Return the file of its session. Claude Code writes it at the first request, and removes it after some weeks."""
    if run.program != "claude":
        return ""
    return str(transcript) if transcript is not None else "there is no file of this session"


def _format_tick(tick: str, now: float) -> str:
    """Return the time of a schedule's tick, for people."""
    try:
        return format_clock(datetime.fromisoformat(tick), datetime.fromtimestamp(now, UTC))
    except ValueError:
        return tick


def _describe_starts(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes one after another"


def _age(moment: float, now: float) -> str:
    return format_age(datetime.fromtimestamp(moment, UTC), datetime.fromtimestamp(now, UTC))
