"""Decisions whose time ends while nobody looks."""

import time
from collections.abc import Callable

from hearing import hear
from support import eventually
from teamsup.hub import MessageHub
from teamsup.hub.clock import from_text

from .conftest import UserComm
from .test_decisions import ask, is_online, say

Join = Callable[..., MessageHub]


def test_what_was_answered_in_time_counts_although_user_comm_was_down_until_later(
    ann: MessageHub, join: Join, user_comm: UserComm
) -> None:
    lead = join("lead")
    eventually(lambda: is_online(lead), "user_comm runs")
    in_time, too_late = (ask(lead, f"{when}?", expires_in=3, default="wait") for when in ("in time", "too late"))
    assert {hear(ann, "opinion_request").metadata["decision"] for _ in range(2)} == {in_time.id, too_late.id}
    user_comm.kill()
    for number in range(20):
        say(ann, "Hello", f"console-ann:{number}")
    say(ann, f"/decide {in_time.id} restart")
    eventually(lambda: ends(lead) < time.time(), "the time is over")
    say(ann, f"/decide {too_late.id} restart", "console-ann:late")
    user_comm.start()
    answers = {answer.reply_to: answer.content for answer in (hear(lead, "opinion_response") for _ in range(2))}
    assert answers == {in_time.message_id: "restart", too_late.message_id: "wait"}
    assert hear(ann, "error").content.startswith("Nobody has decided")


def ends(hub: MessageHub) -> float:
    """When the last deadline is."""
    return max(
        moment.timestamp() for row in hub.rows("SELECT deadline FROM decisions") if (moment := from_text(row[0]))
    )
