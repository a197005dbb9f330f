"""The states of the team's members: a shape, a word, evidence and its limit. Without evidence nobody is well."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from teamsup.config.entries import Age, EntryState, Text
from teamsup.config.startable_agents import AGENT_RUNNER, STARTABLE, StartableAgent
from teamsup.hub import Agent, StoreError
from teamsup.hub.models import DEGRADED, OFFLINE, ONLINE
from teamsup.status.crash import Crash
from teamsup.status.process_state import State
from teamsup.status.team_status import ParticipantStatus, TeamStatus
from teamsup.workers.web.pages.rendering import Missing
from teamsup.workers.web.pages.views.participants import TeamMember, count_words, describe_participants

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
WORKER = ParticipantStatus(
    name="gateway",
    kind="daemon",
    state=State.RUNNING,
    pid=41,
    uptime_seconds=600,
    restarts=0,
    heartbeat_age_seconds=2,
    cpu_percent=0.3,
    memory_bytes=28 * 2**20,
    unread=0,
    oldest_unread_seconds=None,
    note="",
    well=True,
)
SESSION = replace(
    WORKER, name="lead", kind="agent", state=ONLINE, pid=None, restarts=None, cpu_percent=None, memory_bytes=None
)


def describe(row: ParticipantStatus, *agents: Agent, trouble: StoreError | None = None) -> TeamMember:
    status = TeamStatus([row], {agent.name: agent for agent in agents}, 40, trouble)
    return describe_participants(status, NOW)[0]


def agent(status: str = ONLINE, seconds: float | None = 4, **metadata: object) -> Agent:
    heard = None if seconds is None else NOW - timedelta(seconds=seconds)
    return Agent("lead", "agent", status, heard, metadata, 0)


def words(text: Text) -> str:
    return "".join(f"<{part.form}>" if isinstance(part, Age) else part for part in text)


def test_a_worker_that_runs_shows_its_heartbeat_and_when_that_is_too_old() -> None:
    shown = describe(WORKER)
    assert shown.state == EntryState("well", "running")
    assert words(shown.evidence) == "heartbeat <ago>"
    assert shown.limit_seconds == 30


def test_a_worker_without_heartbeats_shows_its_process() -> None:
    shown = describe(replace(WORKER, heartbeat_age_seconds=None))
    assert (shown.state.word, words(shown.evidence), shown.limit_seconds) == ("running", "process 41 <for>", None)


@pytest.mark.parametrize(
    ("changes", "shape", "word"),
    [
        ({"state": State.STARTING}, "working", "starting"),
        ({"state": State.STOPPED, "pid": None}, "paused", "stopped"),
        ({"state": State.EXITED, "well": False, "pid": None, "note": "exit code 1"}, "failed", "ended"),
        ({"state": State.FATAL, "well": False, "pid": None, "note": "too many crashes"}, "failed", "failed"),
        ({"state": State.BACKOFF, "well": False, "pid": None, "note": "exit code 1"}, "failed", "failed"),
        ({"state": "DEGRADED", "well": False, "note": "port 9095 is taken"}, "degraded", "degraded"),
        ({"state": "not configured", "pid": None, "note": "no token"}, "paused", "not configured"),
        ({"state": "unknown", "well": False, "note": "no heartbeat for 3m"}, "silent", "not heard"),
        ({"state": "unknown", "well": False, "heartbeat_age_seconds": None, "note": "gone"}, "unknown", "unknown"),
        ({"state": "a new word", "well": True, "heartbeat_age_seconds": None}, "unknown", "unknown"),
    ],
)
def test_a_worker_has_the_state_that_its_evidence_shows(changes: dict[str, object], shape: str, word: str) -> None:
    shown = describe(replace(WORKER, **changes))  # type: ignore[arg-type]
    assert (shown.state.shape, shown.state.word) == (shape, word)


def test_a_worker_that_is_not_heard_says_its_age_once() -> None:
    shown = describe(replace(WORKER, state="unknown", well=False, note="no heartbeat for 3m"))
    assert words(shown.evidence) == "<for>"


def test_a_crashed_worker_says_when_it_is_tried_again() -> None:
    crash = Crash(NOW.timestamp(), 41, "died of SIGKILL", 2, NOW.timestamp() + 24, ())
    shown = describe(replace(WORKER, state=State.BACKOFF, pid=None, well=False, crashes=(crash,)))
    assert words(shown.evidence) == "died of SIGKILL; next try <in>"
    assert not shown.is_well


@pytest.mark.parametrize(
    ("known", "shape", "word"),
    [
        (agent(), "well", "reads"),
        (agent(run=7), "working", "working"),
        (agent(OFFLINE), "paused", "offline"),
        (agent(seconds=300), "silent", "not heard"),
        (replace(agent(seconds=300), is_watched=False), "unknown", "unknown"),
        (agent(OFFLINE, None), "paused", "offline"),
    ],
)
def test_an_agent_has_the_state_that_its_evidence_shows(known: Agent, shape: str, word: str) -> None:
    shown = describe(SESSION, known)
    assert (shown.state.shape, shown.state.word) == (shape, word)


def test_a_degraded_agent_gives_its_reason() -> None:
    shown = describe(replace(SESSION, state="DEGRADED", note="no disk", well=False), agent(DEGRADED, note="no disk"))
    assert (shown.state.shape, words(shown.evidence)) == ("degraded", "no disk")


def test_nobody_of_that_name_is_unknown() -> None:
    assert describe(replace(SESSION, kind="unknown", state="undeliverable")).state.shape == "unknown"


def test_a_hub_that_cannot_be_read_leaves_the_unread_unknown() -> None:
    assert describe(WORKER).unread == "0"
    assert describe(WORKER, trouble=StoreError("locked")).unread is Missing.UNKNOWN


def test_a_figure_that_does_not_apply_is_no_zero_and_one_that_is_missing_is_unknown() -> None:
    assert describe(SESSION, agent()).cpu is Missing.NOT_APPLICABLE
    assert describe(replace(WORKER, cpu_percent=None)).cpu is Missing.UNKNOWN
    assert describe(WORKER).restarts == "0"


def test_an_agent_at_its_limit_says_until_when_and_where_the_limit_stands() -> None:
    limit = "runs_per_day in [agent.lead]"
    start = StartableAgent(
        ("message",), "20 of 20 runs today", until=NOW.timestamp() + 60, runs_today=20, usd_today=1.52, limit=limit
    )
    runner = Agent(AGENT_RUNNER, "daemon", ONLINE, NOW, {STARTABLE: {"lead": start.to_metadata()}}, 0)
    shown = describe(replace(SESSION, state=OFFLINE), agent("online", 300), runner)
    assert (shown.state.word, words(shown.evidence)) == ("paused", "20 of 20 runs today; goes on <in>")
    assert (shown.runs_today, shown.cost_today, shown.limit_key) == ("20", "$1.52", limit)


def test_only_what_is_possible_is_offered() -> None:
    assert [each.name for each in describe(WORKER).actions] == ["restart", "stop"]
    assert [each.name for each in describe(replace(WORKER, state=State.STOPPED, pid=None)).actions] == ["start"]
    assert describe(replace(WORKER, name="supervisor", kind="supervisor")).actions == ()
    assert all(each.asks_first for each in describe(WORKER).actions if each.name == "stop")


def test_the_tally_begins_with_what_is_worst() -> None:
    rows = [WORKER, replace(WORKER, state=State.FATAL, well=False), replace(WORKER, state="DEGRADED", well=False)]
    counts = count_words(describe_participants(TeamStatus(rows, {}, 40, None), NOW))
    assert [(state.word, count) for state, count in counts] == [("failed", 1), ("degraded", 1), ("running", 1)]
