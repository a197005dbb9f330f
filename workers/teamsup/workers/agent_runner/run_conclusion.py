"""Store the result of a run's process: its answer, the end of its message and its row, in one transaction."""

import logging
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any

from teamsup.config.people_protocol import DECISION_REQUEST, USER_COMM
from teamsup.hub import CallerError, Delivery, Message, MessageHub, StaleLease, UnknownMessage
from teamsup.hub.timestamps import as_datetime

from .approvals import decision_requests
from .approvals.approvals import Approvals, request_id
from .approvals.decision_requests import DecisionOfPeople
from .judgement import ELSEWHERE, Finish, Judgement, Park, Pause, Resume, StartAgain, Unknown
from .processes.agent_settings import AgentSettings
from .programs.call_ledger import CallLedger
from .programs.program import WHOLE_PROGRAM, Call, DeferredCall, RunOutput
from .prompt import describe_call
from .run import LONGEST_RETRY_SECONDS, Run, run_folder
from .run_table import AgentPause, RunTable
from .starts.dispatcher import LEASE_SECONDS

MAX_TRIES = 5
"""A run is given up after this many processes without progress."""
_FIRST_RETRY_SECONDS = 10.0
_PAUSE_SECONDS = 900.0
"""Seconds of a login's pause if its end is unknown."""
_SHORTEST_PAUSE_SECONDS = 60.0
"""The minimum seconds of a pause. Its reported end may already be over, because the clocks of two machines differ."""
_SESSION_SECONDS = 60.0
"""Seconds until a run checks again whether a session still has its message."""
_MAX_ANSWER_BYTES = 200_000
_MAX_REASON_CHARACTERS = 500


