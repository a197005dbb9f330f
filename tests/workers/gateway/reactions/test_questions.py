"""Where a question stands, as a table."""

from collections.abc import Sequence

import pytest

from teamsup.workers.gateway.reactions.questions import QuestionDelivery, QuestionStatus, determine_status


def asked(state: str) -> QuestionDelivery:
    return QuestionDelivery("question", state)


def passed_on(state: str, *, is_read: bool = False) -> QuestionDelivery:
    return QuestionDelivery("relay", state, is_read=is_read)


def answer(state: str, *, is_error: bool = False) -> QuestionDelivery:
    return QuestionDelivery("answer", state, is_error=is_error)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], QuestionStatus.WITHDRAWN),
        ([asked("ready")], QuestionStatus.STORED),
        ([asked("leased")], QuestionStatus.WORKING),
        ([asked("done")], QuestionStatus.STORED),
        ([asked("done"), passed_on("ready")], QuestionStatus.STORED),
        ([asked("done"), passed_on("leased", is_read=True)], QuestionStatus.WORKING),
        ([asked("done"), passed_on("done", is_read=True)], QuestionStatus.WORKING),
        ([asked("done"), passed_on("done", is_read=True), answer("ready")], QuestionStatus.WORKING),
        ([asked("done"), passed_on("done", is_read=True), answer("done")], QuestionStatus.ANSWERED),
        ([asked("done"), answer("done", is_error=True)], QuestionStatus.FAILED),
        ([asked("done"), answer("done", is_error=True), answer("done")], QuestionStatus.ANSWERED),
        ([asked("done"), answer("dead")], QuestionStatus.FAILED),
        ([asked("dead")], QuestionStatus.FAILED),
        ([asked("expired")], QuestionStatus.FAILED),
        ([asked("done"), passed_on("dead"), answer("done")], QuestionStatus.FAILED),
        ([asked("done"), passed_on("expired"), passed_on("ready")], QuestionStatus.STORED),
        ([asked("cancelled")], QuestionStatus.WITHDRAWN),
        ([asked("done"), passed_on("cancelled")], QuestionStatus.WITHDRAWN),
        ([asked("done"), passed_on("cancelled", is_read=True)], QuestionStatus.WITHDRAWN),
        ([asked("done"), passed_on("cancelled", is_read=True), passed_on("ready")], QuestionStatus.STORED),
        ([asked("done"), passed_on("cancelled"), passed_on("ready")], QuestionStatus.STORED),
        ([asked("cancelled"), asked("ready")], QuestionStatus.STORED),
    ],
)
def test_a_question_has_a_status(steps: Sequence[QuestionDelivery], expected: QuestionStatus) -> None:
    assert determine_status(steps) is expected
