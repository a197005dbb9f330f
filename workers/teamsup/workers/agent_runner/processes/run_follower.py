"""Follow one process of a run: start it or take it over, wait for its end, judge the run, and store the result."""

import asyncio
import json
import logging
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from teamsup.hub import Message, MessageHub, NotConfigured, StoreError, UnknownMessage

from ..approvals.decision_requests import DecisionOfPeople
from ..judgement import ELSEWHERE, Finish, Pause, StartAgain, Unknown, judge
from ..programs.call_ledger import CallLedger
from ..programs.command import BRIEFING, CommandProgram
from ..programs.program import AgentProgram, Call, RunOutput
from ..prompt import Allowance, Briefing, describe_call, render_prompt, to_json
from ..run import Run, folder_id, run_folder
from ..run_conclusion import RunConclusion, has_answered, judge_stopped
from ..run_table import RunTable
from ..sections import AgentSection
from . import run_limits, run_process
from .agent_settings import AgentSettings
from .gate_command import ask_gate
from .run_process import RunProcess, run_mark
from .run_watch import start_watch

T = TypeVar("T")
DECISION = "decision.json"
"""People's decision for a program that asked them directly."""
_HISTORY_MESSAGES = 10
_PROGRESS_SECONDS = 5.0
_STORE_PAUSE_SECONDS = 1.0
_MINUTE = 60.0
WITHDRAWN = "its message was withdrawn"
"""The reason for the end of a run whose message was withdrawn."""


