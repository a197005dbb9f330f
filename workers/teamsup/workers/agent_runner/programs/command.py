"""Any program as the program of an agent: one JSON object on stdin, its answer on stdout, its exit code.

A shell around the program records its beginning and its end. So a later runner knows both.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from teamsup.hub import NotConfigured, Team

from ..run import Run
from ..sections import AgentSection
from .environment import build_environment
from .program import WHOLE_PROGRAM, Call, Ending, Launch, RunOutput

_TRY_AGAIN = 75
_CANNOT_RUN = (126, 127)
_KILLED = 128
_LAST_SIGNAL = 64
"""The largest number of a signal. A shell exits with 128 plus the number of the signal that ended its program."""
_MAX_OUTPUT_BYTES = 4 * 2**20
_MAX_DETAIL_CHARACTERS = 500
_BEGAN, _EXIT, _OUTPUT, _ERRORS = "began", "exit", "stdout.jsonl", "stderr.log"
BRIEFING = "briefing.json"
# A signal to the group must not end the shell before its program has shut down.
_WRAPPER = (
    'trap : TERM; folder=$1; shift; : >"$folder/began" || exit 75; "$@"; code=$?;'
    ' printf %s "$code" >"$folder/.exit" && mv "$folder/.exit" "$folder/exit"; exit "$code"'
)


class CommandProgram:
    """The user's own program. It has no sessions, and its calls are unknown, so the whole program counts as
    one call.
    """

    def __init__(self, team: Team) -> None:
        self._team = team

    def plan(self, run: Run, agent: AgentSection, prompt: str, *, resume: bool, folder: Path) -> Launch:  # noqa: ARG002
        """Return the start of the program. It reads ``briefing.json``, not the prompt."""
        directory = Path(run.directory)
        if not directory.is_dir():
            raise NotConfigured(f"[agent.{run.agent}] directory: there is no folder {directory}.")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _set_aside(folder)
        given = (folder / BRIEFING).read_bytes() + b"\n"
        (folder / "program.json").write_text(json.dumps({"argv": agent.command, "directory": str(directory)}))
        argv = ("/bin/sh", "-c", _WRAPPER, "sh", str(folder), *(agent.command))
        return Launch(argv, build_environment(self._team, run, agent), given, directory)

    def read(self, folder: Path, run: Run) -> RunOutput:  # noqa: ARG002 - the same verb as that of other programs
        """Return the result of the output so far."""
        earlier = [_parse_output(_read(part)) for part in folder.glob("stdout.*.jsonl")]
        latest = _parse_output(_read(folder / _OUTPUT))
        said = [*earlier, latest]
        costs = [each.usd for each in said if each.usd is not None]
        code = _exit_code(folder)
        ending, detail = _judge_exit(code, latest, _last_line(folder / _ERRORS))
        if ending in ("completed", "deferred") and (folder / _OUTPUT).stat().st_size > _MAX_OUTPUT_BYTES:
            ending, detail = (
                "gave_up",
                f"its output is above {_MAX_OUTPUT_BYTES // 2**20} MiB, and the rest was not read",
            )
        return RunOutput(
            ending=ending,
            text=latest.text,
            detail=detail,
            turns=sum(each.turns for each in said),
            tokens_in=sum(each.tokens_in for each in said),
            tokens_out=sum(each.tokens_out for each in said),
            usd=sum(costs) if costs else None,
            progress=latest.progress,
            decision=latest.decision,
        )

    def read_calls(self, folder: Path) -> Sequence[Call]:
        """Return the program itself as a call. If it has begun without a normal end, it may have acted."""
        if not (folder / _BEGAN).exists():
            return ()
        code = _exit_code(folder)
        is_ended = code is not None and not _is_kill(code)
        return (Call(WHOLE_PROGRAM, _name_of(folder), "done" if is_ended else "began"),)


def _is_kill(code: int) -> bool:
    return _KILLED < code <= _KILLED + _LAST_SIGNAL


def _judge_exit(code: int | None, said: RunOutput, error: str) -> tuple[Ending, str]:
    """Return the end of the program, and the reason."""
    if code is None or _is_kill(code):
        return "none", ""
    if code == 0:
        return ("deferred" if said.decision else "completed"), ""
    if code == _TRY_AGAIN:
        return "retry_later", error or "it asks to be tried again"
    if code in _CANNOT_RUN:
        return "configuration", error or "the program cannot be run"
    return "gave_up", error or f"it ended with exit code {code}"


def _parse_output(text: str) -> RunOutput:
    """Return the output of a program: lines of JSON in the form for agents. If these neither answer nor ask people to
    decide, the other lines are the answer.
    """
    lines, others = _split_lines(text)
    progress = [line["progress"] for line in lines if isinstance(line.get("progress"), str)]
    decisions = [line["decision"] for line in lines if isinstance(line.get("decision"), dict)]
    costs = [line["cost"] for line in lines if _is_number(line.get("cost"))]
    answers = [line["answer"] for line in lines if isinstance(line.get("answer"), str)]
    if not (answers or decisions):
        answers = ["\n".join(others).strip() if lines else text.strip()]
    return RunOutput(
        text="\n".join(answers),
        progress=progress[-1] if progress else "",
        decision=decisions[-1] if decisions else {},
        usd=float(sum(costs)) if costs else None,
        turns=_total(lines, "turns"),
        tokens_in=_total(lines, "tokens_in"),
        tokens_out=_total(lines, "tokens_out"),
    )


def _total(lines: Sequence[Mapping[str, Any]], name: str) -> int:
    return int(sum(line[name] for line in lines if _is_number(line.get(name))))


def _split_lines(text: str) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return the lines of JSON in the form for agents, and all other lines."""
    ours: list[Mapping[str, Any]] = []
    others: list[str] = []
    for line in text.splitlines():
        found = _read_line(line)
        if found is None:
            others.append(line)
        else:
            ours.append(found)
    return ours, others


def _read_line(line: str) -> Mapping[str, Any] | None:
    """Return the JSON of a line in the form for agents: one of its keys has a value of its type."""
    try:
        found = json.loads(line) if line.startswith("{") else None
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    has_text = any(isinstance(found.get(key), str) for key in ("answer", "progress"))
    return found if has_text or isinstance(found.get("decision"), dict) or _is_number(found.get("cost")) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**12


def _exit_code(folder: Path) -> int | None:
    try:
        return int((folder / _EXIT).read_text())
    except (OSError, ValueError):
        return None


def _name_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / "program.json").read_text())["argv"][0])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return "the program"


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_MAX_OUTPUT_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""


def _last_line(file: Path) -> str:
    lines = _read(file).strip().splitlines()
    return lines[-1][:_MAX_DETAIL_CHARACTERS] if lines else ""


def _set_aside(folder: Path) -> None:
    """Keep the output of the earlier process apart from the output of the next process."""
    number = len(list(folder.glob("stdout.*.jsonl"))) + 1
    for name in (_OUTPUT, _ERRORS):
        if (folder / name).exists():
            stem, ending = name.split(".")
            (folder / name).rename(folder / f"{stem}.{number}.{ending}")
    for name in (_BEGAN, _EXIT):
        (folder / name).unlink(missing_ok=True)
