"""What people decide, with the real user_comm: shown where they are, answered once, and never forgotten."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from helpers.mailbox import claim_next, receive, receive_next
from helpers.support import eventually, round_ages
from teamsup.config.components import installed_tables
from teamsup.hub import MessageHub, Team
from teamsup.hub.models import Message

from ..conftest import RunningUserComm

pytestmark = pytest.mark.both_engines

Join = Callable[..., MessageHub]
HERE = "console-ann:1"
PLACE = "discord:5"
HOME = "discord:9"


def ask(agent: MessageHub, text: str = "Restart it?", expires_in: float | None = None, **metadata: Any) -> Message:  # noqa: ANN401
    metadata.setdefault("options", ["restart", "wait"])
    return agent.send("user_comm", text, message_type="opinion_request", metadata=metadata, expires_in=expires_in)


def say(person: MessageHub, text: str, conversation: str = HERE) -> Message:
    return person.send("user_comm", text, conversation_id=conversation)


def press(gateway: MessageHub, shown: Message, option: str, *, user: int, name: str) -> Message:
    """As the gateway tells of a press of a button."""
    return gateway.send(
        "user_comm",
        option,
        message_type="opinion_response",
        conversation_id=shown.conversation_id,
        reply_to=shown.message_id,
        metadata={"author_name": name, "user": user},
    )


def state(hub: MessageHub, question: Message) -> str:
    rows = hub.query("SELECT state FROM decisions WHERE question = ?", (question.id,))
    return rows[0][0] if rows else ""


def is_online(hub: MessageHub) -> bool:
    found = hub.find_agent("user_comm")
    return found is not None and found.status == "online"


@pytest.fixture
def gateway(team: Team) -> Any:  # noqa: ANN401 - a fixture
    """The gateway's place in the team."""
    with MessageHub(team, agent="gateway") as hub:
        hub.register("daemon")
        hub.enroll("user_comm", "daemon")
        yield hub


