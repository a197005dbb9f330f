"""Runs for pages: the list, each run's steps and cost, the runs with an unknown outcome, and agents that wait at a
limit.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice

from teamsup.config.entries import (
    ActionRejected,
    Age,
    Entry,
    EntryAction,
    EntryRow,
    EntrySource,
    EntryState,
    Need,
    Text,
    TimelineEvent,
    has_words,
    parse_number,
    take_matching,
)
from teamsup.config.people_protocol import DECISION_ANSWER, USER_COMM
from teamsup.config.startable_agents import AGENT_RUNNER
from teamsup.hub import Message, MessageHub, UnknownMessage
from teamsup.terminal.formatting import to_single_line

from ..approvals.decision_requests import UNKNOWN_OPTIONS
from ..programs.call_ledger import CallLedger
from ..prompt import describe_call
from ..run import Run, RunState, run_folder
from ..run_table import RunTable
from .run_rendering import describe_cause, describe_cost
from .waiting_agent_source import WaitingAgentSource, ask_worker

_MAX_TITLE = 120
_MAX_STEPS = 200
_STATES: Mapping[RunState, EntryState] = {
    "planned": EntryState("clock", "planned"),
    "running": EntryState("working", "running"),
    "parked": EntryState("paused", "waits for people"),
    "done": EntryState("well", "done"),
    "failed": EntryState("failed", "failed"),
    "unknown": EntryState("unknown", "unknown"),
    "stopped": EntryState("paused", "stopped"),
}
_RUN_AGAIN, _IS_DONE, _GIVE_UP = UNKNOWN_OPTIONS
_AGAIN = EntryAction("again", "Run again…", "It runs again. If the lost call took effect, it takes effect twice.")
_DONE = EntryAction("done", "It is done…", "The call counts as done, and the run goes on after it.")
_DROP = EntryAction("drop", "Drop…", "The run ends, and the sender gets the notice that it was given up.")
_STOP = EntryAction("stop", "Stop…", "Its processes end. It is not started again, and its sender gets a notice.")
_ANSWERS = {_AGAIN.name: _RUN_AGAIN, _DONE.name: _IS_DONE, _DROP.name: _GIVE_UP}


def sources() -> tuple[EntrySource, ...]:
    """Return the sources of runs, and of agents that wait."""
    return RunSource(), WaitingAgentSource()


class RunSource:
    """The runs of agents that agent-runner has started."""

    kind = "run"
    title = "Runs"
    address = "/runs"
    columns = ("Agent", "Cause", "Turns", "Cost")
    filters: Mapping[str, tuple[str, ...]] = {"show": ("all", *_STATES), "words": ()}

    def needs(self, hub: MessageHub, now: datetime) -> Sequence[Need]:  # noqa: ARG002
        """Return the runs with an unknown outcome."""
        return [_to_need(hub, each) for each in RunTable(hub).latest(limit=_MAX_STEPS, state="unknown")]

    def count_open(self, hub: MessageHub) -> int:
        return len(RunTable(hub).open_runs())

    def rows(
        self,
        hub: MessageHub,
        filters: Mapping[str, str],
        before: str | None,
        limit: int,
        now: datetime,  # noqa: ARG002
    ) -> Sequence[EntryRow]:
        state = next((each for each in _STATES if each == filters.get("show")), None)
        table, words = RunTable(hub), filters.get("words", "")

        def fits(run: Run) -> bool:
            texts = (f"#{run.id}", run.agent, run.reason, run.answer, run.program, *run.tools)
            return not words or has_words(words, *texts, _content(_cause_message(hub, run)))

        found = take_matching(
            lambda older_than: table.latest(None, limit, state, older_than),
            lambda run: run.id,
            fits,
            parse_number(before),
        )
        return [_to_row(hub, each) for each in islice(found, limit)]

    def entry(self, hub: MessageHub, entry_id: str, now: datetime) -> Entry | None:  # noqa: ARG002
        run = _find(hub, entry_id)
        if run is None:
            return None
        asked, cause = _message(hub, run.decision), _cause_message(hub, run)
        return Entry(
            self.kind,
            entry_id,
            f"Run {run.id}",
            _title_of(hub, run),
            _STATES[run.state],
            _evidence_of(run),
            _moment(run.created_at),
            facts=_facts_of(run),
            texts=tuple(each for each in (("Cause", _content(cause)), ("Answer", run.answer)) if each[1]),
            timeline=tuple(_events_of(hub, run)),
            links=() if asked is None else ((f"Decision {asked.id}", f"/decisions/{asked.id}"),),
            actions=_actions_of(hub, run),
            version=_version_of(run),
            conversation=run.cause.conversation or None,
        )

    def act(self, hub: MessageHub, entry_id: str, action: str, version: str, person: str, text: str) -> str:  # noqa: ARG002
        run = _find(hub, entry_id)
        if run is None:
            raise ActionRejected(f"There is no run {entry_id}.")
        if _version_of(run) != version:
            reason = f": {run.reason}" if run.reason else ""
            raise ActionRejected(f"Run {run.id} is {run.state} by now{reason}.")
        if action not in (each.name for each in _actions_of(hub, run)):
            raise ActionRejected(f"Run {run.id} is {run.state}: {action} is not possible.")
        asked = _message(hub, run.decision) if run.state == "unknown" else None
        if action in _ANSWERS and asked is not None:
            return ask_worker(
                hub,
                USER_COMM,
                _ANSWERS[action],
                person,
                message_type=DECISION_ANSWER,
                metadata={"decision": asked.id},
            )
        return ask_worker(hub, AGENT_RUNNER, f"stop {run.id}", person)


def _find(hub: MessageHub, entry_id: str) -> Run | None:
    number = parse_number(entry_id)
    return None if number is None else RunTable(hub).get(number)


def _version_of(run: Run) -> str:
    return f"{run.state}|{run.starts}"


def _actions_of(hub: MessageHub, run: Run) -> tuple[EntryAction, ...]:
    if run.state == "unknown":
        return (_DROP,) if _message(hub, run.decision) is None else (_AGAIN, _DONE, _DROP)
    return (_STOP,) if run.is_open else ()


def _message(hub: MessageHub, message_id: str) -> Message | None:
    try:
        return hub.queries.message(message_id) if message_id else None
    except UnknownMessage:
        return None


def _cause_message(hub: MessageHub, run: Run) -> Message | None:
    return _message(hub, run.cause.key) if run.cause.kind != "schedule" else None


def _content(message: Message | None) -> str:
    return "" if message is None else message.content


def _title_of(hub: MessageHub, run: Run) -> str:
    message = _cause_message(hub, run)
    return f"{run.agent}: {_words_of(run, message)}"


def _words_of(run: Run, message: Message | None) -> str:
    """Return the cause of a run: the first line of its message, or a phrase for any other cause."""
    lines = () if message is None else (each for each in message.content.splitlines() if each.strip())
    first = next(iter(lines), "")
    return to_single_line(first, _MAX_TITLE) if first else describe_cause(run, time.time())


def _evidence_of(run: Run) -> Text:
    reason = f"{run.reason[0].upper()}{run.reason[1:]}. " if run.reason else ""
    if run.ended_at is not None:
        return (reason, "Ended ", Age(_moment(run.ended_at)), ".")
    if run.next_try_at is not None:
        return (reason, "Tried again ", Age(_moment(run.next_try_at), "in"), ".")
    if run.state == "running" and run.started_at is not None:
        return (reason, "It runs ", Age(_moment(run.started_at), "for"), ".")
    return (reason, "Planned ", Age(_moment(run.created_at)), ".")


def _to_need(hub: MessageHub, run: Run) -> Need:
    asked = _message(hub, run.decision)
    return Need(
        RunSource.kind,
        str(run.id),
        f"Run {run.id}",
        f"{run.agent}, for {describe_cause(run, time.time())}: outcome unknown",
        _evidence_of(run),
        _STATES["unknown"],
        _moment(run.started_at or run.created_at),
        actions=_actions_of(hub, run),
        version=_version_of(run),
        replaces=None if asked is None else ("decision", str(asked.id)),
    )


def _to_row(hub: MessageHub, run: Run) -> EntryRow:
    cells = (run.agent, describe_cause(run, time.time()), str(run.turns or "–"), _cost_of(run))
    return EntryRow(
        str(run.id),
        _words_of(run, _cause_message(hub, run)),
        _STATES[run.state],
        _evidence_of(run),
        _moment(run.created_at),
        cells,
    )


def _cost_of(run: Run) -> str:
    """Return the cost as text: a question mark if it is unknown, and a dash if there is none yet."""
    cost = describe_cost(run)
    return {"unknown": "?", "-": "–"}.get(cost, cost)


def _facts_of(run: Run) -> tuple[tuple[str, str], ...]:
    facts = {
        "Agent": run.agent,
        "Cause": describe_cause(run, time.time()),
        "Program": " ".join(filter(None, (run.program, run.model))),
        "Processes": str(run.starts),
        "Turns": str(run.turns or ""),
        "Tokens": f"{run.tokens_in:,} in, {run.tokens_out:,} out" if run.tokens_in or run.tokens_out else "",
        "Cost": _cost_of(run),
        "Tools": ", ".join(run.tools),
        "Folder": run.directory,
        "Session": run.session_id + (" (continued)" if run.is_resumed else ""),
    }
    return tuple((label, value) for label, value in facts.items() if value)


def _events_of(hub: MessageHub, run: Run) -> Iterator[TimelineEvent]:
    yield TimelineEvent(
        _moment(run.created_at), (f"Planned, for {describe_cause(run, time.time())}.",), _STATES["planned"]
    )
    if run.started_at is not None:
        which = "Its process started." if run.starts == 1 else f"Its process {run.starts} started."
        yield TimelineEvent(_moment(run.started_at), (which,), _STATES["running"])
    for call, at in CallLedger(run_folder(hub.team, run.id)).timed_calls(_MAX_STEPS):
        state, word = {
            "done": (EntryState("well", "done"), ""),
            "began": (EntryState("working", "began") if run.state == "running" else _STATES["unknown"], ""),
            "parked": (_STATES["parked"], ", and waits for people"),
            "denied": (EntryState("failed", "denied"), ", which was denied"),
        }[call.event]
        moment = None if at is None else _moment(at)
        yield TimelineEvent(moment, (f"{describe_call(call)}{word}",), state)
    if run.ended_at is not None:
        text = f"It ended: {run.reason}." if run.reason else "It ended."
        yield TimelineEvent(_moment(run.ended_at), (text,), _STATES[run.state])
    elif run.next_try_at is not None:
        state = EntryState("clock", "to come")
        yield TimelineEvent(_moment(run.next_try_at), ("It is tried again",), state, is_future=True)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
