"""What may be said, to whom, and that it is kept."""

from collections.abc import Callable

import pytest

from teamsup.hub import (
    InvalidDuration,
    InvalidMessage,
    InvalidName,
    MessageConflict,
    MessageHub,
    ReplyLoop,
    StaleLease,
    Team,
    UnknownMessage,
    UnknownRecipient,
)
from teamsup.hub.models import MAX_HOPS, MAX_MESSAGE_BYTES

Join = Callable[..., MessageHub]


def test_a_message_arrives_as_it_was_sent(join: Join) -> None:
    lead, scout = join("lead"), join("scout")

    sent = lead.send(
        "scout", "Grüße 👋", priority="high", message_type="task_request", metadata={"n": 1}, conversation_id="c"
    )

    (delivery,) = scout.claim()
    assert (delivery.message.sender, delivery.message.content) == ("lead", "Grüße 👋")
    assert (delivery.message.priority, delivery.message.message_type) == ("high", "task_request")
    assert (delivery.message.metadata, delivery.message.conversation_id) == ({"n": 1}, "c")
    assert delivery.message.message_id == sent.message_id


def test_a_message_outlives_the_hub_that_sent_it(team: Team) -> None:
    with MessageHub(team, agent="scout") as scout:
        scout.register()
    with MessageHub(team, agent="lead") as lead:
        lead.send("scout", "still there?")

    with MessageHub(team, agent="scout") as scout:
        assert [delivery.message.content for delivery in scout.claim()] == ["still there?"]


def test_names_are_folded(join: Join) -> None:
    scout = join(" Scout ")

    join("lead").send("SCOUT", "hi")

    assert scout.agent == "scout"
    assert len(scout.claim()) == 1


@pytest.mark.parametrize("name", ["", " ", "a/b", "../x", "-x", "ä", "x" * 65, "a b", "a\x00"])
def test_a_name_that_does_not_match_the_rule_is_refused(team: Team, name: str) -> None:
    with pytest.raises(InvalidName, match="is not a name"):
        MessageHub(team, agent=name)


def test_nobody_can_take_the_name_of_the_hub_itself(team: Team) -> None:
    with pytest.raises(InvalidName, match="choose another name"):
        MessageHub(team, agent="hub")


def test_sending_to_an_unknown_name_is_an_error_that_helps(join: Join) -> None:
    lead = join("lead")
    join("gcp-monitor")

    with pytest.raises(UnknownRecipient, match="did you mean 'gcp-monitor'"):
        lead.send("gcp-monitr", "hello")
    with pytest.raises(UnknownRecipient, match="known are: gcp-monitor, lead"):
        lead.send("zzz", "hello")


def test_a_sender_is_known_from_then_on(team: Team, join: Join) -> None:
    scout = join("scout")
    with MessageHub(team, agent="newcomer") as newcomer:
        newcomer.send("scout", "hello")

    scout.send("newcomer", "welcome")


@pytest.mark.parametrize(
    ("content", "options", "reason"),
    [
        ("  ", {}, "empty"),
        ("x" * (MAX_MESSAGE_BYTES + 1), {}, "at most 262,144"),
        ("x", {"metadata": {"blob": "x" * MAX_MESSAGE_BYTES}}, "at most 262,144"),
        ("x", {"metadata": {"file": object()}}, "not valid text or JSON"),
        ("\ud800", {}, "not valid text or JSON"),
        ("x", {"priority": "asap"}, "not one of low, normal, high, urgent"),
        ("x", {"message_type": "\ud800"}, "message_type must have 1 to 255 printable"),
        ("x", {"message_id": ""}, "message_id must have 1 to 255 printable"),
        ("x", {"conversation_id": "c" * 256}, "conversation_id must have"),
    ],
)
def test_an_impossible_message_is_refused_and_nothing_is_stored(
    join: Join, content: str, options: dict[str, object], reason: str
) -> None:
    lead, scout = join("lead"), join("scout")

    with pytest.raises(InvalidMessage, match=reason):
        lead.send("scout", content, **options)  # type: ignore[arg-type]

    assert scout.claim() == []


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e12])
def test_a_duration_that_makes_no_sense_is_refused(join: Join, seconds: float) -> None:
    lead = join("lead")
    lead.send("lead", "hi")
    (delivery,) = lead.claim()

    for use in (
        lambda: lead.send("lead", "x", expires_in=seconds),
        lambda: lead.extend(delivery, seconds),
        lambda: lead.claim(lease=seconds) if lead.send("lead", "y") else None,
    ):
        with pytest.raises(InvalidDuration, match="ten years at most"):
            use()


def test_an_id_sent_twice_is_one_message(join: Join) -> None:
    lead, scout = join("lead"), join("scout")

    first = lead.send("scout", "deploy", message_id="discord:1")
    second = lead.send("scout", "deploy", message_id="discord:1")

    assert first.id == second.id
    assert len(scout.claim(10)) == 1


def test_an_id_that_says_something_else_is_an_error(join: Join) -> None:
    lead = join("lead")
    join("scout")
    lead.send("scout", "deploy", message_id="discord:1")

    with pytest.raises(MessageConflict, match="'discord:1' already names"):
        lead.send("scout", "roll back", message_id="discord:1")


