"""The figures of a team over time: a sample for each minute of an hour, and a row for each ten minutes of a week.

The supervisor writes both files. A time without a sample stays a gap.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import groupby
from pathlib import Path
from typing import Any

from teamsup.hub import Team

MINUTE_SECONDS, ROW_SECONDS = 60.0, 600.0
"""The seconds of one sample in the file of the last hour, and of one row in the file of the last week."""
KEPT_MINUTES, KEPT_ROWS = 60, 7 * 24 * 6
_MAX_ROWS = KEPT_ROWS + 144
"""When a file has more rows than this, a file without the oldest rows replaces it."""


@dataclass(frozen=True, slots=True)
class WorkerSample:
    """The figures of one worker. A value of None is unknown, because the worker may not have run."""

    cpu_percent: float | None = None
    """Percent of one core."""
    memory_bytes: int | None = None
    crashes: int = 0
    starts: int = 0
    """The number of starts of its process that were not caused by a crash."""


@dataclass(frozen=True, slots=True)
class TeamSample:
    """The team in the time before ``at``, in Unix seconds. A value of None is unknown."""

    at: float
    seconds: float = MINUTE_SECONDS
    messages: float | None = None
    """Messages per minute."""
    reads: int | None = None
    """The number of readings from which the latencies are computed. If it is 0, there is no latency."""
    latency_p50: float | None = None
    latency_p99: float | None = None
    """Seconds from the storing of a message to its reading."""
    oldest_seconds: float | None = None
    """The age of the oldest unread message, or 0 if none is unread."""
    oldest_agent: str = ""
    cpu_percent: float | None = None
    """Percent of all cores of the host."""
    memory_percent: float | None = None
    usd_today: float | None = None
    """The cost of agents since midnight on this machine."""
    workers: Mapping[str, WorkerSample] = field(default_factory=dict)


_WORKER_FIELDS = tuple(each.name for each in fields(WorkerSample))
_TEAM_FIELDS = tuple(each.name for each in fields(TeamSample) if each.name != "workers")


def combine(samples: Sequence[TeamSample]) -> TeamSample:
    """Combine several samples into one: the average of rates, and the worst of all other values."""
    last = samples[-1]
    worst = max(samples, key=lambda each: each.oldest_seconds or 0.0)
    reads = [each.reads for each in samples if each.reads is not None]
    names = dict.fromkeys(name for each in samples for name in each.workers)
    return TeamSample(
        last.at,
        sum(each.seconds for each in samples),
        _mean(each.messages for each in samples),
        sum(reads) if reads else None,
        _median(each.latency_p50 for each in samples),
        _most(each.latency_p99 for each in samples),
        worst.oldest_seconds,
        worst.oldest_agent,
        _mean(each.cpu_percent for each in samples),
        _most(each.memory_percent for each in samples),
        _most(each.usd_today for each in samples),
        {name: _combine_worker([each.workers[name] for each in samples if name in each.workers]) for name in names},
    )


def combine_rows(samples: Iterable[TeamSample]) -> list[TeamSample]:
    """Combine the samples of each ten-minute span of the clock into one row."""
    return [combine(list(group)) for _, group in groupby(samples, key=row_number)]


def row_number(sample: TeamSample) -> int:
    """Return the number of the ten-minute span that a sample belongs to. A sample at midnight belongs to the day
    before.
    """
    return int((sample.at - 1) // ROW_SECONDS)


def read_minutes(team: Team) -> list[TeamSample]:
    """Return the samples of the last hour, the oldest first. While the supervisor did not run, there are none."""
    try:
        return [_from_json(each) for each in json.loads(_minutes_path(team).read_text("utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def read_rows(team: Team) -> list[TeamSample]:
    """Return the samples of the last week, one for each ten minutes, the oldest first. The last row is for the present
    ten minutes.
    """
    found = read_finished_rows(team)
    last = row_number(found[-1]) if found else -1
    return [*found, *combine_rows(each for each in read_minutes(team) if row_number(each) > last)]


def read_finished_rows(team: Team) -> list[TeamSample]:
    """Return the rows of the file. Leave out a line that a full disk has cut off."""
    try:
        lines = _rows_path(team).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return []
    found = []
    for line in lines[-_MAX_ROWS:]:
        try:
            found.append(_from_json(json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def samples_version(team: Team) -> tuple[int, ...]:
    """Return a value that changes with each sample. It reads only the times of the files."""
    found = []
    for path in (_minutes_path(team), _rows_path(team)):
        try:
            found.append(path.stat().st_mtime_ns)
        except OSError:
            found.append(0)
    return tuple(found)


def write_minutes(team: Team, samples: Sequence[TeamSample]) -> None:
    """Replace the file atomically, so that a reader never sees half of it. Raise OSError."""
    _replace(_minutes_path(team), json.dumps([_to_json(each) for each in samples]))


def append_rows(team: Team, rows: Sequence[TeamSample]) -> None:
    """Append rows. After a day, remove the oldest rows. Raise OSError."""
    path = _rows_path(team)
    # Begin each line with its newline. So a line that a full disk has cut off does not damage the next line.
    text = "".join(f"\n{json.dumps(_to_json(row))}" for row in rows)
    known = read_finished_rows(team)
    if len(known) + len(rows) > _MAX_ROWS:
        kept = "".join(f"\n{json.dumps(_to_json(row))}" for row in known[-KEPT_ROWS:])
        _replace(path, kept + text)
        return
    with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
        file.write(text)


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text, "utf-8")
    new.replace(path)


def _to_json(sample: TeamSample) -> dict[str, Any]:
    """Return the values that differ from the defaults, with as many digits as a plot shows."""
    # asdict() would copy each value, and take ten times as long.
    values = {name: _rounded(getattr(sample, name)) for name in _TEAM_FIELDS}
    workers = {
        name: {key: _rounded(value) for key in _WORKER_FIELDS if (value := getattr(each, key)) not in (None, 0)}
        for name, each in sample.workers.items()
    }
    return {**{name: value for name, value in values.items() if value not in (None, "")}, "workers": workers}


def _from_json(values: object) -> TeamSample:
    if not isinstance(values, dict):
        raise TypeError("a sample is an object")
    workers = {name: WorkerSample(**each) for name, each in values.get("workers", {}).items()}
    return TeamSample(**{**values, "workers": workers})


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value


def _combine_worker(samples: Sequence[WorkerSample]) -> WorkerSample:
    memory = [each.memory_bytes for each in samples if each.memory_bytes is not None]
    return WorkerSample(
        _mean(each.cpu_percent for each in samples),
        max(memory) if memory else None,
        sum(each.crashes for each in samples),
        sum(each.starts for each in samples),
    )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return sum(known) / len(known) if known else None


def _median(values: Iterable[float | None]) -> float | None:
    # The module statistics would take 0.5 MiB of the supervisor.
    known = sorted(_known(values))
    half = len(known) // 2
    return (known[half] + known[~half]) / 2 if known else None


def _most(values: Iterable[float | None]) -> float | None:
    return max(_known(values), default=None)


def _minutes_path(team: Team) -> Path:
    return team.run / "samples.json"


def _rows_path(team: Team) -> Path:
    return team.folder / "samples.jsonl"
