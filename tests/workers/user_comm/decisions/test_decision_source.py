"""What a page shows of decisions, and what a person decides there."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from helpers.mailbox import receive
from helpers.support import eventually
from teamsup.config.entries import ActionRejected, Age, EntrySource, Need, Text
from teamsup.hub import MessageHub
from teamsup.workers.user_comm.decisions.decision_source import DecisionSource

Join = Callable[..., MessageHub]
SOURCE: EntrySource = DecisionSource()
NOW = datetime.now(UTC)


def ask(hub: MessageHub, text: str = "Grow the volume?", expires_in: float | None = None, **metadata: object) -> Need:
    """Ask as an agent, and return what needs a person then."""
    hub.enroll("user_comm", "daemon")
    asked = {"options": ["grow it", "wait"], **metadata}
    number = hub.send("user_comm", text, message_type="opinion_request", metadata=asked, expires_in=expires_in).id

    def look() -> Need | None:
        return next((each for each in SOURCE.needs(hub, NOW) if each.id == str(number)), None)

    return eventually(look, "it is taken up")


def words(text: Text) -> str:
    return "".join("(age)" if isinstance(part, Age) else part for part in text)


def act(hub: MessageHub, need: Need, action: str, text: str = "", person: str = "console-ann") -> str:
    return SOURCE.act(hub, need.id, action, need.version, person, text)


@pytest.mark.usefixtures("user_comm")
def test_an_open_decision_needs_a_person_and_its_options_are_the_actions(join: Join) -> None:
    need = ask(join("lead"), expires_in=320, default="wait", deciders=["ann", "ben"])
    assert need.title == "Grow the volume?"
    assert words(need.evidence) == "lead asks ann or ben. Nobody has answered; asked (age)."
    assert need.deadline is not None
    assert need.deadline - need.since < timedelta(seconds=321)
    assert need.deadline_note == "then wait counts"
    assert [(each.label, each.is_main) for each in need.actions] == [("grow it", False), ("wait", False)]


@pytest.mark.usefixtures("user_comm")
def test_a_decision_on_the_page_counts_everywhere_and_once(join: Join) -> None:
    lead = join("lead")
    need = ask(lead)
    assert act(lead, need, "option-0") == f"ann has decided #{need.id}: grow it"
    assert receive(lead, "opinion_response").content == "grow it"
    entry = SOURCE.entry(lead, need.id, NOW)
    assert entry is not None
    assert (entry.state.word, dict(entry.facts)["Decided by"], entry.actions) == ("decided", "ann", ())
    assert words(entry.timeline[-1].text) == f"ann has decided #{need.id}: grow it"
    assert SOURCE.needs(lead, NOW) == []
    assert [row.title for row in SOURCE.rows(lead, {"show": "all"}, None, 10, NOW)] == ["Grow the volume?"]
    assert SOURCE.rows(lead, {}, None, 10, NOW) == []
    with pytest.raises(ActionRejected, match="ann has decided"):
        act(lead, need, "option-1", person="console-ben")


@pytest.mark.usefixtures("user_comm")
def test_a_user_who_may_not_decide_is_refused(join: Join) -> None:
    lead = join("lead")
    need = ask(lead, deciders=["ben"])
    with pytest.raises(ActionRejected, match=f"You may not decide #{need.id}; that is for ben"):
        act(lead, need, "option-0")
    assert [each.id for each in SOURCE.needs(lead, NOW)] == [need.id]


@pytest.mark.usefixtures("user_comm")
def test_a_question_without_options_is_answered_in_words(join: Join) -> None:
    lead = join("lead")
    need = ask(lead, "Which volume?", options=[])
    (action,) = need.actions
    assert action.needs_text
    for name, text in (("answer", " "), ("option-0", ""), ("option-x", "")):
        with pytest.raises(ActionRejected, match="has no such answer"):
            act(lead, need, name, text)
    act(lead, need, "answer", "/var <script>")
    assert receive(lead, "opinion_response").content == "/var <script>"


def test_an_unknown_number_has_no_page(join: Join) -> None:
    hub = join("lead")
    assert SOURCE.entry(hub, "99", NOW) is None
    assert SOURCE.entry(hub, "x", NOW) is None
    with pytest.raises(ActionRejected, match="There is no decision"):
        SOURCE.act(hub, "99", "option-0", "open", "console-ann", "")
