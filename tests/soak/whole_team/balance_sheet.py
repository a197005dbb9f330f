"""The balance sheet of a run, for a terminal and as JSON: what was sent, and what arrived."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .book import BalanceRow
from .growth import Growth

_SHOWN = 10
"""At most so many ids of a kind on the terminal; the JSON has all."""
_COLUMNS = ("sent", "delivered", "answered", "doubled", "lost", "out of order", "unknown", "read again")


@dataclass(frozen=True)
class BalanceSheet:
    """Everything that one run on one engine has shown."""

    engine: str
    seed: int
    seconds: float
    """Of traffic and chaos, without the quiet time."""
    quiet_seconds: float
    machine: str
    rows: Sequence[BalanceRow]
    chaos_faults: Mapping[str, int]
    skipped: Mapping[str, str]
    restarts: Mapping[str, int]
    sessions: int
    dead_letters: int
    """Deliveries that had failed five times, and were tried again as an operator would."""
    left_processes: Sequence[str]
    left_files: Sequence[str]
    problems: Sequence[str]
    """What a check of the store finds, and pages that do not go on."""
    growth: Sequence[Growth]
    bytes_per_message: tuple[float, float] = (0.0, 0.0)
    """The bytes by which the store has grown for each message, in the first and in the second half."""
    is_interrupted: bool = False
    notes: Mapping[str, int] = field(default_factory=dict)
    """What was counted besides."""

    @property
    def faults(self) -> list[str]:
        """What must not be, each with its offenders. Empty: the sheet is even."""
        found = []
        for row in self.rows:
            columns = {"doubled": row.doubled, "lost": row.lost, "out of order": row.out_of_order}
            found += [f"{row.kind}, {what}: {shorten(ids)}" for what, ids in columns.items() if ids]
        for what, names in (
            ("processes left", self.left_processes),
            ("files left", self.left_files),
            ("problems", self.problems),
        ):
            if names:
                found.append(f"{what}: {shorten(names)}")
        found += [
            f"{one.name} grows: {one.per_hour:+.1f} {one.unit} an hour, {one.gained:+.1f} in the second half"
            f" (limit {one.limit:g})"
            for one in self.growth
            if one.verdict == "not flat"
        ]
        return found

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "faults": self.faults}


def shorten(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def render_sheet(sheet: BalanceSheet) -> str:
    """Return the sheet for a terminal."""
    state = "interrupted: what was seen so far" if sheet.is_interrupted else f"quiet after {sheet.quiet_seconds:.0f} s"
    lines = [
        "",
        f"{sheet.engine}: {sheet.seconds / 60:.1f} minutes of traffic and chaos, {state}; SEED={sheet.seed}",
        sheet.machine,
        f"{'':18}" + "".join(f"{name:>13}" for name in _COLUMNS) + ("         open" if sheet.is_interrupted else ""),
    ]
    for row in sheet.rows:
        figures = [row.sent, row.delivered, row.answered, len(row.doubled), len(row.lost), len(row.out_of_order)]
        figures += [row.unknown, row.again] + ([len(row.open)] if sheet.is_interrupted else [])
        lines.append(f"{row.kind:18}" + "".join(f"{figure:13,}" for figure in figures))
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(sheet.chaos_faults.items()))
    lines.append(f"chaos: {sum(sheet.chaos_faults.values())} faults: {kinds}")
    lines += [f"not tried: {kind}: {why}" for kind, why in sheet.skipped.items()]
    lines.append("restarts: " + ", ".join(f"{name} {count}" for name, count in sorted(sheet.restarts.items())))
    lines.append(
        f"sessions {sheet.sessions}, dead letters tried again {sheet.dead_letters}, processes left"
        f" {len(sheet.left_processes)}, files left {len(sheet.left_files)}, problems {len(sheet.problems)}"
    )
    if sheet.notes:
        lines.append("besides: " + ", ".join(f"{name} {count:,}" for name, count in sheet.notes.items()))
    lines.append("growth an hour, by the slope of the second half (in brackets: now):")
    lines += [
        f"  {one.name:24}{one.per_hour:+10.1f} {one.unit:5} ({one.last:,.1f}) {one.verdict}" for one in sheet.growth
    ]
    before, after = sheet.bytes_per_message
    lines.append(f"  the store grew by {before:,.0f} bytes a message in the first half, by {after:,.0f} in the second")
    lines += [f"NOT EVEN: {fault}" for fault in sheet.faults] or [
        "even: nothing is doubled, lost, out of order or left"
    ]
    return "\n".join(lines)
