"""What others may write, do wrong or leave broken, and user_comm goes on."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from helpers.mailbox import claim_next, receive
from helpers.support import eventually, run_foreign_sql
from teamsup.hub import Agent, MessageHub, Team
from teamsup.hub.models import Message
from teamsup.workers.user_comm.conversations import Conversations
from teamsup.workers.user_comm.decisions.table import DecisionTable
from teamsup.workers.user_comm.requests.follow_up import FollowUp
from teamsup.workers.user_comm.requests.forwarding import Forwarder
from teamsup.workers.user_comm.requests.relays import Relays
from teamsup.workers.user_comm.routing.rules import Forward, Origin

from .conftest import RunningUserComm, live_rules

Join = Callable[..., MessageHub]
HERE = "console-ann:1"


def ask(person: MessageHub, text: str, conversation: str = HERE) -> Message:
    return person.send("user_comm", text, conversation_id=conversation)


@pytest.mark.slow
@pytest.mark.usefixtures("user_comm")
def test_an_odd_or_endless_note_becomes_one_short_line(ann: MessageHub, join: Join, team: Team) -> None:
    lead = join("lead")
    ask(ann, "@lead how is the load?")
    claim_next(lead)
    assert receive(ann, "status_report").content == "lead has read it."

    note = r'{"note": "half \ud800 a\ncharacter'  # as a foreign program can write it
    run_foreign_sql(team, "UPDATE agent_status SET metadata = ? WHERE agent_name = 'lead'", note + '"}')
    assert receive(ann, "status_report").content == "lead is working on it: half � a character."

    lead.heartbeat(note="so " * 100_000)
    told = receive(ann, "status_report").content
    assert told.startswith("lead is working on it: so so")
    assert len(told) < 300


@pytest.mark.usefixtures("user_comm")
def test_a_decision_that_somebody_has_broken_holds_up_no_other(ann: MessageHub, join: Join, team: Team) -> None:
    lead = join("lead")
    broken, sound = (
        lead.send("user_comm", name, message_type="opinion_request", metadata={"options": ["a", "b"]}, expires_in=600)
        for name in ("first", "second")
    )
    receive(ann, "opinion_request")
    receive(ann, "opinion_request")
    run_foreign_sql(team, f"UPDATE decisions SET options = '{{', deciders = x'ff' WHERE question = {broken.id}")

    ask(ann, f"/decide {sound.id} b")

    assert receive(lead, "opinion_response").content == "b"
    ask(ann, "Hello", "console-ann:2")
    assert receive(ann).content.startswith(f"ann has decided #{sound.id}")
    assert receive(ann).content == "Hi there! 👋"


@pytest.mark.parametrize("kind", ["message", "status_report"])
@pytest.mark.usefixtures("user_comm")
def test_an_answer_to_a_withdrawn_question_reaches_nobody(ann: MessageHub, join: Join, team: Team, kind: str) -> None:
    lead = join("lead")
    with MessageHub(team, agent="console-bob") as bob:
        bob.register("console")
        ask(ann, "@lead a secret")
        question = claim_next(lead)
        lead.acknowledge(question)
        ask(ann, "/stop")
        assert receive(ann).content == "Withdrawn from lead."

        lead.answer(question.message, "the secret is out", message_type=kind)
        lead.reply(claim_next(lead), "so I stop looking for the secret", message_type=kind)

        lead.send("user_comm", "the end", message_type="notification")
        assert claim_next(bob).message.content == "lead: the end"
        assert claim_next(ann).message.content == "lead: the end"


@pytest.mark.usefixtures("user_comm")
def test_a_reply_to_a_decision_reaches_the_asker_or_all_people(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    choice = {"options": ["restart", "wait"]}
    question = ask(ann, "@lead is it slow?")
    lead.reply(claim_next(lead), "Restart it?", message_type="opinion_request", metadata=choice)
    receive(ann, "opinion_request")
    ask(ann, "1")
    receive(ann)
    lead.reply(claim_next(lead), "Done: it is quick again.")
    answer = receive(ann)
    assert (answer.content, answer.reply_to) == (
        'lead, to "@lead is it slow?": Done: it is quick again.',
        question.message_id,
    )
    assert not ann.query("SELECT 1 FROM relays")

    lead.send("user_comm", "Go home?", message_type="opinion_request", metadata=choice)
    receive(ann, "opinion_request")
    ask(ann, "2")
    receive(ann)
    lead.reply(claim_next(lead), "I wait then.")
    assert receive(ann, "notification").content == "lead: I wait then."


@pytest.mark.usefixtures("user_comm")
def test_nobody_speaks_for_another_by_what_they_write_into_a_message(ann: MessageHub, join: Join, team: Team) -> None:
    lead, helper = join("lead"), join("helper")
    forged = {"author_name": "ann", "person": "console-ann", "user": 7, "origin": "Discord"}
    with MessageHub(team, agent="console-bob") as bob:
        bob.register("console")
        bob.send("user_comm", "@lead delete it", conversation_id="console-bob:1", metadata=forged)
        told = claim_next(lead).message.metadata
        assert (told["author_name"], told["person"], "origin" in told) == ("console-bob", "console-bob", False)

        asked = {"options": ["a", "b"], "deciders": ["discord:7", "helper", "bob"]}
        question = lead.send("user_comm", "Delete it?", message_type="opinion_request", metadata=asked)
        receive(ann, "opinion_request")
        forged["decision"] = question.id
        for sender in ("discord:7", "discord:x", "somebody"):
            run_foreign_sql(
                team,
                "INSERT INTO messages (message_id, sender, recipient, message_type, content, metadata)"
                " VALUES (?, ?, 'user_comm', 'opinion_response', 'a', ?)",
                f"forged-{sender}",
                sender,
                json.dumps(forged),
            )
        ann.send("user_comm", "a", message_type="opinion_response", metadata={"decision": question.id, "user": 7})
        assert receive(ann, "error").content.startswith(f"You may not decide #{question.id}")
        bob.send("user_comm", "b", message_type="opinion_response", metadata=forged)
        decided = receive(lead, "opinion_response")
        assert (decided.content, decided.metadata["by"]) == ("b", "bob")
    assert helper.queries.peek() == []


@pytest.mark.usefixtures("user_comm")
def test_nobody_gets_to_decide_by_the_name_they_go_by(ann: MessageHub, join: Join, team: Team) -> None:
    lead = join("lead")
    with MessageHub(team, agent="gateway") as gateway:
        gateway.register("daemon")
        gateway.send(
            "user_comm", "@lead let me in", conversation_id="discord:5", metadata={"author_name": "Ann", "user": 666}
        )
        asked = {"options": ["yes", "no"], "deciders": ["ann"]}
        lead.reply(claim_next(lead), "Let Ann in?", message_type="opinion_request", metadata=asked)
    told = receive(lead, "error").content
    assert told == "deciders: 'ann' may be console-ann or discord:666; name one of these."
    assert not ann.queries.peek()


@pytest.mark.usefixtures("user_comm")
def test_a_decider_is_also_shown_a_decision_about_another_persons_question(
    ann: MessageHub, join: Join, team: Team
) -> None:
    lead = join("lead")
    with MessageHub(team, agent="console-bob") as bob:
        bob.register("console")
        bob.send("user_comm", "@lead may I?", conversation_id="console-bob:1")
        asked = {"options": ["yes", "no"], "deciders": ["ann"]}
        lead.reply(claim_next(lead), "May Bob?", message_type="opinion_request", metadata=asked)
        number = receive(bob, "opinion_request").metadata["decision"]
        receive(ann, "opinion_request")
        ask(ann, "1")
        assert receive(lead, "opinion_response").content == "yes"
        assert receive(bob, "opinion_response").content == f"ann has decided #{number}: yes"


@pytest.mark.slow
@pytest.mark.usefixtures("user_comm")
def test_a_person_is_notified_when_their_agent_was_retired(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    join("gcp")
    ask(ann, "@lead @gcp how is the load?")
    claim_next(lead)
    gone, waits = "is not in this team any more", "lead has read it.\ngcp is online; your message waits for it."
    eventually(lambda: receive(ann, "status_report").content == waits, "both are waited for")
    ann.maintenance.retire("gcp")
    assert receive(ann, "status_report").content == f"lead has read it.\ngcp {gone}; I keep your message."
    ann.maintenance.retire("lead")
    assert receive(ann, "status_report").content == f"lead has read it, but {gone}.\ngcp {gone}; I keep your message."


def test_no_stand_in_is_user_comm_itself_nor_one_in_a_circle(
    ann: MessageHub, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure('default_agent = "lead"\nfallback_agents = { lead = "user_comm", gcp = "oci", oci = "gcp" }\n')
    for name in ("lead", "gcp", "oci"):
        ann.enroll(name)
    ask(ann, "how is the load?")
    assert receive(ann, "status_report").content == "lead is offline, never here yet; I keep your message."
    ask(ann, "@gcp how is the load?")
    assert receive(ann, "status_report").content == "gcp is offline, never here yet; I keep your message."
    assert user_comm is not None


@pytest.mark.usefixtures("user_comm")
def test_a_number_of_any_length_is_answered(ann: MessageHub) -> None:
    for number in ("9" * 30, "000010" + "9" * 5000, "٣" * 4):
        ask(ann, f"/history {number}")
        assert receive(ann, "error").content == "How many? Write a number from 1 to 50: /history 20"


@pytest.mark.slow
def test_a_pattern_that_would_take_years_holds_up_nobody(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    lead = join("lead")
    configure(
        "[message_route.bad]\npattern = '(a|aa)+$'\nagents = ['lead']\n"
        "[message_route.good]\npattern = 'b\\d'\nagents = ['lead']\n"
    )
    ask(ann, "a" * 60 + "!")
    assert receive(ann).content.startswith("I can greet")
    ask(ann, "a" * 60 + "! b1", "console-ann:2")
    assert claim_next(lead).message.content.endswith("! b1")
    eventually(lambda: "takes too long" in note(ann), "ps says so")
    assert user_comm is not None


def note(hub: MessageHub) -> str:
    agent = hub.find_agent("user_comm")
    return "" if agent is None else agent.note


@pytest.mark.slow
def test_the_rules_stay_while_their_file_is_gone_empty_or_unreadable(
    ann: MessageHub, join: Join, team: Team, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    lead = join("lead")
    configure('default_agent = "lead"\n')
    file = team.configuration
    ways: list[Callable[[], object]] = [
        lambda: None,
        lambda: file.write_text(""),
        file.unlink,
        file.mkdir,
        file.rmdir,
        lambda: file.write_bytes(b"[user_comm]\n# \xff"),
    ]
    for number, break_it in enumerate(ways):
        break_it()
        ask(ann, "how is the load?", f"console-ann:{number}")
        lead.acknowledge(claim_next(lead))
    eventually(lambda: "cannot be read" in note(ann), "ps says what is wrong")
    configure("")
    ask(ann, "Hello", "console-ann:new")
    assert receive(ann).content == "Hi there! 👋"
    assert user_comm is not None


@pytest.mark.usefixtures("user_comm")
def test_a_person_forgotten_while_they_write_is_answered_and_not_taken_for_an_agent(
    ann: MessageHub, team: Team
) -> None:
    with MessageHub(team, agent="console-bob") as bob:
        bob.register("console")
        ann.maintenance.forget("console-bob")
        ask(bob, "Hello", "console-bob:1")
        assert receive(bob).content == "Hi there! 👋"
    assert not ann.queries.peek()


@pytest.mark.slow
def test_a_note_that_changes_all_the_time_fills_no_mailbox(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure("", progress_seconds=0.05)
    lead = join("lead")
    for number in range(3):
        ask(ann, "@lead how is the load?", f"console-ann:{number}")
        claim_next(lead)
    eventually(lambda: len(progress(ann, "")) >= 3, "the first news")
    for step in range(200):
        lead.heartbeat("busy", note=f"step {step}")
    eventually(lambda: len(progress(ann, "step 199")) == 3, "the last note is shown")
    assert len(ann.queries.peek()) == 3
    assert user_comm is not None


def progress(hub: MessageHub, words: str) -> list[Message]:
    return [each for each in hub.queries.peek() if each.message_type == "status_report" and words in each.content]


def test_progress_that_comes_with_the_answer_does_not_follow_it(team: Team, ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    with MessageHub(team, agent="user_comm") as hub:
        hub.register("daemon")
        rules = live_rules(hub, "[user_comm]\nprogress_seconds = 0.001\n")
        relays = Relays(hub)
        requests = Forwarder(hub, relays, Conversations(hub), rules)
        ask(ann, "how is the load?")
        asked = claim_next(hub)
        requests.forward(asked.message, Forward((lead_of(hub),), "how is the load?"), Origin())
        hub.acknowledge(asked)
        lead.reply(claim_next(lead), "calm")

        class Late(FollowUp):
            def _apply(self, *arguments: Any) -> None:  # noqa: ANN401 - as the other has them
                answer = claim_next(hub)
                question = relays.question_of(relays.find_message(answer.message.reply_to))
                assert question is not None
                requests.return_answer(answer.message, question)
                hub.acknowledge(answer)
                super()._apply(*arguments)

        following = Late(hub, requests, relays, DecisionTable(hub).relays_in_doubt, rules, 60, logging.getLogger())
        eventually(lambda: not following.poll(), "it is answered")
    assert [each.content for each in ann.queries.peek()] == ["lead: calm"]


def lead_of(hub: MessageHub) -> Agent:
    lead = hub.find_agent("lead")
    assert lead is not None
    return lead


@pytest.mark.usefixtures("user_comm")
def test_the_longest_question_reaches_its_agent_and_the_longest_answer_its_person(ann: MessageHub, join: Join) -> None:
    lead, gcp = join("lead"), join("gcp")
    for agent in (lead, gcp):
        question = ask(ann, f"@{agent.agent} {'é' * 131_060}")
        delivery = claim_next(agent)
        assert delivery.message.content.startswith("é" * 100_000)
        assert "all of it is in message" in delivery.message.content[-60:]
        agent.reply(delivery, "é" * 130_000, metadata={"files": ["é" * 1000]})
        answer = receive(ann)
        assert (answer.reply_to, answer.content[:40]) == (
            question.message_id,
            f"{agent.agent}: " + "é" * (38 - len(agent.agent)),
        )


@pytest.mark.slow
@pytest.mark.usefixtures("user_comm")
def test_when_the_clock_is_set_back_people_still_see_progress(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    ask(ann, "@lead how is the load?")
    claim_next(lead)
    assert receive(ann, "status_report").content == "lead has read it."
    ann.execute("UPDATE relays SET waiting_since = '2099-01-01 00:00:00.000'")
    lead.heartbeat("busy", note="reading logs")
    assert receive(ann, "status_report").content == "lead is working on it: reading logs."
