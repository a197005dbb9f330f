"""What user_comm does when a person edits or deletes what they have asked, and with what the gateway adds to it."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from helpers.mailbox import claim_next
from helpers.support import TIMEOUT_SECONDS, clean_environment, eventually
from teamsup.hub import MessageHub, Team
from teamsup.hub.models import Message

PLACE = "discord:5"


@pytest.fixture
def hubs(team: Team, join: Callable[..., MessageHub]) -> Iterator[tuple[MessageHub, MessageHub]]:
    """The gateway's place in the team, and an agent's; user_comm runs."""
    gateway, lead = join("gateway"), join("lead")
    gateway.register("daemon")
    gateway.enroll("user_comm", "daemon")
    process = subprocess.Popen(
        [sys.executable, "-m", "teamsup.workers.user_comm.user_comm_daemon", "--team", team.name],
        env={**clean_environment(), "TEAMSUP_HOME": str(team.folder.parent)},
    )
    yield gateway, lead
    process.terminate()
    assert process.wait(TIMEOUT_SECONDS) == 0


def ask(gateway: MessageHub, text: str, **more: object) -> Message:
    return gateway.send(
        "user_comm", text, message_id="discord:7", conversation_id=PLACE, metadata={"author_name": "Ann", **more}
    )


def say(gateway: MessageHub, text: str, kind: str, **more: object) -> Message:
    return gateway.send(
        "user_comm",
        text,
        message_id=f"discord:7:{kind}",
        message_type=kind,
        conversation_id=PLACE,
        reply_to="discord:7",
        metadata={"author_name": "Ann", **more},
    )


def test_an_edit_reaches_the_agent_and_its_answer_comes_back(hubs: tuple[MessageHub, MessageHub]) -> None:
    gateway, lead = hubs
    ask(gateway, "@lead stop the wrnog one")
    first = claim_next(lead)
    lead.acknowledge(first)

    say(gateway, "edited: @lead stop the right one", "edited")
    edited = claim_next(lead)
    assert (edited.message.content, edited.message.reply_to) == (
        "edited: stop the right one",
        first.message.message_id,
    )
    lead.reply(edited, "Stopped.")
    answer = claim_next(gateway).message
    assert (answer.content, answer.reply_to) == ("lead: Stopped.", "discord:7:edited")


def test_an_agent_that_has_not_read_a_question_gets_only_its_last_version(hubs: tuple[MessageHub, MessageHub]) -> None:
    gateway, lead = hubs
    ask(gateway, "@lead stop the wrnog one")
    eventually(lambda: lead.queries.peek(), "it is passed on")
    say(gateway, "edited: @lead stop the right one", "edited")
    eventually(
        lambda: [message.content for message in lead.queries.peek()] == ["stop the right one"], "the new words alone"
    )
    lead.reply(claim_next(lead), "Stopped.")
    assert not lead.claim()


def test_an_edit_of_a_question_that_user_comm_answered_itself_is_answered_again(
    hubs: tuple[MessageHub, MessageHub],
) -> None:
    gateway, lead = hubs
    ask(gateway, "Hello")
    gateway.acknowledge(claim_next(gateway))

    say(gateway, "edited: @lead Hello", "edited")

    assert claim_next(lead).message.content == "Hello"


def test_a_deletion_withdraws_what_was_passed_on(hubs: tuple[MessageHub, MessageHub]) -> None:
    gateway, lead = hubs
    ask(gateway, "@lead stop it")
    first = claim_next(lead)

    say(gateway, "The message was deleted on Discord.", "deleted")

    told = claim_next(lead).message
    assert (told.message_type, told.reply_to) == ("deleted", first.message.message_id)
    assert gateway.queries.trace(first.message.message_id)[0].state == "cancelled"


def test_an_addition_of_the_gateway_is_passed_on_and_hides_no_command(hubs: tuple[MessageHub, MessageHub]) -> None:
    gateway, lead = hubs
    ask(gateway, "Hello\n(written 2h 5m ago)", body_length=5)
    assert claim_next(gateway).message.content == "Hi there! 👋"

    gateway.send(
        "user_comm", "@lead look\n(attachment: a.txt)", conversation_id="discord:6", metadata={"body_length": 10}
    )
    assert claim_next(lead).message.content == "look\n(attachment: a.txt)"


@pytest.mark.slow
def test_the_progress_of_a_question_that_was_withdrawn_shows_so(hubs: tuple[MessageHub, MessageHub]) -> None:
    gateway, lead = hubs
    ask(gateway, "@lead how is the load?")
    claim_next(lead)
    eventually(lambda: gateway.queries.find(reply_to="discord:7", message_type="status_report"), "progress")

    say(gateway, "The message was deleted on Discord.", "deleted")

    def shown() -> str:
        return gateway.queries.find(reply_to="discord:7", message_type="status_report")[-1].content

    eventually(lambda: shown() == "Withdrawn.", "it is withdrawn")