@pytest.mark.usefixtures("user_comm")
def test_a_number_typed_where_it_was_shown_decides_and_the_agent_is_notified(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    question = ask(lead)
    shown = receive(ann, "opinion_request")
    assert shown.content.split("\n")[:3] == [f"lead asks (#{question.id}): Restart it?", "  1. restart", "  2. wait"]
    assert shown.metadata == {"decision": question.id, "asked_by": "lead", "options": ["restart", "wait"]}

    typed = say(ann, "2")

    answer = receive(lead, "opinion_response")
    assert (answer.content, answer.reply_to) == ("wait", question.message_id)
    assert answer.metadata["at"] == pytest.approx(time.time(), abs=60)
    assert dict(answer.metadata) | {"at": None} == {
        "decision": question.id,
        "state": "decided",
        "answer": "wait",
        "chosen": 1,
        "by": "ann",
        "person": "console-ann",
        "at": None,
        "author_name": "ann",
    }
    told = receive(ann, "message")
    assert (told.content, told.reply_to) == (f"ann has decided #{question.id}: wait", typed.message_id)


@pytest.mark.usefixtures("user_comm")
def test_it_is_shown_where_the_person_asked_and_nowhere_else(ann: MessageHub, join: Join) -> None:
    lead, bob = join("lead"), join("console-bob")
    bob.register("console")
    asked = say(ann, "@lead is it slow?")
    relay = claim_next(lead)
    lead.reply(relay, "Restart it?", message_type="opinion_request", metadata={"options": ["restart", "wait"]})

    shown = receive(ann, "opinion_request")
    assert (shown.conversation_id, shown.reply_to) == (HERE, asked.message_id)
    say(ann, "restart")
    assert receive(lead, "opinion_response").content == "restart"
    assert not bob.queries.peek()


@pytest.mark.usefixtures("user_comm")
def test_it_is_shown_in_the_conversation_that_an_agent_names(gateway: MessageHub, join: Join) -> None:
    lead = join("lead")
    gateway.send(
        "user_comm", "Hello", message_id="discord:1", conversation_id=PLACE, metadata={"author_name": "Ann", "user": 7}
    )
    receive(gateway, "message")
    lead.send("user_comm", "Which?", message_type="opinion_request", conversation_id=PLACE)
    shown = receive(gateway, "opinion_request")
    assert (shown.conversation_id, shown.reply_to) == (PLACE, "discord:1")
    assert shown.content.endswith("\nReply to this message with your answer.")


def test_it_is_shown_to_everybody_and_to_who_comes_later(
    ann: MessageHub, gateway: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure("[gateway]\nhome_channel = 9\n")
    lead = join("lead")
    question = ask(lead, deciders=["discord:7", "bob"])
    receive(ann, "opinion_request")
    at_home = receive(gateway, "opinion_request")
    assert (at_home.conversation_id, at_home.metadata["ping"]) == (HOME, [7])
    assert "To be decided by <@7> or bob." in at_home.content

    bob = join("console-bob")
    bob.register("console")
    receive(bob, "opinion_request")
    say(ann, "1")
    assert "You may not decide" in receive(ann, "error").content
    say(bob, "1", "console-bob:1")
    assert receive(lead, "opinion_response").content == "restart"
    for hub in (ann, gateway):
        told = receive(hub, "opinion_response")
        assert (told.content, told.metadata["chosen"]) == (f"bob has decided #{question.id}: restart", 0)
    assert not bob.wait(0) or claim_next(bob).message.message_type == "message"
    assert user_comm is not None


@pytest.mark.usefixtures("user_comm")
def test_one_of_two_people_who_press_at_once_decides_and_the_other_learns_who(
    gateway: MessageHub, join: Join, team: Team, configure: Callable[..., None]
) -> None:
    configure("[gateway]\nhome_channel = 9\n")
    lead = join("lead")
    question = ask(lead)
    shown = receive(gateway, "opinion_request")

    def press_as(user: int, name: str, option: str) -> None:
        with MessageHub(team, agent="gateway") as hub:
            press(hub, shown, option, user=user, name=name)

    both = [
        threading.Thread(target=press_as, args=(7, "Ann", "restart")),
        threading.Thread(target=press_as, args=(8, "Bob", "wait")),
    ]
    for each in both:
        each.start()
    for each in both:
        each.join()

    answer = receive(lead, "opinion_response")
    winner = {"restart": "Ann", "wait": "Bob"}[answer.content]
    assert answer.metadata["author_name"] == winner
    sentence = f"{winner} has decided #{question.id}: {answer.content}"
    told = {(message.message_type, message.content) for message in (receive_next(gateway), receive_next(gateway))}
    assert told == {("opinion_response", sentence), ("error", sentence)}
    assert not lead.queries.peek()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("/decide {} 7", "#{} has no such option. Choose one of: 1 restart, 2 wait."),
        ("/decide {}", "#{} has no such option. Choose one of: 1 restart, 2 wait."),
        ("/decide 99 1", "There is no such decision. To be decided: #{}."),
        ("/decide", "Write: /decide ID ANSWER. To be decided: #{}."),
        ("/decide wait", "Write: /decide ID ANSWER. To be decided: #{}."),
    ],
)
@pytest.mark.usefixtures("user_comm")
def test_a_wrong_answer_is_refused_with_a_sentence(ann: MessageHub, join: Join, text: str, sentence: str) -> None:
    lead = join("lead")
    question = ask(lead)
    receive(ann, "opinion_request")
    say(ann, text.format(question.id))
    assert receive(ann, "error").content == sentence.format(question.id)
    say(ann, f"/decide #{question.id} wait")
    assert receive(lead, "opinion_response").content == "wait"
    assert receive(ann, "message").content == f"ann has decided #{question.id}: wait"
    say(ann, f"/decide {question.id} restart")
    assert receive(ann, "error").content == f"ann has decided #{question.id}: wait"


@pytest.mark.usefixtures("user_comm")
def test_an_agent_may_not_decide_what_is_for_people(ann: MessageHub, join: Join) -> None:
    lead, helper = join("lead"), join("helper")
    question = ask(lead)
    receive(ann, "opinion_request")
    helper.send("user_comm", "restart", message_type="opinion_response", reply_to=question.message_id)
    assert receive(helper, "error").content == f"You may not decide #{question.id}."
    assert state(lead, question) == "open"


