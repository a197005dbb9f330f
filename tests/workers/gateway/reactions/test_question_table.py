"""The open questions, read by the gateway while others write."""

from collections.abc import Callable

import pytest

from teamsup.hub import Message, MessageHub
from teamsup.hub.models import DeliveryState
from teamsup.workers.gateway.component import component
from teamsup.workers.gateway.ids import message_id_of
from teamsup.workers.gateway.reactions.questions import QuestionStatus, QuestionTable
from teamsup.workers.gateway.tables.state import set_state

pytestmark = pytest.mark.both_engines

Join = Callable[..., MessageHub]
CONVERSATION = "discord:5"


@pytest.fixture
def gateway(join: Join) -> MessageHub:
    gateway = join("gateway")
    assert component.tables is not None
    gateway.maintenance.use_component(component.tables)
    return gateway


def ask(gateway: MessageHub, snowflake: int, message_type: str = "message", version: str = "") -> Message:
    message_id = message_id_of(snowflake, version)
    return gateway.send(
        "user_comm", "Hello?", message_type=message_type, message_id=message_id, conversation_id=CONVERSATION
    )


def pass_on(user_comm: MessageHub, question: Message, agent: str) -> Message:
    return user_comm.send(
        agent, question.content, metadata={"question": question.message_id}, conversation_id=CONVERSATION
    )


def shown(table: QuestionTable) -> dict[int, QuestionStatus]:
    return {question.snowflake: question.status for question in table.read()}


def test_a_question_is_followed_over_its_relays_and_answers(join: Join, gateway: MessageHub) -> None:
    user_comm, lead, table = join("user_comm"), join("lead"), QuestionTable(gateway)
    first, second = ask(gateway, 7), ask(gateway, 8)
    ask(gateway, 9, message_type="command")
    pass_on(user_comm, first, "lead")
    user_comm.answer(first, "asked", message_type="status_report")
    assert shown(table) == {7: QuestionStatus.STORED, 8: QuestionStatus.STORED}
    (delivery,) = lead.claim()
    assert shown(table)[7] is QuestionStatus.WORKING
    lead.acknowledge(delivery)
    user_comm.answer(first, "Hello!")
    user_comm.answer(second, "No", message_type="error")
    for answer in (gateway.claim(1) for _ in range(3)):
        gateway.acknowledge(answer[0])
    assert shown(table) == {7: QuestionStatus.ANSWERED, 8: QuestionStatus.FAILED}
    table.delete(7)
    assert shown(table) == {8: QuestionStatus.FAILED}


def test_no_relay_is_kept_without_its_question(gateway: MessageHub, join: Join) -> None:
    user_comm, table = join("user_comm"), QuestionTable(gateway)
    join("lead")
    asked = ask(gateway, 7)
    pass_on(user_comm, asked, "lead")
    assert shown(table) == {7: QuestionStatus.STORED}
    table.delete(7)
    pass_on(user_comm, asked, "lead")
    assert shown(table) == {}
    assert gateway.query("SELECT * FROM discord_relays") == []
    ask(gateway, 7, version="1")
    pass_on(user_comm, asked, "lead")
    assert shown(table) == {7: QuestionStatus.STORED}
    assert len(gateway.query("SELECT * FROM discord_relays")) == 1


def test_an_edited_question_stays_open(gateway: MessageHub, join: Join) -> None:
    join("user_comm")
    table = QuestionTable(gateway)
    asked = ask(gateway, 7)
    gateway.cancel(asked.message_id)
    assert shown(table) == {7: QuestionStatus.WITHDRAWN}
    ask(gateway, 7, version="1")
    assert shown(table) == {7: QuestionStatus.STORED}


def test_a_question_that_goes_to_another_agent_meanwhile_is_not_withdrawn(
    gateway: MessageHub, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The states of its deliveries are read after its relays; between the two it is forwarded again."""
    user_comm, table = join("user_comm"), QuestionTable(gateway)
    join("lead"), join("scout")
    asked = ask(gateway, 7)
    relay = pass_on(user_comm, asked, "lead")
    trace_each = gateway.queries.trace_each

    def reassign_first(ids: list[int]) -> dict[int, list[DeliveryState]]:
        monkeypatch.undo()
        with user_comm.transaction():
            user_comm.cancel(relay.message_id)
            pass_on(user_comm, asked, "scout")
        return trace_each(ids)

    monkeypatch.setattr(gateway.queries, "trace_each", reassign_first)
    assert shown(table) == {7: QuestionStatus.STORED}


def test_after_a_restore_what_was_shown_before_is_not_shown_again(gateway: MessageHub, join: Join) -> None:
    """The gateway's tables are kept then, so they know of messages that are away."""
    join("user_comm")
    ask(gateway, 7)
    set_state(gateway, "board", "1000")
    table = QuestionTable(gateway)
    assert shown(table) == {}
    ask(gateway, 8)
    assert shown(table) == {8: QuestionStatus.STORED}
    assert shown(QuestionTable(gateway)) == {8: QuestionStatus.STORED}
