"""Looking back at what was said."""

import contextlib
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from helpers.support import run_foreign_sql
from teamsup.hub import InvalidMessage, InvalidValue, Message, MessageHub, Team, UnknownMessage
from teamsup.hub.engines.sqlite import store
from teamsup.hub.engines.sqlite.connection import run_query

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


def test_many_messages_and_their_states_are_read_at_once(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    sent = [lead.send("scout", str(number)) for number in range(3)]
    wide = lead.broadcast("to all")
    scout.acknowledge(scout.claim()[0], outcome="well")
    numbers = [message.id for message in (*sent, wide)]

    assert lead.queries.messages([*numbers, *numbers, 99]) == {
        number: lead.queries.message(f"#{number}") for number in numbers
    }
    assert lead.queries.trace_each([*numbers, 99]) == {number: lead.queries.trace(f"#{number}") for number in numbers}
    assert lead.queries.trace_each(numbers)[sent[0].id][0].outcome == "well"
    assert lead.queries.labels(numbers)[wide.id] == (wide.id, wide.message_id, "lead", None, "message", None, None)
    assert (lead.queries.messages([]), lead.queries.trace_each([])) == ({}, {})


def test_more_are_read_than_one_statement_may_name(join: Join) -> None:
    lead = join("lead")
    asked, answers = [], []
    for start in range(0, 1100, 50):
        with lead.transaction():
            batch = [lead.send("lead", "?", message_id=f"q{number}") for number in range(start, start + 50)]
            answers += [lead.answer(message, "!") for message in batch]
            asked += batch

    numbers, names = [message.id for message in asked], [message.message_id for message in asked]
    assert lead.queries.messages(numbers).keys() == lead.queries.trace_each(numbers).keys() == set(numbers)
    assert [each.id for each in lead.queries.reply_labels(names)] == [answer.id for answer in answers]
    assert [each.id for each in lead.queries.version_labels(names, sender="lead")] == numbers


def test_the_versions_of_several_messages_come_in_the_order_of_storing(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    sent = {name: lead.send("lead", "x", message_id=name) for name in ("b:1", "a", "a:2", "ab", "a:1", "b")}
    scout.send("lead", "x", message_id="a:3")

    def versions(*names: str) -> list[str]:
        return [each.message_id for each in lead.queries.version_labels(names, sender="lead")]

    assert lead.queries.versions("a", sender="lead") == [sent["a"], sent["a:2"], sent["a:1"]]
    assert versions("a") == ["a", "a:2", "a:1"]
    assert versions("a", "b") == versions("b", "a:1", "a") == ["b:1", "a", "a:2", "a:1", "b"]
    assert versions() == []


def test_the_replies_to_several_messages_are_found_by_what_is_known_of_them(join: Join) -> None:
    lead, ann, bea = join("lead"), join("ann"), join("bea")
    first, second = ann.send("lead", "load?"), bea.send("lead", "disk?")
    reports = [lead.answer(first, f"looking {number}", message_type="status_report") for number in range(2)]
    answer, other = lead.answer(first, "calm"), lead.answer(second, "full")
    hers = bea.send("lead", "mine too", reply_to=first.message_id)
    both = [first.message_id, second.message_id]

    def replies(ids: list[str], **wanted: Any) -> list[Message]:  # noqa: ANN401 - what the verb takes
        return [lead.queries.message(each.message_id) for each in lead.queries.reply_labels(ids, **wanted)]

    assert replies(both) == [*reports, answer, other, hers]
    assert replies(both, without_types=["status_report"]) == [answer, other, hers]
    assert replies(both, without_types=["status_report", "message"]) == []
    assert replies(both, recipient="bea") == [other]
    assert replies(both, only_last=True) == [answer, other, hers]
    assert replies(both, message_type="status_report", only_last=True) == [reports[1]]
    assert replies([]) == []


def test_messages_since_the_last_look_are_read_in_batches(join: Join) -> None:
    lead, scout = join("lead"), join("scout")

    def stored_after(number: int) -> tuple[list[Message], int]:
        return lead.queries.stored_after(number, senders=["lead", "cron"], conversation_prefix="chat:")

    lead.send("scout", "elsewhere")
    sent: list[Message] = []
    while len(sent) < 600:
        with lead.transaction():
            sent += [lead.send("scout", "x", conversation_id=f"chat:{len(sent) + more}") for more in range(100)]
    scout.send("lead", "not of these", conversation_id="chat:1")
    newest = lead.send("scout", "elsewhere", conversation_id="Chat:1")

    first, position = stored_after(0)
    second, end = stored_after(position)
    assert (first + second, end) == (sent, newest.id)
    assert 0 < len(second) < len(first)
    assert stored_after(end) == ([], end)
    assert stored_after(end + 5) == ([], end)


def test_the_messages_of_a_mailbox_before_a_message_are_known(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    with lead.transaction():
        first = lead.send("scout", "1", message_type="news", conversation_id="c")
        lead.send("scout", "of another type")
        lead.broadcast("2", message_type="news")
        lead.send("scout", "3", message_type="news", reply_to=first.message_id)
        lead.send("lead", "of another mailbox", message_type="news")
        urgent = lead.send("scout", "0", message_type="news", priority="urgent")
        last = lead.send("scout", "4", message_type="news")

    def earlier(message: Message, limit: int = 9) -> list[tuple[str | None, str | None, str | None]]:
        found = scout.queries.earlier_deliveries(message, message_type="news", limit=limit)
        return [(each.conversation_id, each.recipient, each.reply_to) for each, _ in found]

    expected = [(None, "scout", None), ("c", "scout", None), (None, None, None), (None, "scout", first.message_id)]
    assert earlier(last) == expected
    assert earlier(last, 2) == expected[:2]
    assert earlier(urgent) == []
    (delivery,) = scout.claim()
    scout.release(delivery, error="later", delay=60)
    rests = scout.queries.earlier_deliveries(last, message_type="news", limit=1)[0][1]
    assert rests is not None
    (delivery,) = scout.claim()
    scout.acknowledge(delivery)
    assert earlier(last) == [expected[0], *expected[2:]]


def test_it_is_known_whether_anything_older_is_open(join: Join) -> None:
    lead = join("lead")
    moment = datetime.now(UTC) + timedelta(hours=1)
    assert not lead.queries.has_open_before(moment)
    lead.send("lead", "one")
    assert lead.queries.has_open_before(moment)
    assert not lead.queries.has_open_before(moment - timedelta(hours=2))
    (delivery,) = lead.claim()
    assert lead.queries.has_open_before(moment)
    lead.release(delivery, error="later", delay=60)
    assert not lead.queries.has_open_before(moment)


@pytest.mark.only_sqlite("reads the plans of SQLite")
def test_a_question_about_some_messages_reads_no_whole_table(
    join: Join, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it takes longer with every year of a team. The agents are few, and may be scanned."""
    lead, asked = join("lead"), []

    def record(db: sqlite3.Connection, sql: str, values: Any, **options: bool) -> list[sqlite3.Row]:  # noqa: ANN401
        asked.append((sql, values))
        return run_query(db, sql, values, **options)

    monkeypatch.setattr(store, "run_query", record)
    message = lead.send("lead", "x", message_id="a", conversation_id="c")
    queries = lead.queries
    queries.messages([1, 2]), queries.labels([1, 2]), queries.trace_each([1, 2])
    queries.version_labels(["a", "b"], sender="lead"), queries.versions("a")
    queries.reply_labels(["a", "b"], message_type="message", only_last=True), queries.find(conversation="c")
    queries.stored_after(0, senders=["lead"], conversation_prefix="c")
    queries.earlier_deliveries(message, message_type="message", limit=9), queries.has_open_before(datetime.now(UTC))
    lead.wake_ladder.overdue_unread(0), lead.wake_ladder.overdue_unread(0, "lead"), lead.find_agent("lead")
    assert len(asked) >= 14
    with contextlib.closing(sqlite3.connect(team.database)) as db:
        steps = [(sql, row[3]) for sql, values in asked for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    tables = "messages|m|deliveries|d|itself"
    assert [step for step in steps if re.fullmatch(rf"SCAN (TABLE )?({tables})( USING .*)?", step[1])] == []


def test_search_finds_all_words_of_every_writer(join: Join, team: Team) -> None:
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


def test_a_removed_message_is_not_found(join: Join, team: Team) -> None:
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


def test_conversations_come_with_the_newest_first_and_with_what_a_reader_has_not_read(join: Join) -> None:
    lead, ann = join("lead"), join("console-ann")
    ann.send("lead", "first", conversation_id="console-ann:1")
    lead.send("console-ann", "second", conversation_id="console-ann:1")
    ann.send("lead", "an alert", conversation_id="incident:7")
    lead.send("console-ann", "alone")

    found = lead.queries.conversations("console-ann")

    assert [(each.id, each.last.content, each.unread) for each in found] == [
        ("incident:7", "an alert", 0),
        ("console-ann:1", "second", 1),
    ]


def test_conversations_are_read_in_pages_and_by_the_beginning_of_their_ids(join: Join) -> None:
    lead = join("lead")
    for number in range(5):
        lead.send("lead", str(number), conversation_id=f"incident:{number}")
        lead.send("lead", str(number), conversation_id=f"work-{number}")
    lead.send("lead", "again", conversation_id="incident:0")

    first = lead.queries.conversations("lead", prefixes=["incident:"], limit=2)
    rest = lead.queries.conversations("lead", prefixes=["incident:"], before=first[-1].last.id)
    others = lead.queries.conversations("lead", without=["incident:"], limit=2)

    assert [each.id for each in first] == ["incident:0", "incident:4"]
    assert [each.id for each in rest] == ["incident:3", "incident:2", "incident:1"]
    assert [each.id for each in others] == ["work-4", "work-3"]


def test_the_messages_of_a_conversation_before_another_are_counted(join: Join) -> None:
    lead = join("lead")
    sent = [lead.send("lead", str(number), conversation_id="long") for number in range(3)]

    assert lead.queries.count_earlier("long", sent[2].id) == (2, sent[0].created_at)
    assert lead.queries.count_earlier("long", sent[0].id) == (0, None)


def test_the_state_of_a_delivery_says_when_it_is_tried_next(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    sent = lead.send("scout", "try this")
    (delivery,) = scout.claim()
    (held,) = lead.queries.trace(sent.message_id)
    assert held.next_try_at == delivery.lease_expires_at

    scout.release(delivery, error="not now", delay=3600)

    (waiting,) = lead.queries.trace(sent.message_id)
    assert waiting.next_try_at is not None
    assert waiting.next_try_at > datetime.now(UTC) + timedelta(minutes=59)