class RunFollower:
    """Follows runs, each in its own task. ``report`` shows people the current work of a run."""

    def __init__(
        self,
        hub: MessageHub,
        settings: AgentSettings,
        open_hub: Callable[[str], MessageHub],
        claude: AgentProgram,
        report: Callable[[Run, str], None],
        log: logging.Logger,
    ) -> None:
        self._hub = hub
        self._table = RunTable(hub)
        self._settings = settings
        self._open_hub = open_hub
        self._programs: dict[str, AgentProgram] = {"command": CommandProgram(hub.team), "claude": claude}
        self._report = report
        self._log = log
        self._stops: dict[int, asyncio.Event] = {}
        self._stop_reasons: dict[int, str] = {}
        self._folder_id = folder_id(hub.team)
        self.conclusion = RunConclusion(hub, settings, open_hub, log)

    def request_stop(self, number: int, reason: str) -> None:
        """Request the end of a run's process. ``end_if_stopped`` ends a run that does not have one yet."""
        self._stop_reasons[number] = reason
        if (stop := self._stops.get(number)) is not None:
            stop.set()

    async def end_if_stopped(self, run: Run) -> None:
        """End a run whose stop was requested before it had a process."""
        if reason := self._stop_reasons.get(run.id):
            await self._until_stored(self._stop_open, run, reason)
            del self._stop_reasons[run.id]

    def _stop_open(self, run: Run, reason: str) -> None:
        found = self._table.get(run.id)
        if found is not None and found.is_open:
            self.conclusion.finish(found, Finish("stopped", reason))

    async def follow(self, run: Run) -> None:
        """Follow a planned or running run to its next state."""
        self._stops[run.id] = asyncio.Event()
        try:
            if run.state == "running":
                process = await asyncio.to_thread(run_process.find_process, run)
            else:
                started = await self._start(run)
                if started is None:
                    return
                run, process = started
            seconds = None
            if process is not None:
                run, seconds = await self._wait(run, process)
            folder = run_folder(self._hub.team, run.id)
            await asyncio.to_thread(run_limits.record_seconds, folder, run, seconds)
            await self._until_stored(self._conclude, run)
            await asyncio.to_thread(self._report, run, "")
        finally:
            del self._stops[run.id]

    async def _start(self, run: Run) -> tuple[Run, RunProcess | None] | None:
        """Start a process. Return None if there is no process to follow. The row records it before the start."""
        if await self._until_stored(self.conclusion.yield_to_session, run):
            return None
        if not run.starts and not run.is_resumed:
            # The section may have been corrected since the cause came.
            run = await self._until_stored(self._update_directory, run)
        section, folder = self._section(run), run_folder(self._hub.team, run.id)
        program = self._program(run, section)
        seconds = run_limits.used_seconds(folder, run)
        if run.starts and (used_up := run_limits.find_used_up(section, run, seconds)):
            await self._until_stored(self.conclusion.finish, run, Finish("failed", used_up))
            return None
        section = run_limits.subtract_used(section, run, seconds)
        marked = replace(run, mark=run_mark(self._hub.team, run.id))
        try:
            briefing, is_resumed = await asyncio.to_thread(self._brief, run, section, program, folder)
            if await asyncio.to_thread(is_withdrawn, self._hub, run):
                refused: Finish | None = Finish("stopped", WITHDRAWN)
            elif run.program not in ("", section.kind):
                refused = Finish("failed", "its program was changed while it was under way")
            else:
                refused = await ask_gate(self._hub.team, marked, section, folder)
            if refused is not None:
                await self._until_stored(self.conclusion.finish, run, refused)
                return None
            prompt = "" if run.is_decided and is_resumed else render_prompt(briefing)
            launch = await asyncio.to_thread(
                lambda: program.plan(marked, section, prompt, resume=is_resumed, folder=folder)
            )
        except (NotConfigured, OSError) as error:
            # Only a person can correct a configuration, but the system may have what it lacks in a minute.
            is_incident = isinstance(error, NotConfigured)
            until = None if is_incident else time.time() + _MINUTE
            await self._until_stored(
                self.conclusion.wait, run, Pause("agent", str(error).rstrip("."), until, is_incident)
            )
            return None
        recorded = await self._until_stored(
            self._table.record_start, run, marked.mark, time.time(), section.kind, self._folder_id
        )
        if recorded is None:
            return None
        planned, run = run, recorded
        try:
            await asyncio.to_thread(start_watch, self._hub.team)
            process = await asyncio.to_thread(run_process.spawn, launch, folder, run.mark)
        except (OSError, StoreError, ValueError, subprocess.SubprocessError) as error:
            is_incident = isinstance(error, FileNotFoundError | PermissionError | ValueError)
            until = None if is_incident else time.time() + _MINUTE
            pause = Pause("agent", f"its program cannot be started: {error}", until, is_incident)
            # The next start also has to continue with the decision of people.
            await self._until_stored(self.conclusion.wait, replace(run, is_decided=planned.is_decided), pause)
            return None
        self._log.info("run %d of %s started, pid %d", run.id, run.agent, process.pid)
        await asyncio.to_thread(self._report, run, "started")
        return await self._until_stored(self._record_process, run, process), process

    def _update_directory(self, run: Run) -> Run:
        return self._table.update(run, directory=self._settings.directory(run.agent))

    def _record_process(self, run: Run, process: RunProcess) -> Run:
        return self._table.update(run, pid=process.pid, process_identity=process.identity)

    async def _wait(self, run: Run, process: RunProcess) -> tuple[Run, float]:
        """Wait for the end of the process, and return its seconds. End it at its time limit, or on request."""
        section = self._section(run)
        used = run_limits.used_seconds(run_folder(self._hub.team, run.id), run)
        # From here on count the seconds ourselves, because the wall clock may be set meanwhile.
        began = time.monotonic() - max(0.0, time.time() - (run.started_at or time.time()))
        ends = began + section.max_minutes * _MINUTE - used
        ended = asyncio.create_task(run_process.wait_ended(process))
        stop = asyncio.create_task(self._stops[run.id].wait())
        try:
            while not ended.done():
                left = ends - time.monotonic()
                reason = run.stop or self._stop_reasons.get(run.id, "")
                if not reason and left <= 0:
                    reason = f"it ran longer than {section.max_minutes:g} minutes"
                if not reason and await asyncio.to_thread(is_withdrawn, self._hub, run):
                    reason = WITHDRAWN
                lacks_tools = await asyncio.to_thread(self._report_progress, run, section)
                if reason:
                    run = await self._until_stored(self._record_stop, run, reason)
                if reason or lacks_tools:  # a run that lacks its tools has no reason here: its output has it
                    await run_process.end_process(process, self._settings.runner.stop_seconds)
                    break
                await asyncio.wait(
                    (ended, stop), timeout=min(_PROGRESS_SECONDS, left), return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            stop.cancel()
            ended.cancel()
        return run, time.monotonic() - began

    def _record_stop(self, run: Run, reason: str) -> Run:
        return self._table.update(run, stop=reason)

    def _conclude(self, run: Run) -> Run:
        """Judge the run after its process has ended. First kill the orphans of that process."""
        if left := run_process.sweep(run.mark):
            self._log.info("run %d had left %d processes, which are killed", run.id, len(left))
        section, folder = self._section(run), run_folder(self._hub.team, run.id)
        program = self._program(run, section)
        output, calls = program.read(folder, run), program.read_calls(folder)
        answered = has_answered(self._open_hub(run.agent), run)
        # judge() never returns None here, because the process has ended.
        judged = judge(output, calls, is_alive=False, has_answered=answered) or StartAgain()
        if run.stop:
            judged = judge_stopped(run, judged)
        run = self.conclusion.conclude(run, output, calls, judged)
        run = self.conclusion.ask_people(run, output, calls)
        self._log.info("run %d of %s is %s%s", run.id, run.agent, run.state, f": {run.reason}" if run.reason else "")
        return run

    def leave_elsewhere(self, runs: Sequence[Run]) -> None:
        """Let people decide about a run that was under way on another host. Raise StoreError.

        That host has ended the run's processes, but only its own files have the calls. So a new start may repeat calls.
        """
        for run in runs:
            if run.state in ("planned", "running", "parked") and run.is_elsewhere(self._folder_id):
                self._log.warning("run %d of %s was under way on another host", run.id, run.agent)
                known = RunOutput(turns=run.turns, tokens_in=run.tokens_in, tokens_out=run.tokens_out, tools=run.tools)
                self._table.update(self.conclusion.conclude(run, known, (), Unknown(ELSEWHERE)), folder_id="")

    def ask_people(self, run: Run) -> None:
        """Ask people about a parked or unknown run, unless they were asked before. Raise StoreError."""
        program, folder = self._program(run, self._section(run)), run_folder(self._hub.team, run.id)
        self.conclusion.ask_people(run, program.read(folder, run), program.read_calls(folder))

    def decide(self, run: Run, decision: DecisionOfPeople) -> None:
        """Apply the decision of people about a run with an unknown outcome. Raise StoreError."""
        calls = self._program(run, self._section(run)).read_calls(run_folder(self._hub.team, run.id))
        self.conclusion.decide(run, decision, calls)

    def _brief(self, run: Run, section: AgentSection, program: AgentProgram, folder: Path) -> tuple[Briefing, bool]:
        """Return the briefing of the run, and whether it continues an earlier session. Store the briefing for other
        programs.
        """
        if (directory := Path(run.directory)).is_relative_to(self._hub.team.folder / "agents"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_resumed = run.is_resumed
        calls: Sequence[Call] = ()
        if run.starts:
            is_resumed = program.read(folder, run).has_transcript
            calls = program.read_calls(folder)
        message = self._message_of(run)
        unfinished = next((call for call in calls if call.event == "began"), CallLedger(folder).given_up_call())
        briefing = Briefing(
            run=run,
            team=self._hub.team.name,
            agent=section,
            allowance=self._allowance(run, section),
            message=message,
            history=() if is_resumed or message is None else self._history(run, message),
            ended_calls=[call for call in calls if call.event == "done"] if is_resumed else (),
            unknown_call="" if unfinished is None else describe_call(unfinished),
            decision=_read_json(folder / DECISION),
        )
        (folder / BRIEFING).write_text(json.dumps(to_json(briefing), ensure_ascii=False))
        return briefing, is_resumed

    def _allowance(self, run: Run, section: AgentSection) -> Allowance:
        usage = self._table.usage(time.time(), run.agent)
        return Allowance(
            minutes=section.max_minutes,
            turns=section.max_turns,
            usd=section.max_usd,
            usd_left_today=max(0.0, section.usd_per_day - usage.usd - section.max_usd),
            runs_left_this_hour=max(0, section.runs_per_hour - usage.starts - 1),
        )

    def _message_of(self, run: Run) -> Message | None:
        if run.cause.message_number is None:
            return None
        try:
            message = self._hub.queries.message(run.cause.key)
        except UnknownMessage:
            return None
        if run.cause.kind == "person":
            # "start NAME TEXT", as agent-runner got it.
            message = replace(message, content=run_text(message) or "Begin.")
        return message

    def _history(self, run: Run, message: Message) -> Sequence[Message]:
        """Return the earlier messages of the conversation that this agent has seen."""
        if not run.cause.conversation:
            return ()
        found = self._hub.queries.conversation(run.cause.conversation, limit=3 * _HISTORY_MESSAGES)
        seen = [
            each
            for each in found
            if each.id < message.id
            and run.agent in (each.sender, each.recipient)
            and each.message_type != "status_report"
        ]
        return seen[-_HISTORY_MESSAGES:]

    def _report_progress(self, run: Run, section: AgentSection) -> bool:
        output = self._program(run, section).read(run_folder(self._hub.team, run.id), run)
        minutes = int(max(0.0, time.time() - (run.started_at or time.time())) // _MINUTE)
        parts = (output.progress, f"turn {output.turns}" if output.turns else "", f"{minutes} min" if minutes else "")
        self._report(run, ", ".join(filter(None, parts)) or "started")
        return output.lacks_tools

    def _section(self, run: Run) -> AgentSection:
        """Return the section of the run's agent, with the folder in which the run began."""
        return replace(self._settings.section(run.agent), directory=run.directory)

    def _program(self, run: Run, section: AgentSection) -> AgentProgram:
        return self._programs[run.program or section.kind]

    async def _until_stored(self, action: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401
        """Retry the action until the store accepts it. Otherwise a process could be forgotten or started twice."""
        while True:
            try:
                return await asyncio.to_thread(action, *arguments)
            except StoreError as error:
                self._log.error("%s Trying again.", error)
            await asyncio.sleep(_STORE_PAUSE_SECONDS)


def is_withdrawn(hub: MessageHub, run: Run) -> bool:
    """Return whether the message of a run was withdrawn from its agent."""
    if run.cause.kind != "message":
        return False
    try:
        states = hub.queries.trace(run.cause.key)
    except (UnknownMessage, StoreError):
        return False
    return any(state.recipient == run.agent and state.state == "cancelled" for state in states)


def run_text(message: Message) -> str:
    """Return the text after ``start NAME``."""
    words = message.content.split(None, 2)
    return words[2] if len(words) > 2 else ""


def _read_json(path: Path) -> Any:  # noqa: ANN401 - any decision
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
