"""``teamsup trace`` shows a message, who has it, and what happened to it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from helpers.command_answer import Ask
from teamsup.hub import MessageHub
from teamsup.hub.errors import ExitCode
from teamsup.hub.models import MAX_ATTEMPTS


@pytest.fixture
def lead(join: Callable[..., MessageHub]) -> MessageHub:
    return join("lead")


def test_it_names_sender_recipient_and_that_nobody_has_read_it(ask: Ask, lead: MessageHub) -> None:
    lead.enroll("scout")
    lead.send("scout", "look at\n\x1b[2Jthe disk", message_id="m1")

    lines = ask("trace", "m1").out.splitlines()

    assert lines[0] == "#1 m1"
    assert lines[1].startswith("lead -> scout, message, normal, ")
    assert lines[1].endswith(" UTC")
    assert lines[2] == "  look at \ufffd[2Jthe disk"
    assert lines[3].startswith("scout: waits to be read (stored ")


def test_it_shows_the_answer_and_takes_the_number_too(
    ask: Ask, lead: MessageHub, join: Callable[..., MessageHub]
) -> None:
    scout = join("scout")
    question = lead.send("scout", "how is it?", message_id="m1")
    (delivery,) = scout.claim()
    answer = scout.reply(delivery, "fine")

    shown = ask("trace", "#1")

    assert "scout: done" in shown.out
    assert f"answered by scout, #{answer.id}: fine" in shown.out
    found = ask("trace", "#1", "--json").json
    assert (found["team"], found["message"]["message_id"]) == ("crew", question.message_id)
    assert [each["recipient"] for each in found["deliveries"]] == ["scout"]
    assert found["answers"] == [answer.message_id]


def test_a_dead_letter_names_the_command_that_delivers_it_again(
    ask: Ask, lead: MessageHub, join: Callable[..., MessageHub]
) -> None:
    scout = join("scout")
    lead.send("scout", "broken", message_id="m1")
    for _ in range(MAX_ATTEMPTS):
        (delivery,) = scout.claim()
        scout.release(delivery, error="it cannot be read", delay=0)

    shown = ask("trace", "m1").out

    assert f"scout: dead letter, {MAX_ATTEMPTS} attempts" in shown
    assert "    Deliver it again with: teamsup hub retry m1" in shown


def test_an_expiry_is_shown(ask: Ask, lead: MessageHub) -> None:
    message = lead.send("lead", "soon", message_id="m1", expires_in=90)

    assert message.expires_at is not None
    assert message.created_at is not None
    assert message.expires_at - message.created_at == timedelta(seconds=90)
    assert f"expires {message.expires_at:%Y-%m-%d %H:%M:%S} UTC" in ask("trace", "m1").out


@pytest.mark.usefixtures("lead")
def test_an_unknown_message_has_an_exit_code_of_its_own(ask: Ask) -> None:
    assert ask("trace", "nothing").code == ExitCode.UNKNOWN
    assert ask("trace", "#99").code == ExitCode.UNKNOWN
