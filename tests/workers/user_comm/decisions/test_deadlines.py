"""Decisions whose time ends while nobody looks."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helpers.mailbox import claim_next, receive, receive_next
from helpers.support import eventually
from teamsup.config.loader import Config
from teamsup.hub import MessageHub, Team
from teamsup.hub.timestamps import parse_time
from teamsup.workers.user_comm.decisions.service import DecisionService
from teamsup.workers.user_comm.decisions.table import DecisionTable
from teamsup.workers.user_comm.requests.relays import Relays
from teamsup.workers.user_comm.user_comm_daemon import UserCommDaemon

from ..conftest import RunningUserComm, live_rules
from .test_service import ask, is_online, say

Join = Callable[..., MessageHub]


@pytest.mark.slow
def test_an_answer_in_time_counts_although_user_comm_was_down_until_later(
    ann: MessageHub, join: Join, user_comm: RunningUserComm
) -> None:
    lead = join("lead")
    eventually(lambda: is_online(lead), "user_comm runs")
    denial: dict[str, Any] = {"default": "wait", "default_denies": True}
    in_time, too_late = (ask(lead, f"{when}?", expires_in=3, **denial) for when in ("in time", "too late"))
    assert {receive(ann, "opinion_request").metadata["decision"] for _ in range(2)} == {in_time.id, too_late.id}
    user_comm.kill()
    for number in range(20):
        say(ann, "Hello", f"console-ann:{number}")
    say(ann, f"/decide {in_time.id} restart")
    eventually(lambda: ends(lead) < time.time(), "the time is over")
    say(ann, f"/decide {too_late.id} restart", "console-ann:late")
    user_comm.start()
    answers = {answer.reply_to: answer.content for answer in (receive(lead, "opinion_response") for _ in range(2))}
    assert answers == {in_time.message_id: "restart", too_late.message_id: "wait"}
    assert receive(ann, "error").content.startswith("Nobody has decided")


@pytest.fixture
def user_comm_hub(team: Team) -> Iterator[MessageHub]:
    """user_comm's place in the team."""
    with MessageHub(team, agent="user_comm") as hub:
        hub.register("daemon")
        yield hub


def deciding(user_comm: MessageHub) -> DecisionService:
    """What people decide, with the time in our hands."""
    return DecisionService(
        user_comm, DecisionTable(user_comm), live_rules(user_comm), Relays(user_comm), logging.getLogger("none")
    )


def read_mailbox(user_comm: MessageHub) -> None:
    """Act on the next message as user_comm does."""
    UserCommDaemon(user_comm, Config(user_comm.team)).process_delivery(claim_next(user_comm))


def test_a_default_that_allows_counts_only_thirty_seconds_after_it_was_shown(
    ann: MessageHub, user_comm_hub: MessageHub, join: Join
) -> None:
    lead, decisions = join("lead"), deciding(user_comm_hub)
    ask(lead, expires_in=5, default="restart")
    ask(lead, expires_in=5, default="wait", default_denies=True)
    began = time.time()
    for _ in range(2):
        read_mailbox(user_comm_hub)

    shown = receive(ann, "opinion_request"), receive(ann, "opinion_request")
    assert [each.content.rpartition("; then ")[2] for each in shown] == [
        "this counts: restart.",
        "this counts, and nothing is done: wait.",
    ]
    decisions.run_due(began + 20)
    assert receive_next(lead).content == "wait"
    decisions.run_due(began + 29)
    assert not lead.queries.peek()
    decisions.run_due(began + 60)
    assert receive_next(lead).content == "restart"


def test_an_answer_before_a_default_counts_still_decides(
    ann: MessageHub, user_comm_hub: MessageHub, join: Join
) -> None:
    lead, decisions = join("lead"), deciding(user_comm_hub)
    question = ask(lead, expires_in=0.3, default="restart")
    read_mailbox(user_comm_hub)
    receive(ann, "opinion_request")
    eventually(lambda: ends(lead) < time.time(), "the time is over")
    decisions.run_due(time.time())
    say(ann, "wait")
    read_mailbox(user_comm_hub)
    answer = receive_next(lead)
    assert (answer.content, answer.reply_to, answer.metadata["state"]) == ("wait", question.message_id, "decided")


def test_a_default_that_allows_does_not_count_when_only_the_asker_could_have_seen_it(
    ann: MessageHub, user_comm_hub: MessageHub
) -> None:
    decisions = deciding(user_comm_hub)
    ask(ann, expires_in=5, default="restart")
    read_mailbox(user_comm_hub)
    receive(ann, "opinion_request")
    decisions.run_due(time.time() + 60)
    told = receive(ann, "error")
    assert told.metadata["state"] == "undeliverable"
    assert told.metadata["answer"] is None
    assert told.content.endswith("so its default does not count: restart")


def ends(hub: MessageHub) -> float:
    """When the last deadline is."""
    return max(
        moment.timestamp() for row in hub.query("SELECT deadline FROM decisions") if (moment := parse_time(row[0]))
    )
