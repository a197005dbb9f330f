"""Where a decision is shown, as the team's database has it."""

from collections.abc import Callable

import pytest

from teamsup.hub import MessageHub
from teamsup.workers.user_comm.decisions.decision import DecisionSpec
from teamsup.workers.user_comm.decisions.table import DecisionTable

pytestmark = pytest.mark.both_engines

Join = Callable[..., MessageHub]


def test_a_decision_is_shown_where_the_gateway_has_sent_it_too(join: Join) -> None:
    """As in a thread, which the gateway makes from a question in a channel."""
    lead, user_comm, gateway = join("lead"), join("user_comm"), join("gateway")
    table = DecisionTable(user_comm)
    asked = lead.send("user_comm", "Deploy?", message_type="opinion_request")
    decision = table.insert(asked, DecisionSpec(), is_public=False)
    table.add_showing(decision.number, user_comm.send("gateway", "Deploy?", conversation_id="discord:5"), "gateway")
    (delivery,) = gateway.claim()
    gateway.acknowledge(delivery, outcome="sent to discord:9")

    for conversation, shown in (("discord:5", [decision]), ("discord:9", [decision]), ("discord:90", [])):
        assert table.shown_in("gateway", conversation, 0.0) == shown


def test_it_is_shown_in_the_thread_of_its_question_before_the_gateway_says_so(join: Join) -> None:
    lead, user_comm, gateway = join("lead"), join("user_comm"), join("gateway")
    table = DecisionTable(user_comm)
    asked = lead.send("user_comm", "Deploy?", message_type="opinion_request")
    decision = table.insert(asked, DecisionSpec(), is_public=False)
    question = gateway.send("user_comm", "?", conversation_id="discord:5", message_id="discord:9")
    showing = user_comm.send("gateway", "Deploy?", conversation_id="discord:5", reply_to=question.message_id)
    table.add_showing(decision.number, showing, "gateway")
    assert table.shown_in("gateway", "discord:9", 0.0) == []

    gateway.claim()

    assert table.shown_in("gateway", "discord:9", 0.0) == [decision]