def test_a_broadcast_reaches_every_agent_but_the_sender_consoles_and_the_supervisor(join: Join) -> None:
    lead, scout, scribe = join("lead"), join("scout"), join("scribe")
    for kind, name in (("console", "console-ann"), ("supervisor", "supervisor"), ("daemon", "gateway")):
        lead.enroll(name, kind)  # type: ignore[arg-type]

    message = lead.broadcast("stand-up in five")

    assert [state.recipient for state in lead.queries.trace(message.message_id)] == ["gateway", "scout", "scribe"]
    assert [len(hub.claim()) for hub in (lead, scout, scribe)] == [0, 1, 1]


def test_a_broadcast_is_not_for_a_worker_that_nobody_has_set_up(join: Join) -> None:
    lead, gateway, _ = join("lead"), join("gateway"), join("scribe")
    gateway.enroll("gateway", "daemon")
    before = lead.broadcast("before it said so")
    asked = lead.send("gateway", "are you there?")

    gateway.register("daemon", "not configured", optional=True)
    after = lead.broadcast("after it said so")

    assert {state.recipient: state.state for state in lead.queries.trace(before.message_id)} == {
        "gateway": "expired",
        "scribe": "ready",
    }
    assert [state.recipient for state in lead.queries.trace(after.message_id)] == ["scribe"]
    assert [delivery.message.message_id for delivery in gateway.claim()] == [asked.message_id]

    gateway.register("daemon")
    again = lead.broadcast("it is here")
    assert [state.recipient for state in lead.queries.trace(again.message_id)] == ["gateway", "scribe"]


def test_a_worker_with_a_mistake_in_its_configuration_still_gets_broadcasts(join: Join) -> None:
    lead, user_comm = join("lead"), join("user_comm")
    user_comm.register("daemon", "not configured", optional=False)

    assert [state.recipient for state in lead.queries.trace(lead.broadcast("news").message_id)] == ["user_comm"]


def test_each_recipient_of_a_broadcast_ends_its_own_delivery(join: Join) -> None:
    lead, scout, scribe = join("lead"), join("scout"), join("scribe")
    message = lead.broadcast("hi")

    (delivery,) = scout.claim()
    scout.acknowledge(delivery)

    assert [state.state for state in lead.queries.trace(message.message_id)] == ["done", "ready"]
    assert lead.queries.message(message.message_id).status == "pending"
    (delivery,) = scribe.claim()
    scribe.acknowledge(delivery)
    assert lead.queries.message(message.message_id).status == "processed"


def test_a_broadcast_with_nobody_to_reach_ends_at_once(join: Join) -> None:
    lead = join("lead")

    assert lead.queries.message(lead.broadcast("anybody?").message_id).status == "processed"


def test_a_reply_goes_back_and_ends_what_it_answers(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    question = lead.send("scout", "ready?", conversation_id="launch")

    (delivery,) = scout.claim()
    scout.reply(delivery, "ready")

    (answer,) = lead.claim()
    assert (answer.message.content, answer.message.reply_to) == ("ready", question.message_id)
    assert answer.message.conversation_id == "launch"
    assert [(state.state, state.outcome) for state in lead.queries.trace(question.message_id)] == [("done", "answered")]


def test_a_reply_that_comes_too_late_is_not_sent(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "ready?")
    (delivery,) = scout.claim()
    scout.acknowledge(delivery)

    with pytest.raises(StaleLease):
        scout.reply(delivery, "ready")

    assert lead.claim() == []


def test_there_must_be_something_to_reply_to(join: Join) -> None:
    lead = join("lead")
    join("scout")

    with pytest.raises(UnknownMessage, match="no message 'nope'"):
        lead.send("scout", "yes", reply_to="nope")


def test_agents_cannot_answer_each_other_forever(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "ping")
    readers = [scout, lead]

    for hop in range(MAX_HOPS):
        (delivery,) = readers[hop % 2].claim()
        readers[hop % 2].reply(delivery, "ping")
    (delivery,) = readers[MAX_HOPS % 2].claim()

    with pytest.raises(ReplyLoop, match="Ask a person"):
        readers[MAX_HOPS % 2].reply(delivery, "ping")


def test_a_daemon_in_between_ends_the_count(join: Join) -> None:
    lead, bridge = join("lead"), join("bridge")
    bridge.register("daemon")
    lead.send("bridge", "ping")
    readers = [bridge, lead]

    for hop in range(2 * MAX_HOPS):
        (delivery,) = readers[hop % 2].claim()
        assert delivery.message.hops == 0
        readers[hop % 2].reply(delivery, "ping")


def test_a_transaction_stores_all_or_nothing(join: Join) -> None:
    lead, scout = join("lead"), join("scout")

    def send_both() -> None:
        with lead.transaction():
            lead.send("scout", "one")
            lead.send("nobody", "two")

    with pytest.raises(UnknownRecipient):
        send_both()

    assert scout.claim() == []


def test_a_send_that_fails_inside_a_transaction_leaves_nothing_even_if_the_rest_is_stored(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "question")
    (delivery,) = scout.claim()

    with scout.transaction():
        with pytest.raises(InvalidMessage):
            scout.reply(delivery, "")
        scout.send("lead", "something else")

    assert [received.message.content for received in lead.claim(10)] == ["something else"]
    scout.reply(delivery, "answer")


def test_a_daemons_name_cannot_be_taken(join: Join, team: Team) -> None:
    join("lead").enroll("gateway", "daemon")

    with MessageHub(team, agent="gateway") as impostor, pytest.raises(InvalidName, match="the team's daemon"):
        impostor.register()


def test_a_hub_opened_to_look_cannot_speak(team: Team) -> None:
    with MessageHub(team) as hub, pytest.raises(InvalidName, match="opened to read only"):
        hub.send("lead", "hi")
