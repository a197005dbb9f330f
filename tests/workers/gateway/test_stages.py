"""Where a question stands, as a table."""

from collections.abc import Sequence

import pytest

from teamsup.workers.gateway.stages import Stage, Step, stage


def asked(state: str) -> Step:
    return Step("question", state)


def passed_on(state: str, *, is_read: bool = False) -> Step:
    return Step("relay", state, is_read=is_read)


def answer(state: str, *, is_error: bool = False) -> Step:
    return Step("answer", state, is_error=is_error)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], Stage.WITHDRAWN),
        ([asked("ready")], Stage.STORED),
        ([asked("leased")], Stage.WORKING),
        ([asked("done")], Stage.STORED),
        ([asked("done"), passed_on("ready")], Stage.STORED),
        ([asked("done"), passed_on("leased", is_read=True)], Stage.WORKING),
        ([asked("done"), passed_on("done", is_read=True)], Stage.WORKING),
        ([asked("done"), passed_on("done", is_read=True), answer("ready")], Stage.WORKING),
        ([asked("done"), passed_on("done", is_read=True), answer("done")], Stage.ANSWERED),
        ([asked("done"), answer("done", is_error=True)], Stage.FAILED),
        ([asked("done"), answer("done", is_error=True), answer("done")], Stage.ANSWERED),
        ([asked("done"), answer("dead")], Stage.FAILED),
        ([asked("dead")], Stage.FAILED),
        ([asked("expired")], Stage.FAILED),
        ([asked("done"), passed_on("dead"), answer("done")], Stage.FAILED),
        ([asked("done"), passed_on("expired"), passed_on("ready")], Stage.STORED),
        ([asked("cancelled")], Stage.WITHDRAWN),
        ([asked("done"), passed_on("cancelled")], Stage.WITHDRAWN),
        ([asked("done"), passed_on("cancelled"), passed_on("ready")], Stage.STORED),
        ([asked("cancelled"), asked("ready")], Stage.STORED),
    ],
)
def test_where_a_question_stands(steps: Sequence[Step], expected: Stage) -> None:
    assert stage(steps) is expected