def test_an_agent_learns_of_deciders_that_the_team_does_not_know(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure("[gateway]\nusers = [8]\n")
    lead = join("lead")
    question = ask(lead, deciders=["ann", "bbo", "discord:7", "discord:8", "discord:9999999999999999999"])
    told = receive_next(lead)
    assert (told.message_type, told.reply_to) == ("status_report", question.message_id)
    assert told.content == (
        f"#{question.id} is asked, but the team does not know bbo or discord:7 or discord:9999999999999999999, "
        "who cannot decide it at present. Known consoles: ann."
    )
    assert told.metadata["unknown_deciders"] == ["bbo", "discord:7", "discord:9999999999999999999"]
    receive(ann, "opinion_request")

    join("gateway").heartbeat(paired=[7])
    ask(lead, deciders=["ann", "discord:7"])
    receive(ann, "opinion_request")
    assert not lead.queries.peek()

    configure("[gateway]\nusers = [8]\ndeciders = [8]\n")
    ask(lead, deciders=["discord:8", "discord:7"])
    assert receive_next(lead).metadata["unknown_deciders"] == ["discord:7"]
    assert user_comm is not None


@pytest.mark.usefixtures("user_comm")
def test_an_agent_that_asks_badly_gets_a_sentence(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    question = ask(lead, options=["only one"])
    told = receive(lead, "error")
    assert (told.content, told.reply_to) == (
        "There must be 2 to 5 options, or none for an answer in words.",
        question.message_id,
    )
    assert not ann.queries.peek()


@pytest.mark.usefixtures("user_comm")
def test_an_answer_in_words(ann: MessageHub, gateway: MessageHub, join: Join, configure: Callable[..., None]) -> None:
    configure("[gateway]\nhome_channel = 9\n")
    lead = join("lead")
    question = ask(lead, "What shall it be called?", options=[])
    shown = receive(ann, "opinion_request")
    assert shown.content.endswith(f"\nAnswer with: /decide {question.id} ANSWER")
    at_home = receive(gateway, "opinion_request")
    gateway.send(
        "user_comm",
        "Fred\n(in reply to team:)\n> What shall",
        message_id="discord:77",
        conversation_id=HOME,
        metadata={"author_name": "Ann", "user": 7, "replied_message": at_home.message_id, "body_length": 4},
    )
    answer = receive(lead, "opinion_response")
    assert (answer.content, answer.metadata["chosen"]) == ("Fred", None)
    assert receive(gateway, "message").reply_to == "discord:77"
    assert receive(ann, "opinion_response").content == f"Ann has decided #{question.id}: Fred"


@pytest.mark.usefixtures("user_comm")
def test_other_lines_go_where_they_always_go(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    ask(lead)
    receive(ann, "opinion_request")
    say(ann, "Hello")
    assert receive(ann, "message").content == "Hi there! 👋"
    say(ann, "@lead 1")
    assert claim_next(lead).message.content.startswith("1\n(said here before:)")


def test_a_number_without_an_option_is_answered_with_the_options(
    ann: MessageHub, gateway: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure('default_agent = "lead"\n[gateway]\nhome_channel = 9\n')
    lead = join("lead")
    question = ask(lead)
    receive(ann, "opinion_request")
    receive(gateway, "opinion_request")
    sentence = f"#{question.id} has no such option. Choose one of: 1 restart, 2 wait."
    say(ann, "7")
    assert receive(ann, "error").content == sentence
    by_ann = {"author_name": "Ann", "user": 7}
    gateway.send("user_comm", "7", message_id="discord:70", conversation_id=HOME, metadata=by_ann)
    told = receive(gateway, "error")
    assert told.content == sentence
    in_reply = {**by_ann, "replied_message": told.message_id}
    gateway.send("user_comm", "7", message_id="discord:71", conversation_id=HOME, metadata=in_reply)
    assert claim_next(lead).message.conversation_id == HOME

    ask(lead, "And that?")
    receive(ann, "opinion_request")
    say(ann, "7")
    assert claim_next(lead).message.conversation_id == HERE
    assert user_comm is not None


@pytest.mark.slow
@pytest.mark.usefixtures("user_comm")
def test_the_default_counts_when_nobody_has_decided_in_time(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    eventually(lambda: is_online(lead), "user_comm runs")
    question = ask(lead, expires_in=3, default="wait", default_denies=True)
    receive(ann, "opinion_request")
    answer = receive(lead, "opinion_response")
    assert (answer.content, answer.metadata["state"]) == ("wait", "defaulted")
    assert "author_name" not in answer.metadata
    told = receive(ann, "opinion_response").content
    assert told == f"Nobody has decided #{question.id} in time, so the default counts: wait"


@pytest.mark.slow
@pytest.mark.usefixtures("user_comm")
def test_a_decision_that_reached_no_decider_was_undeliverable_too(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    eventually(lambda: is_online(lead), "user_comm runs")
    for_bob = ask(lead, expires_in=3, deciders=["bob"])
    receive(ann, "opinion_request")
    assert receive(lead, "error").metadata["state"] == "undeliverable"
    assert state(lead, for_bob) == "undeliverable"
    assert (
        receive(ann, "opinion_response").content
        == f"#{for_bob.id} could not be shown in time to anybody who may decide it."
    )


@pytest.mark.slow
@pytest.mark.usefixtures("user_comm")
def test_a_shown_decision_expires_and_any_other_was_undeliverable(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    eventually(lambda: is_online(lead), "user_comm runs")
    shown = ask(lead, expires_in=3)
    receive(ann, "opinion_request")
    assert receive(lead, "error").content == f"Nobody has decided #{shown.id} in time."
    assert state(lead, shown) == "expired"
    receive(ann, "opinion_response")

    unseen = ask(lead, expires_in=2)
    told = receive(lead, "error")
    assert (told.content, told.metadata["state"]) == (
        f"#{unseen.id} could not be shown in time to anybody who may decide it.",
        "undeliverable",
    )
    # What can no longer be decided is not shown to who comes then.
    assert not ann.queries.peek()


def test_user_comm_settles_what_ended_while_it_was_down(
    ann: MessageHub, join: Join, user_comm: RunningUserComm
) -> None:
    lead = join("lead")
    user_comm.kill()
    with_default = ask(lead, expires_in=0.01, default="wait", default_denies=True)
    without = ask(lead, expires_in=0.01)
    tables = installed_tables()
    eventually(lambda: lead.maintenance.apply_all_deadlines(tables), "their time is over, and the hub has noticed")
    assert not lead.queries.peek()

    user_comm.start()

    counts, told = receive_next(lead), receive_next(lead)
    assert (counts.content, counts.reply_to, counts.metadata["state"]) == (
        "wait",
        with_default.message_id,
        "defaulted",
    )
    assert (told.message_type, told.reply_to, told.metadata["state"]) == ("error", without.message_id, "undeliverable")
    say(ann, "Hello")
    assert receive_next(ann).content == "Hi there! 👋"
    assert not lead.queries.peek()


@pytest.mark.usefixtures("user_comm")
def test_an_agent_cannot_decide_what_it_has_asked_in_any_way(ann: MessageHub, join: Join) -> None:
    lead, helper = join("lead"), join("helper")
    lead.heartbeat("online", pid=4711)
    helper.heartbeat("online", pid=4711)  # a subagent of the same session
    question = ask(lead, deciders=["helper", "ann"])
    receive(ann, "opinion_request")
    own = f"#{question.id} is your own question. Another person must decide it."
    for agent in (lead, helper):
        agent.send("user_comm", "1", message_type="opinion_response", metadata={"decision": question.id})
        assert receive(agent, "error").content == own
    ann.send("user_comm", f"/decide {question.id} 1", conversation_id=HERE, metadata={"session": "lead"})
    assert receive(ann, "error").content == own
    assert state(lead, question) == "open"
    say(ann, f"/decide {question.id} 1")
    assert receive(lead, "opinion_response").content == "restart"


def test_people_are_reminded_where_it_was_seen(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure("decision_reminder_seconds = 0.3")
    lead, bob = join("lead"), join("console-bob")
    bob.register("console")
    question = ask(lead)
    assert not receive(ann, "opinion_request").content.startswith("Still")
    reminder = round_ages(receive(ann, "opinion_request").content)
    assert reminder.startswith("Reminder of a question, asked just now. lead asks")
    assert receive(ann, "opinion_request").content.startswith("Reminder of a question")
    assert len(bob.queries.peek()) == 1
    say(ann, "1")
    receive(lead, "opinion_response")
    eventually(lambda: not bob.queries.peek(), "nobody need see it any more")
    assert state(lead, question) == "decided"
    assert user_comm is not None


@pytest.mark.slow
def test_a_decision_survives_the_kill_of_user_comm(ann: MessageHub, join: Join, user_comm: RunningUserComm) -> None:
    lead = join("lead")
    user_comm.kill()
    question = ask(lead)
    user_comm.start()
    receive(ann, "opinion_request")
    user_comm.kill()
    say(ann, "1")
    user_comm.start()
    assert receive(lead, "opinion_response").content == "restart"
    assert receive(ann, "message").content == f"ann has decided #{question.id}: restart"
    user_comm.kill()
    user_comm.start()
    late = ask(lead, expires_in=5, default="wait", default_denies=True)
    eventually(lambda: state(lead, late) == "open", "it is taken up")
    user_comm.kill()
    user_comm.start()
    assert receive(lead, "opinion_response").metadata["state"] == "defaulted"


@pytest.mark.slow
def test_killed_at_any_moment_user_comm_answers_each_once(
    ann: MessageHub, join: Join, user_comm: RunningUserComm
) -> None:
    lead = join("lead")
    questions = [ask(lead, f"Restart {number}?") for number in range(12)]
    for number, question in enumerate(questions):
        say(ann, f"/decide {question.id} {1 + number % 2}", f"console-ann:{number}")
    for kills in range(6):
        eventually(lambda: len(lead.queries.history("lead", limit=100)) > 12 + 2 * kills, "some are answered")  # noqa: B023
        user_comm.kill()
        user_comm.start()
    eventually(lambda: all(state(lead, question) == "decided" for question in questions), "all are decided")
    answers = [message for message in lead.queries.history("lead", limit=100) if message.recipient == "lead"]
    assert len(answers) == len(questions)
    chosen = {answer.reply_to: answer.content for answer in answers}
    assert [chosen[question.message_id] for question in questions] == ["restart", "wait"] * 6
    say(ann, "Hello")
    eventually(
        lambda: any(message.content == "Hi there! 👋" for message in ann.queries.history()), "user_comm is there"
    )


@pytest.mark.usefixtures("user_comm")
def test_a_decision_about_a_withdrawn_question_is_no_longer_needed(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    say(ann, "@lead is it slow?")
    relay = claim_next(lead)
    question = lead.answer(relay.message, "Restart?", message_type="opinion_request", metadata={"options": ["a", "b"]})
    receive(ann, "opinion_request")
    say(ann, "/stop")
    assert receive(ann, "opinion_response").content == f"#{question.id} no longer needs a decision."
    assert state(lead, question) == "withdrawn"


@pytest.mark.slow
def test_an_agent_that_waits_for_people_is_not_reminded_until_they_have_decided(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure("remind_seconds = 0.4", progress_seconds=0.1)
    lead = join("lead")
    say(ann, "@lead is it slow?")
    relay = claim_next(lead)
    lead.reply(relay, "Restart?", message_type="opinion_request", metadata={"options": ["a", "b"]})
    receive(ann, "opinion_request")
    assert not lead.wait(1)
    say(ann, "1")
    assert receive(lead, "opinion_response").content == "a"
    assert receive(lead, "message").content.startswith("console-ann still waits")
    assert user_comm is not None


@pytest.mark.usefixtures("user_comm")
def test_status_lists_what_is_to_be_decided(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    question = ask(lead)
    receive(ann, "opinion_request")
    say(ann, "/status")
    assert f"to be decided:\n#{question.id} lead, just now: Restart it? | 1 restart / 2 wait" in round_ages(
        receive(ann, "message").content
    )


@pytest.mark.usefixtures("user_comm")
def test_only_the_asker_takes_a_decision_back(ann: MessageHub, join: Join) -> None:
    lead, other = join("lead"), join("other")
    question = ask(lead)
    receive(ann, "opinion_request")
    others = other.send("user_comm", "mine", message_type="opinion_withdrawn", reply_to=question.message_id)
    lead.send("user_comm", "no more", message_type="opinion_withdrawn", reply_to=question.message_id)
    eventually(lambda: state(lead, question) == "withdrawn", "it is withdrawn")
    assert receive(ann, "opinion_response").content == f"#{question.id} no longer needs a decision."
    assert other.queries.trace(others.message_id)[0].outcome == "no decision of the sender"
    say(ann, "1")
    assert not lead.queries.peek()


@pytest.mark.usefixtures("user_comm")
def test_a_decision_that_people_made_first_is_not_taken_back(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    question = ask(lead)
    receive(ann, "opinion_request")
    say(ann, "1")
    assert receive(lead, "opinion_response").content == "restart"
    taken = lead.send("user_comm", "no more", message_type="opinion_withdrawn", reply_to=question.message_id)
    eventually(lambda: lead.queries.trace(taken.message_id)[0].outcome == "it had ended", "it is too late")
    assert state(lead, question) == "decided"
