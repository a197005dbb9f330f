"""What a page shows of runs, and what a person does about them there."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from teamsup.config.entries import ActionRejected, Age, EntrySource, Text, sort_needs
from teamsup.hub import Message, MessageHub
from teamsup.workers.agent_runner.commands.run_source import RunSource
from teamsup.workers.agent_runner.commands.waiting_agent_source import WaitingAgentSource
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.run_table import AgentPause, RunTable

Join = Callable[..., MessageHub]
SOURCE: EntrySource = RunSource()
WAITING: EntrySource = WaitingAgentSource()
NOW = datetime.now(UTC)


@pytest.fixture
def hub(join: Join) -> MessageHub:
    for name in ("user_comm", "agent-runner"):
        join(name)
    return join("web")


def words(text: Text) -> str:
    return "".join("(age)" if isinstance(part, Age) else part for part in text)


def add_run(hub: MessageHub, text: str = "check the backup", **values: object) -> Run:
    """Store a run for a message."""
    hub.enroll("gcp")
    message = hub.send("gcp", text)
    table = RunTable(hub)
    run = table.insert("gcp", Cause("message", message.message_id, message.id, "c1"), time.time())
    return table.update(run, **values) if values else run


@contextmanager
def answering(join: Join, name: str, answer: str, message_type: str = "message") -> Iterator[list[Message]]:
    """Let a worker answer each message; the list gets them."""
    heard: list[Message] = []
    hub, over = join(name), threading.Event()

    def serve() -> None:
        while not over.is_set():
            hub.wait(0.05)
            for delivery in hub.claim(10):
                heard.append(delivery.message)
                hub.reply(delivery, answer, message_type=message_type)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield heard
    finally:
        over.set()
        thread.join()


def test_runs_are_found_by_the_words_of_their_cause(hub: MessageHub) -> None:
    runs = [add_run(hub, text) for text in ("check the backup", "look at db1", "check db1")]
    found = SOURCE.rows(hub, {"words": "DB1 check"}, None, 10, NOW)
    assert [row.id for row in found] == [str(runs[2].id)]
    assert found[0].title == "check db1"
    assert [row.id for row in SOURCE.rows(hub, {"words": "db1"}, str(runs[2].id), 10, NOW)] == [str(runs[1].id)]


def test_the_title_of_a_run_is_the_first_line_of_its_cause(hub: MessageHub) -> None:
    run = add_run(hub, "\nIncident 1, critical\n<alert>\nlabels")
    assert SOURCE.rows(hub, {}, None, 1, NOW)[0].title == "Incident 1, critical"
    entry = SOURCE.entry(hub, str(run.id), NOW)
    assert entry is not None
    assert entry.title == "gcp: Incident 1, critical"


def test_an_unknown_run_needs_a_person_and_stands_for_the_decision_about_it(hub: MessageHub, join: Join) -> None:
    asked = hub.send("user_comm", "what now?")
    run = add_run(hub, state="unknown", starts=1, decision=asked.message_id, reason="it died in a call")
    (need,) = SOURCE.needs(hub, NOW)
    assert need.title == f"gcp, for message #{run.cause.message_number}: outcome unknown"
    assert need.state.shape == "unknown"
    assert need.replaces == ("decision", str(asked.id))
    assert [each.label for each in need.actions] == ["Run again…", "It is done…", "Drop…"]
    assert all(each.asks_first for each in need.actions)

    with answering(join, "user_comm", "ann has decided") as heard:
        assert SOURCE.act(hub, need.id, "again", need.version, "console-ann", "") == "ann has decided"
    assert (heard[-1].content, heard[-1].metadata["decision"]) == ("run it again", asked.id)
    assert heard[-1].sender.startswith("console-ann-")


def test_an_unknown_run_that_nobody_was_asked_about_can_only_be_dropped(hub: MessageHub, join: Join) -> None:
    run = add_run(hub, state="unknown", starts=1)
    (need,) = SOURCE.needs(hub, NOW)
    assert ([each.name for each in need.actions], need.replaces) == (["drop"], None)
    with answering(join, "agent-runner", "it is being stopped") as heard:
        assert SOURCE.act(hub, need.id, "drop", need.version, "console-ann", "") == "it is being stopped"
    assert heard[-1].content == f"stop {run.id}"


def test_a_run_that_is_over_or_runs_again_takes_no_old_action(hub: MessageHub) -> None:
    run = add_run(hub, state="running", starts=1)
    entry = SOURCE.entry(hub, str(run.id), NOW)
    assert entry is not None
    assert [each.label for each in entry.actions] == ["Stop…"]
    RunTable(hub).update(run, state="stopped", reason="ben stopped it")
    with pytest.raises(ActionRejected, match=f"Run {run.id} is stopped by now: ben stopped it"):
        SOURCE.act(hub, str(run.id), "stop", entry.version, "console-ann", "")
    with pytest.raises(ActionRejected, match="There is no run"):
        SOURCE.act(hub, "99", "stop", "", "console-ann", "")


def test_a_refusal_reaches_the_person(hub: MessageHub, join: Join) -> None:
    run = add_run(hub, state="running", starts=1)
    with (
        answering(join, "agent-runner", "it is over", "error"),
        pytest.raises(ActionRejected, match="it is over"),
    ):
        SOURCE.act(hub, str(run.id), "stop", "running|1", "console-ann", "")


def test_a_run_shows_its_cause_its_steps_and_its_cost(hub: MessageHub) -> None:
    run = add_run(hub, state="unknown", starts=2, started_at=time.time(), turns=3, usd=None)
    folder = hub.team.folder / "runs" / str(run.id)
    folder.mkdir(parents=True)
    rows = [
        {"id": "a", "tool": "Bash", "input": {"command": "df"}, "event": "began", "at": NOW.timestamp()},
        {"id": "a", "tool": "Bash", "event": "done", "at": NOW.timestamp() + 1},
        {"id": "b", "tool": "Bash", "input": {"command": "rm"}, "event": "began", "at": NOW.timestamp() + 2},
    ]
    (folder / "calls.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows) + "half a li")
    entry = SOURCE.entry(hub, str(run.id), NOW)
    assert entry is not None
    assert dict(entry.texts)["Cause"] == "check the backup"
    assert dict(entry.facts)["Cost"] == "?"
    steps = [(words(event.text), event.state.shape) for event in entry.timeline if "Bash" in words(event.text)]
    assert steps == [("Bash(command='df')", "well"), ("Bash(command='rm')", "unknown")]
    assert entry.timeline[-1].at is None, "the time of half a line is not known"


def test_the_list_is_read_in_pages_and_by_state(hub: MessageHub) -> None:
    runs = [add_run(hub, f"m{number}") for number in range(3)]
    RunTable(hub).update(runs[0], state="done", usd=0.25, turns=2, starts=1, ended_at=time.time())
    rows = SOURCE.rows(hub, {}, None, 2, NOW)
    assert [row.title for row in rows] == ["m2", "m1"]
    (last,) = SOURCE.rows(hub, {}, rows[-1].id, 2, NOW)
    assert (last.title, last.cells[2:]) == ("m0", ("2", "$0.2500"))
    assert [row.title for row in SOURCE.rows(hub, {"show": "done"}, None, 9, NOW)] == ["m0"]
    assert SOURCE.count_open(hub) == 2


def wait_at_limit(hub: MessageHub, join: Join, **start: object) -> None:
    hub.enroll("gcp")
    hub.send("gcp", "hello")
    obstacle = {"starts_on": ["message"], "obstacle": "it is at its limit of 12 runs an hour", **start}
    join("agent-runner").heartbeat(startable={"gcp": obstacle})


def test_messages_that_wait_for_an_agent_at_its_limit_need_a_person(hub: MessageHub, join: Join) -> None:
    wait_at_limit(hub, join, until=NOW.timestamp() + 60, limit="runs_per_hour in [agent.gcp]")
    (need,) = WAITING.needs(hub, datetime.now(UTC))
    assert words(need.evidence) == (
        "It is at its limit of 12 runs an hour. 1 message waits for it, the oldest (age)."
        " To raise the limit, change runs_per_hour in [agent.gcp] of teamsup.toml and save it."
    )
    assert need.deadline is not None
    assert (need.address, need.actions, need.state.word) == ("/team/gcp", (), "paused")


def test_a_pause_by_a_person_is_wanted_and_one_by_a_fault_is_not(hub: MessageHub, join: Join) -> None:
    wait_at_limit(hub, join, obstacle="ann paused it")
    RunTable(hub).pause(AgentPause("agent", "gcp", "ann paused it", 1.0))
    assert WAITING.needs(hub, datetime.now(UTC)) == []
    RunTable(hub).resume("agent", "gcp")
    RunTable(hub).pause(AgentPause("agent", "gcp", "its program is missing", 2.0, is_incident=True))
    (need,) = WAITING.needs(hub, datetime.now(UTC))
    assert (need.state.shape, [each.label for each in need.actions]) == ("failed", ["Resume"])
    with answering(join, "agent-runner", "gcp can be started again.") as heard:
        wait_at_limit(hub, join, obstacle="its program is missing")
        WAITING.act(hub, "gcp", "resume", need.version, "console-ann", "")
    assert heard[-1].content == "resume gcp"


def test_a_run_and_the_decision_about_it_are_shown_once(hub: MessageHub) -> None:
    asked = hub.send("user_comm", "what now?")
    add_run(hub, state="unknown", starts=1, decision=asked.message_id)
    (need,) = SOURCE.needs(hub, NOW)
    other = type(need)(
        "decision", str(asked.id), "Decision", "what now?", (), need.state, NOW, actions=(), version="open"
    )
    assert sort_needs([other, need]) == [need]
