"""What a message to user_comm is."""

from typing import Any

import pytest

from teamsup.hub import Message
from teamsup.workers.user_comm.classification import (
    AgentReply,
    Announcement,
    Classification,
    DecisionAnswer,
    DecisionRequest,
    Deletion,
    Edit,
    FailedMessage,
    Ignorable,
    MessageContext,
    Progress,
    Question,
    classify,
)


def write(sender: str, message_type: str = "message", **more: Any) -> Message:  # noqa: ANN401 - fields of a message
    fields = {"recipient": "user_comm", "content": "hello", "message_type": message_type} | more
    return Message(9, "m9", sender, **fields)


ASKED = Message(1, "discord:1", "gateway", "user_comm", "how is the load?")
RELAY = Message(2, "m2", "user_comm", "lead", "how is the load?", metadata={"question": ASKED.message_id})
SHOWN = Message(3, "m3", "user_comm", "gateway", "lead: calm", reply_to=ASKED.message_id)
RELAYED = MessageContext(replied=RELAY, question=ASKED)
NOTHING = MessageContext()
FROM_AGENT, FROM_PERSON = MessageContext(sender_kind="agent"), MessageContext(sender_kind="console")


@pytest.mark.parametrize(
    ("message", "context", "kind"),
    [
        (write("console-ann"), FROM_PERSON, Question()),
        (write("gateway"), MessageContext(sender_kind="daemon"), Question()),
        (write("a-shell"), NOTHING, Question()),
        (write("lead"), FROM_AGENT, Announcement()),
        (write("lead", "notification"), FROM_AGENT, Announcement()),
        (write("lead", "status_report", recipient=None), FROM_AGENT, Announcement()),
        (write("lead", recipient=None), FROM_AGENT, Ignorable()),
        (write("console-ann", content="2"), MessageContext(decision=7), DecisionAnswer(7, "2")),
        (write("lead", content="2"), MessageContext(sender_kind="agent", decision=7), Announcement()),
        (write("gateway", "opinion_response", content="yes"), MessageContext(decision=7), DecisionAnswer(7, "yes")),
        (write("lead", "opinion_response", content="yes"), FROM_AGENT, DecisionAnswer(0, "yes")),
        (write("lead", "opinion_request", reply_to="m2"), RELAYED, DecisionRequest()),
        (write("lead", metadata={"options": ["a", "b"]}), FROM_AGENT, DecisionRequest()),
        (write("gateway", "edited", reply_to="discord:1"), NOTHING, Edit("discord:1")),
        (write("gateway", "deleted", reply_to="discord:1"), NOTHING, Deletion("discord:1")),
        (write("gateway", "deleted"), NOTHING, Question()),
        (write("lead", "deleted", reply_to="m2"), RELAYED, AgentReply(ASKED)),
        (write("lead", reply_to="m2"), RELAYED, AgentReply(ASKED)),
        (write("lead", "notification", reply_to="m2"), RELAYED, AgentReply(ASKED)),
        (write("hub", "error", reply_to="m2"), RELAYED, AgentReply(ASKED)),
        (write("lead", "status_report", reply_to="m2"), RELAYED, Progress(ASKED)),
        (write("gateway", "error", reply_to="m3"), MessageContext(replied=SHOWN), FailedMessage(SHOWN)),
        (write("hub", "error", reply_to="m3"), MessageContext(replied=SHOWN), FailedMessage(SHOWN)),
        (write("lead", "error", reply_to="m3"), MessageContext(replied=SHOWN), Ignorable()),
        (write("gateway", reply_to="m3"), MessageContext(replied=SHOWN), Ignorable()),
        (write("lead", reply_to="m4"), MessageContext(is_decision_outcome=True), Announcement()),
        (write("lead", reply_to="gone"), NOTHING, Ignorable()),
        (write("lead", "status_report", reply_to="gone"), NOTHING, Announcement()),
    ],
)
def test_the_kind_of_a_message_follows_from_it_and_from_the_message_that_it_answers(
    message: Message, context: MessageContext, kind: Classification
) -> None:
    assert classify(message, context) == kind


@pytest.mark.parametrize("message_type", ["message", "status_report", "error"])
def test_an_answer_to_what_a_person_has_withdrawn_is_ignored(message_type: str) -> None:
    answer = write("lead", message_type, reply_to="m2")
    withdrawn = classify(answer, MessageContext(replied=RELAY, question=ASKED, is_withdrawn=True))
    assert withdrawn == Ignorable("the person has withdrawn the question")
    reminder = classify(answer, MessageContext(replied=RELAY, is_withdrawn=True))
    assert reminder == Ignorable("about a withdrawn question")
