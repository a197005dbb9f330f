"""The progress that a waiting person sees."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from teamsup.hub import Agent
from teamsup.terminal.formatting import format_clock
from teamsup.workers.user_comm.requests.progress import (
    NextAction,
    OpenRelay,
    ProgressTimeouts,
    RequestStatus,
    decide_next_action,
)

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
THEN = NOW - timedelta(hours=1)
LEAD = Agent("lead", "agent", "online", NOW, {}, 0)
BUSY = Agent("lead", "agent", "busy", NOW, {"note": "reading logs"}, 0)
GONE = Agent("lead", "agent", "offline", THEN, {}, 0)
SILENT = Agent("lead", "agent", "online", THEN, {}, 0)
ASLEEP = Agent("lead", "agent", "asleep", NOW, {"note": "a message starts it"}, 0)
LIMITED = Agent("lead", "agent", "offline", THEN, {"obstacle": "not started now: its limit of today is reached"}, 0)
NEVER = Agent("lead", "agent", "offline", None, {}, 0)
PATIENCE = ProgressTimeouts(unread=60, remind=300, give_up=3600)
SINCE = format_clock(THEN, NOW)


def standing(agent: Agent, age: float = 5, **more: Any) -> RequestStatus:  # noqa: ANN401 - what it is made of
    since = NOW - timedelta(seconds=age)
    usual = {"last_progress": "", "is_reminded": False, "state": "leased", "is_offered": False, "is_read": False}
    return RequestStatus(agent, OpenRelay(2, "id", 1, agent.name, since, **{**usual, "report": "", **more}))


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (standing(LEAD), "lead is online; your message waits for it."),
        (standing(BUSY), "lead is busy (reading logs); your message waits for it."),
        (standing(LEAD, is_offered=True), "lead is online and knows about your message."),
        (standing(LEAD, 61), "lead is online and has not read this yet; I keep your message (#2)."),
        (standing(GONE), f"lead is offline since {SINCE}; I keep your message."),
        (standing(SILENT), f"lead is silent since {SINCE}; I keep your message."),
        (standing(NEVER), "lead is offline, never here yet; I keep your message."),
        (standing(GONE, 4000), f"lead is offline since {SINCE}; I keep your message."),
        (standing(ASLEEP), "lead is asleep (a message starts it); your message waits for it."),
        (standing(ASLEEP, is_read=True), "lead has read it."),
        (standing(LIMITED), "lead is not started now: its limit of today is reached; I keep your message."),
        (standing(LEAD, is_read=True), "lead has read it."),
        (standing(BUSY, is_read=True), "lead is working on it: reading logs."),
        (standing(GONE, is_read=True), f"lead has read it, but is offline since {SINCE}."),
        (standing(LEAD, state="done"), "lead has read it and continued, but has not answered so far."),
        (standing(LEAD, state="done", report="half\nof it"), "lead: half of it"),
        (standing(BUSY, is_read=True, is_reminded=True, report="half"), "lead: half; I have reminded it."),
        (standing(GONE, state="done", report="half"), f"lead has read it, but is offline since {SINCE}."),
        (standing(LEAD, 400, is_read=True, is_reminded=True), "lead has read it; I have reminded it."),
    ],
)
def test_each_change_has_its_line(how: RequestStatus, sentence: str) -> None:
    assert decide_next_action(how, PATIENCE, NOW) == NextAction(sentence)


def test_an_agent_that_has_read_and_does_not_answer_is_reminded_once() -> None:
    how = standing(LEAD, 300, is_read=True)
    assert decide_next_action(how, PATIENCE, NOW) == NextAction("lead has read it; I have reminded it.", remind=True)
    reminded = standing(LEAD, 300, is_read=True, is_reminded=True)
    assert not decide_next_action(reminded, PATIENCE, NOW).remind


@pytest.mark.parametrize("agent", [ASLEEP, LIMITED, replace(BUSY, metadata={"note": "Bash", "run": 7})])
def test_an_agent_that_is_started_for_its_messages_is_not_reminded(agent: Agent) -> None:
    assert not decide_next_action(standing(agent, 400, is_read=True), PATIENCE, NOW).remind


def test_an_agent_that_has_not_read_is_neither_reminded_nor_given_up() -> None:
    found = decide_next_action(standing(LEAD, 4000), PATIENCE, NOW)
    assert (found.remind, found.give_up) == (False, False)


def test_in_the_end_the_person_is_notified() -> None:
    assert decide_next_action(standing(LEAD, 3600, is_read=True, is_reminded=True), PATIENCE, NOW) == NextAction(
        "lead has read it, but not answered within 1h 0m. If it still does, you get the answer.", give_up=True
    )


def test_the_sentence_does_not_change_while_nothing_does() -> None:
    for agent in (LEAD, BUSY, GONE, SILENT, NEVER):
        told = {decide_next_action(standing(agent, age, is_offered=True), PATIENCE, NOW).sentence for age in (5, 6, 50)}
        assert len(told) == 1
