"""The files through which the gate of a run and the runner communicate: policy, ledger and verdicts.

The gate, deploy/claude/gate.py, writes the ledger and uses up the verdicts; the runner writes the rest.
"""

import json
import os
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from .program import WHOLE_PROGRAM, Call, CallEvent

_EVENTS: tuple[CallEvent, ...] = ("began", "done", "parked", "denied")
_DROPPED = "dropped"
"""The event of a parked call that its session has lost. People are no longer asked about it."""
_GIVEN_UP = "given_up"
"""The event of a call whose outcome stays unknown, although the run continues. The gate still refuses the call's id.
"""
_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
Verdict = Literal["allow", "deny"]


class CallLedger:
    """The calls of one run. Each write is on disk when its verb returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ledger = folder / "calls.jsonl"

    def write_policy(self, run: int, session: str, asked: Collection[str], denied: Collection[str]) -> None:
        """Write the policy for the gate, before its first call."""
        policy = {"run": str(run), "session": session, "ask_people": sorted(asked), "deny": sorted(denied)}
        (self._folder / "verdicts").mkdir(mode=0o700, parents=True, exist_ok=True)
        self._replace(self._folder / "gate.json", policy)

    def calls(self, ended: Collection[str] = ()) -> list[Call]:
        """Return each call with its latest event. If the model has received a call's result, the outcome is known. An
        unreadable line, for example after a power failure, counts as a call that has begun.
        """
        latest: dict[str, Call] = {}
        for number, row in enumerate(self._rows()):
            known = latest.get(str(row.get("id")))
            event = row.get("event")
            if event in (_DROPPED, _GIVEN_UP):
                latest.pop(str(row.get("id")), None)
                continue
            given = row.get("input")
            call = Call(
                str(row.get("id") or f"line {number + 1}"),
                str(row.get("tool") or "?"),
                next((each for each in _EVENTS if each == event), "began"),
                given if isinstance(given, dict) else known.input if known else {},
            )
            latest[call.id] = call
        return [
            Call(call.id, call.tool, "done", call.input) if call.event == "began" and call.id in ended else call
            for call in latest.values()
        ]

    def timed_calls(self, limit: int) -> list[tuple[Call, float | None]]:
        """Return the last calls, each with its latest event and the time of its first event, in Unix seconds."""
        times: dict[str, float] = {}
        for row in self._rows():
            if isinstance(at := row.get("at"), int | float):
                times.setdefault(str(row.get("id")), float(at))
        return [(call, times.get(call.id)) for call in self.calls()[-limit:]]

    def parked_call(self) -> Call | None:
        """Return the call that waits for people."""
        return next((call for call in self.calls() if call.event == "parked"), None)

    def drop_parked(self) -> None:
        """Note that the session has lost its waiting calls, so that the gate may park another call."""
        for call in self.calls():
            if call.event == "parked":
                self._append({"id": call.id, "tool": call.tool, "event": _DROPPED, "at": time.time()})

    def give_up(self, calls: Iterable[Call]) -> None:
        """Note that the run continues although the outcome of these calls is unknown. A later death of the process is
        not attributed to them.
        """
        for call in calls:
            if call.event == "began" and call.id != WHOLE_PROGRAM:
                given = {"id": call.id, "tool": call.tool, "input": dict(call.input)}
                self._append({**given, "event": _GIVEN_UP, "at": time.time()})

    def given_up_call(self) -> Call | None:
        """Return the first of the calls that were given up last, if no other call has begun since then."""
        latest = list(takewhile(lambda row: row.get("event") == _GIVEN_UP, reversed(self._rows())))
        if not latest:
            return None
        return Call(str(latest[-1]["id"]), str(latest[-1]["tool"]), "began", latest[-1]["input"])

    def write_verdict(self, run: int, call: Call, verdict: Verdict, reason: str) -> None:
        """Write the decision of people about a parked call. A second verdict on it changes nothing."""
        if _CALL_ID.fullmatch(call.id) is None:
            raise ValueError(f"{call.id!r} is not an id of a call")
        folder = self._folder / "verdicts"
        if (folder / "used" / f"{call.id}.json").exists() or (folder / f"{call.id}.json").exists():
            return
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        said = {"run": str(run), "id": call.id, "tool": call.tool, "input": call.input}
        self._replace(folder / f"{call.id}.json", {**said, "verdict": verdict, "reason": reason})

    def verdict_on(self, call_id: str) -> Verdict | None:
        """Return the verdict on a call, even if the gate has used it."""
        for folder in (self._folder / "verdicts", self._folder / "verdicts" / "used"):
            try:
                said = json.loads((folder / f"{call_id}.json").read_text("utf-8"))
            except (OSError, ValueError):
                continue
            return "allow" if said.get("verdict") == "allow" else "deny"
        return None

    def _rows(self) -> Sequence[Mapping[str, Any]]:
        try:
            lines = self._ledger.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [_parse_row(line) for line in lines if line]

    def _append(self, row: Mapping[str, Any]) -> None:
        with open(self._ledger, "ab") as file:
            file.write(json.dumps(row).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _replace(self, path: Path, value: Mapping[str, Any]) -> None:
        """Write a file as a whole, or not at all."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _parse_row(line: bytes) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}
