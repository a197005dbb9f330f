"""Find the runs to start now: waiting runs, messages, and ticks of schedules, within all limits."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from teamsup.config.schedule import find_zone, last_due_tick, next_tick
from teamsup.config.startable_agents import RUN
from teamsup.hub import Agent, CallerError, Delivery, Message, MessageHub, StaleLease, StoreError, UnknownMessage
from teamsup.hub.models import PRESENCE_TIMEOUT_SECONDS
from teamsup.terminal.formatting import format_clock

from ..processes.agent_settings import AgentSettings
from ..processes.run_process import measure_memory, run_mark
from ..run import LONGEST_RETRY_SECONDS, Cause, Run
from ..run_table import AgentPause, RunTable
from ..sections import AgentSection
from .admission import Circumstances, Spending, StartNow, Wait, admit, admit_with_memory

LEASE_SECONDS = 600.0
"""Seconds for which the runner keeps the lease of a message while its process is away."""
_MAX_NOTIFIED = 50
_WITH_SESSION = "a session has its message"
_MINUTE = 60.0
_LOGIN_CACHE_MINUTES, _KEY_CACHE_MINUTES = 55.0, 4.0
"""Minutes for which a session is certainly in the prompt cache. The cache lasts 60 minutes with a login, and 5 with an
API key.
"""


@dataclass(slots=True)
class Dispatch:
    """The result of a look: the runs to start, the reasons why agents wait, and the time of the next look."""

    starts: list[Run] = field(default_factory=list)
    waits: dict[str, Wait] = field(default_factory=dict)
    """The reasons why agents are not started now, by name. All other agents can be started."""
    next_ticks: dict[str, float] = field(default_factory=dict)
    """For each agent, the next time when its schedule starts it."""
    due: float | None = None
    pauses: Sequence[AgentPause] = ()

    def wait_until(self, at: float | None) -> None:
        """Look again at this time, unless something is due before."""
        if at is not None:
            self.due = at if self.due is None else min(self.due, at)


@dataclass(slots=True)
class _Situation:
    """The facts about the team during one look."""

    now: float
    open_runs: list[Run]
    running: list[Run]
    agents: Mapping[str, Agent]
    pauses: Sequence[AgentPause]
    spending: dict[str, Spending]
    total: Spending


class Dispatcher:
    """Looks for causes. It stores a run and claims its message in one transaction, before anything is started."""

    def __init__(
        self,
        hub: MessageHub,
        settings: AgentSettings,
        open_hub: Callable[[str], MessageHub],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._table = RunTable(hub)
        self._settings = settings
        self._open_hub = open_hub
        self._clock = clock
        self._notified: set[tuple[str, int]] = set()

    def look(self, followed: Collection[int]) -> Dispatch:
        """Return the runs to start now. ``followed`` are the runs that are under way. Raise StoreError."""
        at = self._read_situation(followed)
        found = Dispatch(pauses=at.pauses)
        for name, section in self._settings.agents.items():
            try:
                self._look_at(name, section, at, followed, found)
            except StoreError:
                raise
            except Exception as error:
                # A fault about one agent must not keep the others from starting.
                self._note_wait(name, Wait(f"a fault: {type(error).__name__}: {error}", at.now + _MINUTE), found)
        for pause in at.pauses:
            found.wait_until(pause.until)
        return found

    def _look_at(
        self, name: str, section: AgentSection, at: _Situation, followed: Collection[int], found: Dispatch
    ) -> None:
        if isinstance(reason := self._admit(name, section, at), Wait) and reason.is_notified:
            self._note_wait(name, reason, found)
        if "schedule" in section.start:
            self._plan_ticks(name, section, at, found)
        if self._start_planned(name, section, at, followed, found) and "message" in section.start:
            self._start_messages(name, section, at, found)

    def _read_situation(self, followed: Collection[int]) -> _Situation:
        now = self._clock()
        open_runs = self._table.open_runs()
        running = [run for run in open_runs if run.state == "running" or run.id in followed]
        spending = {}
        for name, section in self._settings.agents.items():
            own = [run for run in running if run.agent == name]
            usage = self._table.usage(now, name)
            # The user's own program may never report its cost.
            unknown = 0 if section.command else usage.unknown_costs
            spending[name] = Spending(usage, len(own), (len(own) + unknown) * section.max_usd)
        total = Spending(self._table.usage(now), len(running), sum(each.reserved_usd for each in spending.values()))
        agents = {agent.name: agent for agent in self._hub.agents()}
        return _Situation(now, open_runs, running, agents, self._table.pauses(now), spending, total)

    def _plan_ticks(self, name: str, section: AgentSection, at: _Situation, found: Dispatch) -> None:
        """Store one run for all ticks since the last look."""
        zone, rule = find_zone(section.timezone), f"{section.schedule} {section.timezone}".strip()
        known, done = self._table.ticks_done().get(name, ("", 0.0))
        if known != rule or done > at.now + _MINUTE:
            done = at.now
            self._table.record_ticks(name, rule, done)
        tick = last_due_tick(section.schedule, zone, done, at.now)
        if tick is not None:
            with self._hub.transaction():
                self._table.record_ticks(name, rule, tick)
                is_open = any(run.agent == name and run.cause.kind == "schedule" for run in at.open_runs)
                if not is_open:
                    key = datetime.fromtimestamp(tick, UTC).isoformat()
                    directory = self._settings.directory(name)
                    cause = Cause("schedule", key)
                    run = self._table.insert(name, cause, at.now, directory=directory, model=section.model)
                    at.open_runs.append(run)
            done = tick
        found.next_ticks[name] = next_tick(section.schedule, zone, max(done, at.now))
        found.wait_until(found.next_ticks[name])

    def _start_planned(
        self, name: str, section: AgentSection, at: _Situation, followed: Collection[int], found: Dispatch
    ) -> bool:
        """Start the waiting runs of an agent. Return whether further runs may start."""
        for run in [each for each in at.open_runs if each.agent == name and each.state == "planned"]:
            if run.id in followed:
                continue
            # If the next try is later than any try can be, the clock was set back. Then the run is due.
            if run.next_try_at is not None and at.now < run.next_try_at <= at.now + LONGEST_RETRY_SECONDS:
                found.wait_until(run.next_try_at)
                continue
            if run.cause.kind == "message" and not run.starts and live_until(at.agents.get(name), at.now) is not None:
                self._hand_over(name, run)
                continue
            verdict = self._admit(name, section, at, run)
            if isinstance(verdict, Wait):
                self._note_wait(name, verdict, found)
                if run.cause.message_number is not None and verdict.is_notified:
                    with suppress(UnknownMessage):
                        self._notify_person(name, self._hub.queries.message(run.cause.key), verdict, at)
                return False
            self._add(name, run, at, found)
        return True

    def _hand_over(self, name: str, run: Run) -> None:
        """Let the live session read the message of a run that has not had a process. If the session leaves it unread,
        the run starts later.
        """
        hub = self._open_hub(name)
        with hub.transaction():
            if run.lease_token:
                with suppress(StaleLease, UnknownMessage):
                    message = hub.queries.message(run.cause.key)
                    now = datetime.fromtimestamp(self._clock(), UTC)
                    hub.release(Delivery(message, name, 1, run.lease_token, now))
            RunTable(hub).update(
                run, state="stopped", reason=_WITH_SESSION, lease_token="", next_try_at=None, ended_at=self._clock()
            )

    def _start_messages(self, name: str, section: AgentSection, at: _Situation, found: Dispatch) -> None:
        hub = self._open_hub(name)
        while (due := hub.next_due()) <= at.now:
            # The wait applies due deadlines, such as the end of a lease, and returns at once.
            waiting = hub.queries.peek(1) or (hub.queries.peek(1) if hub.wait(0) else [])
            if not waiting:
                due = hub.next_due()
                break
            message = waiting[0]
            cause = Cause("message", message.message_id, message.id, message.conversation_id or "")
            known = self._table.find(name, cause)
            if known is None or known.reason == _WITH_SESSION:
                verdict = self._admit(name, section, at, cause)
                if isinstance(verdict, Wait):
                    self._note_wait(name, verdict, found)
                    if verdict.is_notified:
                        for each in hub.queries.peek(_MAX_NOTIFIED):
                            self._notify_person(name, each, verdict, at)
                    return
            run = self._claim(name, section, hub, at)
            # An older run is followed already, or the code above has handled it.
            if run is not None and run.id not in {each.id for each in at.open_runs}:
                self._add(name, run, at, found)
        found.wait_until(due if at.now < due < float("inf") else None)

    def _claim(self, name: str, section: AgentSection, hub: MessageHub, at: _Situation) -> Run | None:
        """Claim a message and store its run, in one transaction. An existing run gets the new lease."""
        table = RunTable(hub)
        with hub.transaction():
            for delivery in hub.claim(1, lease=LEASE_SECONDS):
                message = delivery.message
                cause = Cause("message", message.message_id, message.id, message.conversation_id or "")
                directory = self._settings.directory(name)
                session = self._find_session(name, section, cause, directory, at.now)
                run = table.insert(name, cause, at.now, directory=directory, session=session, model=section.model)
                if run.reason == _WITH_SESSION:
                    run = table.update(run, state="planned", reason="", ended_at=None)
                if not run.is_open:
                    hub.acknowledge(delivery, outcome=run.reason or run.state)
                    return None
                # The claim has refreshed the presence of a session that may have been killed. Now the presence is that
                # of a run.
                presence: dict[str, Any] = {"note": "starts", RUN: run.id}
                hub.register("agent", **presence)
                return table.update(run, lease_token=delivery.lease_token)
        return None

    def _find_session(self, name: str, section: AgentSection, cause: Cause, directory: str, now: float) -> Run | None:
        """Return the run of this conversation whose session is young enough to continue."""
        if not cause.conversation or section.command:
            return None
        last = self._table.last_of_conversation(name, cause.conversation)
        if last is None or last.state not in ("done", "failed") or not last.transcript or last.ended_at is None:
            return None
        is_same = last.directory == directory and last.model == section.model
        minutes = section.keep_session_minutes
        if minutes is None:
            minutes = _LOGIN_CACHE_MINUTES if last.has_login else _KEY_CACHE_MINUTES
        return last if is_same and now - last.ended_at < minutes * _MINUTE else None

    def _admit(
        self, name: str, section: AgentSection, at: _Situation, cause: Cause | Run | None = None
    ) -> StartNow | Wait:
        """Return whether this agent may start a run. ``cause`` is the run, its cause, or None for any run."""
        of = cause.cause if isinstance(cause, Run) else cause
        conversation = "" if of is None else of.conversation
        others = (run for run in at.open_runs if not (isinstance(cause, Run) and run.id == cause.id))
        is_busy = bool(conversation) and any(
            run.agent == name and run.cause.conversation == conversation for run in others
        )
        pauses = [pause for pause in at.pauses if pause.kind == "login" or pause.name == name]
        now_here = Circumstances(
            now=at.now,
            login=self._settings.login(name),
            pauses=pauses,
            # A session cannot read the message of a run that has begun.
            live_until=None if isinstance(cause, Run) and cause.starts else live_until(at.agents.get(name), at.now),
            is_busy=is_busy,
            own=at.spending[name],
            team=at.total,
        )
        verdict = admit(section, self._settings.runner, now_here)
        if isinstance(verdict, Wait) or not at.running:
            return verdict
        # Measure the memory for each start, because a run that had no process may have one by now.
        used = measure_memory({run_mark(self._hub.team, run.id) for run in at.running})
        return admit_with_memory(self._settings.runner, used, at.now)

    def _add(self, name: str, run: Run, at: _Situation, found: Dispatch) -> None:
        """Start the run, and count it at once for the next runs."""
        section = self._settings.section(name)
        found.starts.append(run)
        at.running.append(run)
        if run not in at.open_runs:
            at.open_runs.append(run)
        at.spending[name] = _with_one_more(at.spending[name], section.max_usd)
        at.total = _with_one_more(at.total, section.max_usd)

    def _note_wait(self, name: str, verdict: Wait, found: Dispatch) -> None:
        found.waits[name] = verdict
        found.wait_until(verdict.until)

    def _notify_person(self, name: str, message: Message, verdict: Wait, at: _Situation) -> None:
        """Notify a waiting console once of the start time. Other senders see the time in the team's status, and
        user_comm reports it to people.
        """
        sender = at.agents.get(message.sender)
        if sender is None or sender.kind != "console" or (name, message.id) in self._notified:
            return
        self._notified.add((name, message.id))
        hub = self._open_hub(name)
        try:
            hub.answer(
                message,
                f"It {describe_wait(verdict)}.",
                message_type="status_report",
                message_id=f"run:waits:{name}:{message.id}",
            )
        except CallerError:
            # The person was notified before our restart, or cannot be notified.
            return


def _with_one_more(spending: Spending, usd: float) -> Spending:
    usage = replace(spending.usage, starts=spending.usage.starts + 1)
    return replace(spending, usage=usage, running=spending.running + 1, reserved_usd=spending.reserved_usd + usd)


def live_until(agent: Agent | None, now: float) -> float | None:
    """Return the time until which a live session of this agent counts as present, or None.

    A session that a run has started does not count; its metadata shows this.
    """
    if agent is None or agent.last_heartbeat is None or agent.metadata.get("run"):
        return None
    if not agent.is_present(datetime.fromtimestamp(now, UTC)):
        return None
    return agent.last_heartbeat.timestamp() + PRESENCE_TIMEOUT_SECONDS


def describe_wait(verdict: Wait) -> str:
    """Return a sentence with the time of an agent's start, and the reason why it waits."""
    if verdict.until is None:
        return f"waits: {verdict.reason}"
    return f"starts at {format_clock(datetime.fromtimestamp(verdict.until, UTC))}: {verdict.reason}"