class RunConclusion:
    """Acts on judgements. Each method blocks, is one transaction of the agent's hub, and raises StoreError."""

    def __init__(
        self,
        hub: MessageHub,
        settings: AgentSettings,
        open_hub: Callable[[str], MessageHub],
        log: logging.Logger,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._settings = settings
        self._open_hub = open_hub
        self._log = log
        self._clock = clock
        self._approvals = Approvals(hub)

    def conclude(self, run: Run, output: RunOutput, calls: Sequence[Call], judged: Judgement) -> Run:
        """Store the totals of the output and the effects of the judgement. Return the changed run."""
        hub = self._open_hub(run.agent)
        with hub.transaction():
            table = RunTable(hub)
            run = table.update(
                run,
                turns=output.turns,
                tokens_in=output.tokens_in,
                tokens_out=output.tokens_out,
                usd=None if output.usd is None else max(0.0, output.usd - run.session_usd_before),
                tools=output.tools or tuple(dict.fromkeys(call.tool for call in calls)),
                transcript=run.session_id if output.has_transcript else "",
                # A process that died early has not reported these values.
                program_version=output.version or run.program_version,
                has_login=output.has_login if output.version else run.has_login,
                pid=0,
                process_identity="",
                stop="",
            )
            return self._act(hub, table, run, judged, calls)

    def ask_people(self, run: Run, output: RunOutput, calls: Sequence[Call]) -> Run:
        """Ask people about a parked or unknown run. Its row is already stored, so an answer cannot come too early.

        If people cannot be asked, the run fails.
        """
        obstacle = ""
        section, folder = self._settings.section(run.agent), run_folder(self._hub.team, run.id)
        if run.state == "unknown":
            unfinished = next((call for call in calls if call.event == "began"), ELSEWHERE)
            obstacle = decision_requests.ask_about_unknown(self._hub, run, section, unfinished)
        elif run.state != "parked":
            return run
        elif (parked := next((call for call in calls if call.event == "parked"), None)) is None:
            obstacle = decision_requests.ask_for_program(self._hub, run, section, output.decision)
        else:
            ledger = CallLedger(folder)
            if ledger.verdict_on(parked.id) is None:
                self._approvals.ask(run, section, DeferredCall(parked.id, parked.tool, parked.input), folder)
            if ledger.verdict_on(parked.id) is not None:
                # No question is needed, or it was decided before.
                return RunTable(self._hub).update(run, state="planned", is_decided=True, next_try_at=None)
        if obstacle:
            return self.finish(run, Finish("failed", f"{run.reason}; {obstacle}" if run.reason else obstacle))
        return run

    def finish(self, run: Run, end: Finish) -> Run:
        """End a run that has no process."""
        hub = self._open_hub(run.agent)
        with hub.transaction():
            ended = self._finish(hub, RunTable(hub), run, end)
        self._approvals.withdraw(run)
        return ended

    def end_removed(self, with_process: Collection[int]) -> None:
        """End the runs of agents without a section, except runs with a process. Nothing will start them again."""
        for run in RunTable(self._hub).open_runs():
            if run.agent not in self._settings.agents and run.id not in with_process:
                self.finish(run, Finish("stopped", "its section was removed"))

    def deny_overdue(self, run: Run) -> bool:
        """Deny a parked call whose deadline has long passed without a report of user_comm. Return whether
        it was denied.
        """
        folder = run_folder(self._hub.team, run.id)
        call = CallLedger(folder).parked_call()
        if run.state != "parked" or call is None or not self._approvals.is_overdue(run, self._clock()):
            return False
        asked = DeferredCall(call.id, call.tool, call.input)
        self._approvals.deny(run, asked, folder, "Nobody has decided in time, so this call is denied.")
        RunTable(self._hub).update(run, state="planned", reason="nobody has decided", is_decided=True, next_try_at=None)
        return True

    def wait(self, run: Run, pause: Pause) -> Run:
        """Pause a run that could not be started, and all runs with the same obstacle. Keep people's decision."""
        hub = self._open_hub(run.agent)
        with hub.transaction():
            table = RunTable(hub)
            return table.update(self._pause(table, run, pause), is_decided=run.is_decided)

    def yield_to_session(self, run: Run) -> bool:
        """Return whether a session has claimed the message after the runner's lease had ended. If so, do not start the
        run.

        The run ends with that message. This does not apply to a run that continues after people's decision.
        """
        if run.cause.kind != "message" or run.is_decided:
            return False
        hub = self._open_hub(run.agent)
        table = RunTable(hub)
        match _delivery_state(hub, run):
            case "done" | "dead":
                # The sender has the answer of that session, or the notice that there is none.
                changes = {"state": "stopped", "ended_at": self._clock(), "lease_token": "", "next_try_at": None}
                table.update(run, reason="a session has ended its message", **changes)
                self._approvals.withdraw(run)
                return True
            case "leased" if not _has_lease(hub, run, self._clock()):
                later = self._clock() + _SESSION_SECONDS
                table.update(run, reason="a session has its message", lease_token="", next_try_at=later)
                return True
        return False

    def decide(self, run: Run, decision: DecisionOfPeople, calls: Sequence[Call] = ()) -> Run:
        """Apply the decision of people about a run with an unknown outcome."""
        hub = self._open_hub(run.agent)
        with hub.transaction():
            table = RunTable(hub)
            match decision.chosen:
                case 0:
                    reason = f"{decision.by} decided to run it again"
                    CallLedger(run_folder(self._hub.team, run.id)).give_up(calls)
                    return table.update(run, state="planned", reason=reason, decision="", tries=0, next_try_at=None)
                case 1:
                    return self._finish(hub, table, run, Finish("done", f"{decision.by} said that it is done"))
                case 2:
                    return self._finish(hub, table, run, Finish("failed", f"{decision.by} gave it up"))
                case _:
                    return table.update(run, reason=f"{run.reason} Nobody has decided.")

    def _act(self, hub: MessageHub, table: RunTable, run: Run, judged: Judgement, calls: Sequence[Call]) -> Run:
        match judged:
            case Finish():
                return self._finish(hub, table, run, judged)
            case Park():
                return self._park(table, run, _with_call(judged, calls))
            case Resume():
                return self._try_again(hub, table, run, StartAgain("it died and is continued"), seconds=0.0)
            case StartAgain(reason):
                return self._try_again(hub, table, run, judged, seconds=_retry_seconds(run) if reason else 0.0)
            case Pause():
                return self._pause(table, run, judged)
            case Unknown(call):
                return self._leave_to_people(table, run, call, calls)

    def _finish(self, hub: MessageHub, table: RunTable, run: Run, end: Finish) -> Run:
        text = end.answer.strip()
        if end.state != "done":
            text = f"It did not finish: {end.reason}.\n\n{text}".strip()
        elif not text and end.reason:
            # People have decided that the run is done, and the sender still waits for an answer.
            text = f"{end.reason}."
        if (message := self._message_of(hub, run)) is not None:
            self._answer(hub, run, message, text, end)
            self._end_delivery(hub, run, message, end)
        return table.update(
            run,
            state=end.state,
            reason=end.reason[:_MAX_REASON_CHARACTERS],
            answer=_cut(end.answer.strip()),
            ended_at=self._clock(),
            lease_token="",
            pid=0,
            next_try_at=None,
        )

    def _answer(self, hub: MessageHub, run: Run, message: Message, text: str, end: Finish) -> None:
        """Send the answer, unless the agent has answered itself. A failure is always reported to the sender."""
        if not text and (message.sender == USER_COMM or message.sender.startswith("console-")):
            text = "It has ended without an answer."
        if not text or (end.state == "done" and has_answered(hub, run)):
            return
        kind = "message" if end.state == "done" else "error"
        try:
            hub.answer(message, _cut(text), message_type=kind, message_id=f"run:{run.id}:answer")
        except CallerError as error:
            self._log.warning("run %d cannot answer: %s", run.id, error)

    def _end_delivery(self, hub: MessageHub, run: Run, message: Message, end: Finish) -> None:
        """End the message. If the runner's lease has ended, the message's new reader ends it."""
        if run.lease_token:
            ends = as_datetime(self._clock() + LEASE_SECONDS)
            delivery = Delivery(message, run.agent, max(1, run.starts), run.lease_token, ends)
            try:
                hub.acknowledge(delivery, outcome=end.reason[:_MAX_REASON_CHARACTERS] or f"run {run.id}: {end.state}")
            except StaleLease as error:
                self._log.warning("run %d: %s", run.id, error)

    def _park(self, table: RunTable, run: Run, park: Park) -> Run:
        if park.call is None:
            what, asked = "people are asked to decide", decision_requests.request_id_of_program(run)
        else:
            what, asked = f"people are asked to permit {park.call.tool}", request_id(run.id, park.call.id)
        return table.update(run, state="parked", reason=what, decision=asked, tries=0)

    def _try_again(self, hub: MessageHub, table: RunTable, run: Run, again: StartAgain, *, seconds: float) -> Run:
        if run.tries >= MAX_TRIES:
            reason = again.reason or "its process ends before it does anything"
            return self._finish(hub, table, run, Finish("failed", f"{reason}; it was tried {run.tries} times"))
        changes: dict[str, Any] = {}
        if again.in_new_session:
            # The new session's cost begins at zero, but this run has already spent money.
            spent = -(run.usd or 0.0)
            changes = {"session_id": str(uuid.uuid4()), "is_resumed": False, "session_usd_before": spent}
        next_try_at = self._clock() + seconds if seconds else None
        return table.update(run, state="planned", reason=again.reason, next_try_at=next_try_at, **changes)

    def _pause(self, table: RunTable, run: Run, pause: Pause) -> Run:
        """Pause the login or the agent. The run waits too, and this start does not count as a try."""
        name = self._settings.login(run.agent) if pause.scope == "login" else run.agent
        until = pause.until
        if until is None and not pause.is_incident:
            until = self._clock() + _PAUSE_SECONDS
        if until is not None:
            until = max(until, self._clock() + _SHORTEST_PAUSE_SECONDS)
        stored = AgentPause(pause.scope, name, pause.reason, self._clock(), until, pause.is_incident)
        if table.pause(stored):
            self._log.warning("nothing starts for %s: %s", name or "the login of this user", pause.reason)
        return table.update(run, state="planned", reason=pause.reason, tries=max(0, run.tries - 1), next_try_at=None)

    def _leave_to_people(self, table: RunTable, run: Run, call: Call, calls: Sequence[Call]) -> Run:
        """Let people decide whether to run it again, unless ``on_unknown`` allows that."""
        section = self._settings.section(run.agent)
        reason = f"it died in {describe_call(call)}"[:_MAX_REASON_CHARACTERS]
        if section.on_unknown == "again" and run.tries < MAX_TRIES:
            CallLedger(run_folder(self._hub.team, run.id)).give_up(calls)
            return table.update(run, state="planned", reason=f"{reason}; on_unknown runs it again")
        asked = decision_requests.request_id_of_unknown(run)
        return table.update(run, state="unknown", reason=reason, decision=asked)

    def _message_of(self, hub: MessageHub, run: Run) -> Message | None:
        if run.cause.message_number is None:
            return None
        try:
            return hub.queries.message(run.cause.key)
        except UnknownMessage:
            return None


def _delivery_state(hub: MessageHub, run: Run) -> str:
    try:
        states = hub.queries.trace(run.cause.key)
    except UnknownMessage:
        return ""
    return next((each.state for each in states if each.recipient == run.agent), "")


def _has_lease(hub: MessageHub, run: Run, now: float) -> bool:
    """Renew the lease of the message. Return whether the runner still had it."""
    if not run.lease_token:
        return False
    message, ends = hub.queries.message(run.cause.key), as_datetime(now + LEASE_SECONDS)
    try:
        hub.extend(Delivery(message, run.agent, max(1, run.starts), run.lease_token, ends), LEASE_SECONDS)
    except StaleLease:
        return False
    return True


def has_answered(hub: MessageHub, run: Run) -> bool:
    """Return whether the agent has answered the sender of its run's message by itself. A question is not an answer."""
    if run.cause.message_number is None:
        return False
    try:
        message = hub.queries.message(run.cause.key)
    except UnknownMessage:
        return False
    answers = hub.queries.find(reply_to=run.cause.key, sender=run.agent, recipient=message.sender)
    return any(
        answer.message_type not in ("status_report", DECISION_REQUEST) and not answer.message_id.startswith("run:")
        for answer in answers
    )


def judge_stopped(run: Run, judged: Judgement) -> Judgement:
    """Return the judgement of a run whose process was ended. A run that had finished before counts as done."""
    if isinstance(judged, Finish) and judged.state == "done":
        return judged
    reason = run.stop
    if isinstance(judged, Unknown) and judged.call.id != WHOLE_PROGRAM:
        reason = f"{reason}; the outcome of its last call is unknown: {describe_call(judged.call)}"
    is_ours = run.stop.startswith("it ran longer")
    answer = judged.answer if isinstance(judged, Finish) else ""
    return Finish("failed" if is_ours else "stopped", reason, answer)


def _with_call(park: Park, calls: Sequence[Call]) -> Park:
    """Return the judgement with the ledger's call, if the output does not show one."""
    parked = next((call for call in calls if call.event == "parked"), None)
    return park if parked is None else Park(DeferredCall(parked.id, parked.tool, parked.input))


def _retry_seconds(run: Run) -> float:
    return min(LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** max(0, run.tries - 1))


def _cut(text: str) -> str:
    """Return the text, cut to the limit of a message."""
    encoded = text.encode()
    if len(encoded) <= _MAX_ANSWER_BYTES:
        return text
    return encoded[:_MAX_ANSWER_BYTES].decode(errors="ignore") + "\n… (cut)"
