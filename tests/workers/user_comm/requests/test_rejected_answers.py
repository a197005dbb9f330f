"""An answer that does not reach its person on Discord: the agent whose words they were hears of it."""

from collections.abc import Callable

import pytest

from helpers.mailbox import claim_next, receive
from helpers.support import run_foreign_sql
from teamsup.hub import Message, MessageHub, Team

Join = Callable[..., MessageHub]
PLACE = "discord:77"


@pytest.fixture
def gateway(join: Join) -> MessageHub:
    hub = join("gateway")
    hub.register("daemon")
    hub.enroll("user_comm", "daemon")
    return hub


def ask(gateway: MessageHub, words: str) -> Message:
    return gateway.send("user_comm", words, message_id="discord:1", conversation_id=PLACE, metadata={"user": 5})


@pytest.mark.usefixtures("user_comm")
def test_the_agent_whose_answer_discord_refuses_is_notified(gateway: MessageHub, join: Join) -> None:
    lead = join("lead")
    ask(gateway, "@lead how is it?")
    answer = lead.reply(claim_next(lead), "well")
    shown = receive(gateway)
    gateway.answer(shown, f"Discord did not accept message #{shown.id}: Missing Permissions.", message_type="error")
    told = receive(lead, kind="error")
    assert (
        told.content
        == f"About your message #{answer.id}: Discord did not accept message #{shown.id}: Missing Permissions."
    )
    assert told.reply_to == answer.message_id
    gcp = join("gcp")
    gateway.send("user_comm", "@gcp and you?", message_id="discord:2", conversation_id=PLACE, metadata={"user": 5})
    assert "Discord" not in claim_next(gcp).message.content, "it is not a part of the answer"


@pytest.mark.usefixtures("user_comm")
def test_the_agent_whose_news_discord_refuses_is_notified(
    gateway: MessageHub, join: Join, configure: Callable[..., None]
) -> None:
    configure("[gateway]\nhome_channel = 9\n")
    lead = join("lead")
    news = lead.send("user_comm", "the disk is full")
    shown = receive(gateway, kind="notification")
    gateway.answer(shown, "Discord did not accept it.", message_type="error")
    assert receive(lead, kind="error").reply_to == news.message_id


@pytest.mark.usefixtures("user_comm")
def test_the_agent_whose_question_discord_does_not_show_is_notified(
    gateway: MessageHub, join: Join, configure: Callable[..., None]
) -> None:
    configure("[gateway]\nhome_channel = 9\n")
    lead = join("lead")
    lead.send("user_comm", "Restart it?", message_type="opinion_request", metadata={"options": ["yes", "no"]})
    shown = receive(gateway, kind="opinion_request")
    gateway.answer(shown, "Discord did not accept it.", message_type="error")
    told = receive(lead, kind="error")
    assert (
        told.content
        == f"People on Discord do not see your question #{shown.metadata['decision']}: Discord did not accept it."
    )


@pytest.mark.usefixtures("user_comm")
def test_an_answer_that_the_hub_gives_up_is_reported_to_the_person_and_the_agent(
    gateway: MessageHub, join: Join, team: Team
) -> None:
    lead = join("lead")
    question = ask(gateway, "@lead how is it?")
    lead.reply(claim_next(lead), "well")
    shown = receive(gateway)
    into = "messages (message_id, sender, recipient, message_type, content, conversation_id, reply_to)"
    values = "given-up", "hub", "user_comm", "error", "Your message was given up.", PLACE, shown.message_id
    run_foreign_sql(team, f"INSERT INTO {into} VALUES (?, ?, ?, ?, ?, ?, ?)", *values)
    told = receive(gateway, kind="error")
    assert told.reply_to == question.message_id
    assert told.content == f"The answer to this could not be shown. It is kept as message #{shown.id}."
    assert "given up" in receive(lead, kind="error").content
