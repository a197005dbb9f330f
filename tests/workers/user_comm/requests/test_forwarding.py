"""From a person to an agent and back, with the real user_comm: the recipients, the progress and the end."""

from collections.abc import Callable

import pytest

from helpers.mailbox import claim_next, receive, receive_next
from helpers.support import eventually, round_ages
from teamsup.config.startable_agents import AGENT_RUNNER, StartableAgent
from teamsup.hub import MessageHub
from teamsup.hub.models import MAX_ATTEMPTS, Message, WakeStep
from teamsup.terminal.console import is_final_answer

from ..conftest import RunningUserComm

Join = Callable[..., MessageHub]
HERE = "console-ann:1"


def ask(person: MessageHub, text: str, conversation: str = HERE) -> Message:
    return person.send("user_comm", text, conversation_id=conversation)


def news(hub: MessageHub) -> str:
    return receive(hub, kind="status_report").content


@pytest.mark.slow
@pytest.mark.usefixtures("user_comm")
def test_each_step_is_reported_and_then_the_answer(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    question = ask(ann, "@lead how is the load?")
    assert news(ann) == "lead is online; your message waits for it."

    lead.wake_ladder.take_wake_step(WakeStep.ANNOUNCED)
    assert news(ann) == "lead is online and knows about your message."

    delivery = claim_next(lead)
    assert news(ann) == "lead has read it."

    lead.heartbeat("busy", note="asking the servers")
    told = receive(ann, kind="status_report")
    assert (told.content, told.reply_to) == ("lead is working on it: asking the servers.", question.message_id)

    lead.reply(delivery, "calm")
    answer = receive(ann)
    assert (answer.content, answer.reply_to, answer.conversation_id) == ("lead: calm", question.message_id, HERE)


def test_an_answer_that_comes_at_once_has_no_progress_before_it(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure("", progress_seconds=60)
    lead = join("lead")
    for _ in range(3):
        ask(ann, "@lead how is the load?")
        lead.reply(claim_next(lead), "calm")
        assert receive_next(ann).content == "lead: calm"
    assert user_comm is not None


@pytest.mark.usefixtures("user_comm")
def test_an_agents_own_news_are_not_an_answer_yet(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    ask(ann, "@lead how is the load?")
    delivery = claim_next(lead)
    lead.reply(delivery, "half of it", message_type="status_report")
    eventually(lambda: news(ann) == "lead: half of it", "the agent's news")
    lead.heartbeat("online", note="something else")
    lead.answer(delivery.message, "the most of it", message_type="status_report")
    assert news(ann) == "lead: the most of it", "what it has told is not replaced by what is only seen"
    lead.answer(delivery.message, "calm")
    assert receive(ann).content == "lead: calm"


@pytest.mark.usefixtures("user_comm")
def test_several_agents_are_asked_at_once_and_each_answers(ann: MessageHub, join: Join) -> None:
    lead, gcp = join("lead"), join("gcp")
    ask(ann, "@lead @gcp how is the load?")
    told = []
    for agent in (lead, gcp):
        agent.reply(claim_next(agent), f"calm at {agent.agent}")
        told.append(receive(ann))
    assert [each.content for each in told] == ["lead: calm at lead", "gcp: calm at gcp"]
    assert [is_final_answer(each) for each in told] == [False, True]


@pytest.mark.usefixtures("user_comm")
def test_a_conversation_stays_with_its_agent_until_it_begins_again(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    ask(ann, "@lead how is the load?")
    lead.reply(claim_next(lead), "calm")
    ask(ann, "Hello")
    again = claim_next(lead)
    assert again.message.content == "Hello"
    lead.reply(again, "hi")
    ask(ann, "Hello", "console-ann:2")
    eventually(lambda: receive(ann).content == "Hi there! 👋", "another conversation is with nobody")

    ask(ann, "/new")
    assert receive(ann).content.startswith("A new conversation.")
    ask(ann, "Hello")
    assert receive(ann).content == "Hi there! 👋"


@pytest.mark.usefixtures("user_comm")
def test_an_agent_that_takes_a_conversation_over_gets_its_history(ann: MessageHub, join: Join) -> None:
    lead, gcp = join("lead"), join("gcp")
    ask(ann, "/ask lead how is the load?")
    lead.reply(claim_next(lead), "ask gcp")
    receive(ann)
    ask(ann, "/agents")
    receive(ann)
    ask(ann, "@gcp how is it?")
    assert claim_next(gcp).message.content == (
        "how is it?\n(said here before:)\n> console-ann: /ask lead how is the load?\n> lead: ask gcp"
    )
    (taken_over,) = gcp.queries.history("gcp")
    assert taken_over.metadata["quotes"] == ["console-ann"], "so it can be forgotten"


def test_the_history_of_a_conversation_is_bounded_in_messages_and_characters(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure("history_messages = 100\n")
    lead, gcp = join("lead"), join("gcp")
    for number in range(16):
        ask(ann, f"@gcp {number} {'x' * 600}")
        gcp.acknowledge(claim_next(gcp))
    ask(ann, "@lead and now?")
    first, *lines = claim_next(lead).message.content.split("\n")
    assert (first, lines[:2]) == ("and now?", ["(said here before:)", "> …"])
    assert all(line.startswith("> console-ann: @gcp ") for line in lines[2:])
    assert 3000 < len("\n".join(lines)) < 4100

    configure("history_messages = 2\n")
    oci = join("oci")
    ask(ann, "@oci and now?")
    assert [line[:20] for line in claim_next(oci).message.content.split("\n")[2:]] == [
        "> console-ann: @gcp ",
        "> console-ann: @lead",
    ]
    assert user_comm is not None


@pytest.mark.usefixtures("user_comm")
def test_a_workers_answer_to_a_command_is_not_history(ann: MessageHub, join: Join) -> None:
    lead, supervisor = join("lead"), join("supervisor")
    supervisor.register("supervisor")
    ask(ann, "/ps")
    supervisor.reply(claim_next(supervisor), "user_comm: RUNNING")
    receive(ann)
    ask(ann, "@lead how is it?")
    assert claim_next(lead).message.content == "how is it?"


@pytest.mark.usefixtures("user_comm")
def test_a_person_and_the_way_they_came_by_stand_with_what_they_wrote(ann: MessageHub, join: Join) -> None:
    lead, gateway = join("lead"), join("gateway-later")
    gateway.maintenance.retire("gateway-later")
    ask(ann, "@lead hello")
    metadata = claim_next(lead).message.metadata
    assert (metadata["author_name"], metadata["person"], metadata.get("origin")) == ("console-ann", "console-ann", None)


@pytest.mark.usefixtures("user_comm")
def test_stop_takes_a_question_back_and_notifies_the_agent_that_has_read_it(ann: MessageHub, join: Join) -> None:
    lead, gcp = join("lead"), join("gcp")
    ask(ann, "@lead @gcp how is the load?")
    first = claim_next(lead)
    eventually(lambda: gcp.queries.peek(), "the other has it too")

    ask(ann, "/stop")

    assert receive(ann).content == "Withdrawn from lead, gcp."
    told = claim_next(lead).message
    assert (told.message_type, told.reply_to) == ("deleted", first.message.message_id)
    assert not gcp.queries.peek()
    lead.answer(first.message, "too late")
    ask(ann, "/stop")
    assert receive(ann).content == "You have no open question here."


@pytest.mark.slow
def test_an_agent_that_does_not_answer_is_reminded_and_its_person_is_notified(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure("remind_seconds = 1\nanswer_timeout_seconds = 4\n")
    lead = join("lead")
    ask(ann, "@lead how is the load?")
    delivery = claim_next(lead)
    lead.acknowledge(delivery)

    reminder = claim_next(lead)
    assert reminder.message.content == (
        f'console-ann still waits for your answer to #{delivery.message.id}: "how is the load?"'
    )
    eventually(lambda: "I have reminded it" in news(ann), "the person gets a notice of it")
    user_comm.kill()
    user_comm.start()
    given_up = receive(ann, kind="error").content
    assert given_up.startswith("lead has read it, but not answered within 4s.")

    lead.reply(reminder, "calm")
    assert receive(ann).content == "lead: calm"


@pytest.mark.slow
def test_a_reminder_quotes_the_question_alone_and_is_not_read_after_the_answer(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure("remind_seconds = 0.5\n")
    lead = join("lead")
    ask(ann, "Hello")
    receive(ann)
    ask(ann, "@lead how is the load?")
    delivery = claim_next(lead)
    assert "said here before" in delivery.message.content
    lead.acknowledge(delivery)
    eventually(lambda: lead.queries.peek(), "it is reminded")
    (reminder,) = lead.queries.peek()
    assert reminder.content.endswith(f'to #{delivery.message.id}: "how is the load?"')

    lead.answer(delivery.message, "calm")

    assert receive(ann).content == "lead: calm"
    eventually(lambda: not lead.queries.peek(), "nothing more is to be read")
    assert user_comm is not None


@pytest.mark.slow
def test_one_agent_that_is_given_up_leaves_the_others_open(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure("remind_seconds = 1\n")
    lead, gcp = join("lead"), join("gcp")
    ask(ann, "@lead @gcp how is the load?")
    gcp.acknowledge(claim_next(gcp))
    for _ in range(MAX_ATTEMPTS):
        lead.release(claim_next(lead), error="no network", delay=0)
    told = receive(ann, kind="error")
    assert "Your message to lead was given up" in told.content
    assert not is_final_answer(told)

    assert claim_next(gcp).message.content.startswith("console-ann still waits")
    assert user_comm is not None


def test_another_is_asked_instead_of_an_agent_that_is_not_there(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure('fallback_agents = { lead = "gcp" }\n')
    gcp = join("gcp")
    gcp.enroll("lead")
    ask(ann, "@lead how is the load?")
    assert news(ann) == "lead is offline, never here yet; I ask gcp instead."
    gcp.reply(claim_next(gcp), "calm")
    assert receive(ann).content == "gcp: calm"

    ask(ann, "@lead @gcp how is the load?", "console-ann:2")
    assert news(ann) == "lead is offline, never here yet; I ask gcp instead."
    gcp.reply(claim_next(gcp), "calm")
    assert receive(ann).content == "gcp: calm"
    assert not gcp.queries.peek()
    assert user_comm is not None


@pytest.mark.slow
def test_a_message_that_an_agent_leaves_unread_goes_to_its_fallback_agent(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure('fallback_agents = { lead = "gcp" }\n')
    lead, gcp = join("lead"), join("gcp")
    ask(ann, "@lead how is the load?")
    eventually(lambda: lead.queries.peek(), "it has come")
    lead.maintenance.mark_offline("lead")

    delivery = claim_next(gcp)

    assert delivery.message.content == "how is the load?"
    assert not lead.queries.peek()
    eventually(lambda: "; I ask gcp instead." in news(ann), "the person gets a notice")
    gcp.reply(delivery, "calm")
    assert receive(ann).content == "gcp: calm"
    assert user_comm is not None


@pytest.mark.slow
def test_new_rules_count_as_soon_as_they_are_saved_and_broken_ones_do_not(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    lead = join("lead")
    ask(ann, "Hello")
    assert receive(ann).content == "Hi there! 👋"

    configure('[message_route.load]\nkeywords = ["load"]\nagents = ["lead"]\n')
    ask(ann, "how is the load?", "console-ann:2")
    assert claim_next(lead).message.content == "how is the load?"

    configure("[message_route.load]\nkeywords = 7\n")
    ask(ann, "the load again", "console-ann:3")
    assert claim_next(lead).message.content == "the load again"
    eventually(lambda: "keywords must be a list" in note(ann), "what is wrong stands in ps")
    assert user_comm is not None


def note(hub: MessageHub) -> str:
    agent = hub.find_agent("user_comm")
    return "" if agent is None else agent.note


def test_a_person_may_have_only_so_much_open(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure("open_per_conversation = 2\nopen_per_person = 3\n")
    join("lead")
    for place in ("a", "a", "a", "b", "b"):
        ask(ann, "@lead hello", f"console-ann:{place}")
    refused = [receive(ann, kind="error").content for _ in range(2)]
    assert refused == [
        "This conversation has 2 open questions; wait for an answer, or withdraw them with /stop.",
        "You have 3 open questions; wait for an answer, or withdraw them with /stop.",
    ]
    assert user_comm is not None


@pytest.mark.usefixtures("user_comm")
def test_an_answer_that_comes_late_carries_what_it_answers(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    ask(ann, "@lead how is the load?")
    first = claim_next(lead)
    ask(ann, "and the disk?")
    lead.reply(first, "calm")
    assert receive(ann).content == 'lead, to "@lead how is the load?": calm'


@pytest.mark.usefixtures("user_comm")
def test_trace_and_history_show_this_conversation_alone(ann: MessageHub, join: Join) -> None:
    lead = join("lead")
    elsewhere = ask(ann, "@lead a secret", "console-bob:1")
    lead.acknowledge(claim_next(lead))
    ask(ann, "@lead how is the load?")
    claim_next(lead)

    ask(ann, "/trace")
    assert "how is the load?\n  lead: leased; stored just now, offered just now, read just now" in round_ages(
        receive(ann).content
    )
    ask(ann, f"/trace #{elsewhere.id}")
    assert receive(ann, "error").content == f"There is no message #{elsewhere.id} in this conversation."
    ask(ann, "/history 3")
    said = receive(ann).content
    assert "> console-ann: @lead how is the load?" in said
    assert "secret" not in said
    ask(ann, "/history many")
    assert receive(ann, "error").content == "How many? Write a number from 1 to 50: /history 20"


def test_an_absent_agent_that_a_message_starts_is_asked_itself(
    ann: MessageHub, join: Join, configure: Callable[..., None], user_comm: RunningUserComm
) -> None:
    configure('fallback_agents = { lead = "gcp" }\n')
    gcp = join("gcp")
    gcp.enroll("lead")
    with MessageHub(gcp.team, agent=AGENT_RUNNER) as runner:
        runner.register("daemon", startable={"lead": StartableAgent(("message",)).to_metadata()})
        ask(ann, "@lead how is the load?")

        assert news(ann) == "lead is asleep (a message starts it); your message waits for it."
    assert not gcp.queries.peek()
    assert user_comm is not None
