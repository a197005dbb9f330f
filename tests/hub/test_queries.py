"""Looking back at what was said."""

from collections.abc import Callable

import pytest

from helpers.support import run_foreign_sql
from teamsup.hub import InvalidMessage, InvalidValue, Message, MessageHub, Team, UnknownMessage

Join = Callable[..., MessageHub]


def contents(messages: list[Message]) -> list[str]:
    return [message.content for message in messages]


def test_a_message_is_found_by_its_id_and_by_its_number(join: Join) -> None:
    lead = join("lead")
    message = lead.send("lead", "note to self", message_id="note")

    assert lead.queries.message("note") == lead.queries.message(f"#{message.id}") == message
    for unknown in ("nope", "#99", "#", "#x"):
        with pytest.raises(UnknownMessage):
            lead.queries.message(unknown)


def test_history_is_the_newest_in_the_order_they_were_said(join: Join) -> None:
    lead, scout, scribe = join("lead"), join("scout"), join("scribe")
    for number in range(5):
        lead.send("scout", str(number))
    scribe.send("lead", "aside")
    scout.broadcast("to all")

    assert contents(lead.queries.history(limit=3)) == ["4", "aside", "to all"]
    assert contents(lead.queries.history("Scout", limit=3)) == ["3", "4", "to all"]
    assert contents(lead.queries.history(limit=2, before=3)) == ["0", "1"]


def test_a_conversation_is_what_belongs_together(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "question", conversation_id="c")
    lead.send("scout", "aside")
    (_, delivery) = sorted(scout.claim(2), key=lambda delivery: delivery.message.conversation_id or "")
    scout.reply(delivery, "answer")

    assert contents(lead.queries.conversation("c")) == ["question", "answer"]
    assert lead.queries.conversation("nope") == []


def test_messages_are_found_by_what_is_known_of_them(join: Join) -> None:
    lead, ann = join("lead"), join("ann")
    asked = ann.send("lead", "how is the load?", conversation_id="c")
    report = lead.answer(asked, "looking", message_type="status_report")
    answer = lead.answer(asked, "calm")
    ann.send("lead", "elsewhere", conversation_id="d")
    find = lead.queries.find
    assert find(conversation="c") == [asked, report, answer]
    assert find(conversation="c", sender="ann") == [asked]
    assert find(conversation="c", recipient="ann", after=report.id) == [answer]
    assert find(conversation="c", before=answer.id) == [asked, report]
    assert find(conversation="c", limit=2) == [report, answer]
    assert find(reply_to=asked.message_id, message_type="status_report") == [report]
    ann.acknowledge(ann.claim()[0])
    assert find(reply_to=asked.message_id, unread=True) == [answer]
    with pytest.raises(InvalidValue):
        find(sender="ann")


def test_search_finds_all_the_words_whoever_wrote_them(join: Join, team: Team) -> None:
    lead = join("lead")
    lead.send("lead", "the Disk of db-1 is full")
    assert contents(lead.queries.search("disk full")) == ["the Disk of db-1 is full"]

    run_foreign_sql(
        team,
        "INSERT INTO messages (message_id, sender, recipient, content) VALUES ('m', 'cron', 'lead', 'Disque plein')",
    )

    assert contents(lead.queries.search("disque")) == ["Disque plein"]
    assert lead.queries.search("disk disque") == []


@pytest.mark.parametrize("words", ['"', "a OR", "disk*", "NEAR(", "content:x", "(", "-", "^x", "🙂"])
def test_nothing_in_a_search_is_syntax(join: Join, words: str) -> None:
    assert join("lead").queries.search(words) == []


def test_a_search_for_nothing_is_an_error(join: Join) -> None:
    with pytest.raises(InvalidMessage, match="nothing to search"):
        join("lead").queries.search("  ")


def test_what_is_gone_is_not_found(join: Join, team: Team) -> None:
    lead = join("lead")
    lead.send("lead", "secret plan")
    assert len(lead.queries.search("secret")) == 1

    run_foreign_sql(team, "DELETE FROM messages")

    assert lead.queries.search("secret") == []


def test_stats_count_what_is_there(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    assert (lead.queries.stats().messages, lead.queries.stats().oldest_unread) == (0, None)
    first = lead.send("scout", "one")
    lead.send("scout", "two")
    (delivery,) = scout.claim()
    scout.acknowledge(delivery)
    lead.broadcast("three")

    stats = lead.queries.stats()

    assert (stats.messages, stats.deliveries) == (3, {"done": 1, "ready": 2})
    assert stats.oldest_unread is not None
    assert first.created_at is not None
    assert stats.oldest_unread >= first.created_at
    assert stats.file_bytes > 0
