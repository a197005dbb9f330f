"""A question from Python waits for its answer, and takes no other message."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from teamsup.hub import MessageHub, NoAnswer, UnknownTeam


def test_an_answer_is_returned_and_is_read(join: Callable[..., MessageHub]) -> None:
    adder, shop = join("adder"), join("shop")
    adder.send("shop", "hello")

    def answer() -> None:
        for delivery in adder.listen(30):
            adder.send("shop", "I count", message_type="status_report", reply_to=delivery.message.message_id)
            adder.reply(delivery, f"{delivery.content} = 3")
            return

    with_answer = threading.Thread(target=answer)
    with_answer.start()
    found = shop.ask("adder", "1 + 2", 30)
    with_answer.join()

    assert (found.sender, found.content) == ("adder", "1 + 2 = 3")
    assert [message.content for message in shop.queries.peek()] == ["hello", "I count"]


def test_a_question_that_nobody_answers_expires(join: Callable[..., MessageHub]) -> None:
    shop = join("shop")
    join("adder")

    with pytest.raises(NoAnswer, match=r"adder has not answered within 0\.05 s\."):
        shop.ask("adder", "1 + 2", 0.05)

    (question,) = shop.queries.history()
    assert question.expires_at is not None


def test_a_mistyped_team_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAMSUP_HOME", str(tmp_path))
    monkeypatch.delenv("TEAMSUP_TEAM", raising=False)
    MessageHub("crew", create=True).close()

    with pytest.raises(UnknownTeam, match=r"There is no team 'crwe' in .* yet\. Did you mean 'crew'\?"):
        MessageHub("crwe", agent="lead")
    with pytest.raises(UnknownTeam):
        MessageHub()

    assert [path.name for path in tmp_path.iterdir()] == ["crew"]
    MessageHub("crew").close()
