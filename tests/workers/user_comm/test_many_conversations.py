"""Many people at once, and a user_comm that is killed among them."""

import random
import threading
from collections import defaultdict
from collections.abc import Callable

import pytest

from helpers.support import TIMEOUT_SECONDS
from teamsup.hub import MessageHub, Team

from .conftest import RunningUserComm

CONVERSATIONS, QUESTIONS, KILLS = 500, 2, 5
AGENTS = ("lead", "gcp-monitor", "oci-monitor")


def answer_all(team: Team, name: str, ended: threading.Event) -> None:
    with MessageHub(team, agent=name) as hub:
        while not ended.is_set():
            for delivery in hub.claim(20) if hub.wait(0.2) else []:
                hub.reply(delivery, f"answer to {delivery.message.content}")


def hear_all(ann: MessageHub, heard: dict[str | None, list[str]]) -> None:
    """Take what is there for her, news aside."""
    for delivery in ann.claim(100):
        message = delivery.message
        if message.message_type != "status_report":
            heard[message.conversation_id].append(message.content)
        ann.acknowledge(delivery)


@pytest.mark.slow
def test_every_question_is_answered_once_and_in_order(
    team: Team, ann: MessageHub, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure("open_per_person = 10000\n")
    ended = threading.Event()
    heard: dict[str | None, list[str]] = defaultdict(list)
    for name in AGENTS:
        ann.enroll(name)
    agents = [threading.Thread(target=answer_all, args=(team, name, ended)) for name in AGENTS]
    for agent in agents:
        agent.start()
    chance = random.Random(7)  # noqa: S311
    kill_at = {chance.randrange(CONVERSATIONS * QUESTIONS) for _ in range(KILLS)}
    try:
        for number in range(CONVERSATIONS * QUESTIONS):
            conversation, question = number % CONVERSATIONS, number // CONVERSATIONS
            text = f"@{AGENTS[conversation % 3]} {conversation}.{question}"
            ann.send("user_comm", text, conversation_id=f"console-ann:{conversation}")
            if number in kill_at:
                user_comm.kill()
                user_comm.start()

        while sum(map(len, heard.values())) < CONVERSATIONS * QUESTIONS:
            assert ann.wait(TIMEOUT_SECONDS), "the last answers"
            hear_all(ann, heard)
    finally:
        ended.set()
        for agent in agents:
            agent.join(TIMEOUT_SECONDS)

    for conversation in range(CONVERSATIONS):
        name = AGENTS[conversation % 3]
        answers = [content.partition(": ")[2] for content in heard[f"console-ann:{conversation}"]]
        assert answers == [f"answer to {conversation}.{question}" for question in range(QUESTIONS)], name
    answers_sent = "SELECT count(*) FROM messages WHERE recipient = ? AND message_type <> 'status_report'"
    assert ann.query(answers_sent, (ann.agent,))[0][0] == CONVERSATIONS * QUESTIONS
