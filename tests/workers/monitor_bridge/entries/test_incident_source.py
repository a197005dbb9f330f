"""What a page shows of incidents, and what a person does about them there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from helpers.incident_harness import FIRING, IncidentHarness, Join, resolved
from teamsup.config.entries import Age, EntrySource, Need, Text
from teamsup.hub import CallerError
from teamsup.workers.monitor_bridge.entries.incident_source import IncidentSource
from teamsup.workers.monitor_bridge.message_handler import MessageHandler

SOURCE: EntrySource = IncidentSource()
CRITICAL = replace(FIRING, severity="critical")


@pytest.fixture
def desk(join: Join) -> IncidentHarness:
    return IncidentHarness(join, ack_timeout_seconds=180.0)


def now(desk: IncidentHarness) -> datetime:
    return datetime.fromtimestamp(desk.now, UTC)


def the_need(desk: IncidentHarness) -> Need:
    (need,) = SOURCE.needs(desk.hub, now(desk))
    return need


def words(text: Text) -> str:
    return "".join("(age)" if isinstance(part, Age) else part for part in text)


def act(desk: IncidentHarness, need: Need, action: str) -> str:
    return SOURCE.act(desk.hub, need.id, action, need.version, "console-ann", "")


@contextmanager
def answering(desk: IncidentHarness) -> Iterator[None]:
    """Let the bridge answer messages, as its process does."""
    handler, over = MessageHandler(desk.hub, desk.incidents, desk.acknowledgements), threading.Event()

    def serve() -> None:
        while not over.is_set():
            desk.hub.wait(0.05)
            for delivery in desk.hub.claim(10):
                handler.handle(delivery, "")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_firing_incident_needs_a_person_and_shows_what_comes_next(desk: IncidentHarness) -> None:
    desk.ingest(CRITICAL)
    need = the_need(desk)
    assert (need.kind, need.label, need.title, need.is_critical) == (
        "incident",
        f"Incident {desk.open[0].id}",
        "HighCPU on web-01",
        True,
    )
    assert words(need.evidence) == (
        "Critical, firing (age), reported once. alert-manager was notified (age), and nobody has answered."
    )
    assert need.deadline is not None
    assert round(need.deadline.timestamp() - desk.now) == 60
    assert need.deadline_note == "then alert-manager is reminded"
    assert [each.label for each in need.actions] == ["Acknowledge", "Mute 1 h", "Close…"]
    assert [each.label for each in need.actions if each.asks_first] == ["Close…"]


def test_incidents_of_one_group_are_one_need(desk: IncidentHarness) -> None:
    desk.ingest(replace(FIRING, group="g"), replace(CRITICAL, fingerprint="k2", title="worse", group="g"))
    need = the_need(desk)
    assert need.title == "worse"
    assert "with 1 more of its group" in words(need.evidence)
    assert SOURCE.count_open(desk.hub) == 2


def test_without_the_bridge_nobody_knows_what_comes_next(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    desk.hub.maintenance.mark_offline("monitor-bridge")
    need = the_need(desk)
    assert (need.deadline, need.deadline_note) == (None, "unknown: monitor-bridge is not heard")


def test_an_acknowledgement_goes_the_way_of_the_command_and_in_the_name_of_the_person(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    need = the_need(desk)
    with answering(desk):
        assert act(desk, need, "ack") == f'ann takes care of incident {need.id}, "HighCPU on web-01".'
    assert desk.open[0].acknowledged_by == "ann"
    assert SOURCE.needs(desk.hub, now(desk)) == []
    with pytest.raises(CallerError, match=f"ann has acknowledged incident {need.id} by now"):
        act(desk, need, "close")


def test_a_mute_ends_the_need_for_an_hour(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    need = the_need(desk)
    with answering(desk):
        assert "for 1h 0m, until " in act(desk, need, "mute")
    assert SOURCE.needs(desk.hub, now(desk)) == []
    entry = SOURCE.entry(desk.hub, need.id, now(desk))
    assert entry is not None
    assert entry.state.word == "muted"
    assert words(entry.timeline[-1].text) == "the mute ends, and it is notified again"
    assert entry.timeline[-1].is_future
    desk.advance(3601)
    assert the_need(desk).state.word == "firing"


@pytest.mark.parametrize(("typed", "count"), [("", 1), ("highcpu web-01", 1), ("web-02", 0)])
def test_incidents_are_found_by_the_words_of_their_alerts(desk: IncidentHarness, typed: str, count: int) -> None:
    desk.ingest(FIRING)
    for show in ("open", "all"):
        assert len(SOURCE.rows(desk.hub, {"show": show, "words": typed}, None, 5, now(desk))) == count


def test_an_ended_entry_takes_no_action(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    need = the_need(desk)
    desk.ingest(resolved(FIRING))
    with pytest.raises(CallerError, match=f"Incident {need.id} is over by now"):
        act(desk, need, "ack")
    entry = SOURCE.entry(desk.hub, need.id, now(desk))
    assert entry is not None
    assert entry.actions == ()


@pytest.mark.parametrize("number", ["99", "x", "", "1" * 40])
def test_an_unknown_number_has_no_page_and_takes_no_action(desk: IncidentHarness, number: str) -> None:
    assert SOURCE.entry(desk.hub, number, now(desk)) is None
    with pytest.raises(CallerError, match="There is no incident"):
        SOURCE.act(desk.hub, number, "ack", "", "console-ann", "")


def test_an_action_that_the_page_does_not_offer_is_refused(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    with pytest.raises(CallerError, match="is not possible"):
        act(desk, the_need(desk), "drop")


def test_the_timeline_says_who_was_told_when_and_who_has_read_it(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    desk.read("alert-manager")
    desk.advance(180)
    desk.advance(60)
    desk.advance(180)
    desk.acknowledgements.acknowledge(["all"], "ben")
    desk.ingest(resolved(FIRING))
    entry = SOURCE.entry(desk.hub, str(desk.all[0].id), now(desk))
    assert entry is not None
    told = [words(event.text) for event in entry.timeline]
    assert told[0] == "prom reported it."
    assert told[1:3] == ["alert-manager was notified.", "alert-manager read it."]
    assert "lead was notified. It was withdrawn unread." in told
    assert "ben acknowledged it." in told
    assert {"It ended.", "People were told that somebody takes care of it. It was withdrawn unread."} <= {*told}
    times = [event.at for event in entry.timeline if event.at is not None]
    assert times == sorted(times)


def test_the_list_is_read_in_pages(desk: IncidentHarness) -> None:
    desk.ingest(*(replace(FIRING, fingerprint=f"k{number}", title=f"p{number}") for number in range(5)))
    desk.ingest(resolved(replace(FIRING, fingerprint="k4")))
    first = SOURCE.rows(desk.hub, {"show": "all"}, None, 2, now(desk))
    second = SOURCE.rows(desk.hub, {"show": "all"}, first[-1].id, 2, now(desk))
    assert [row.title for row in (*first, *second)] == ["p4", "p3", "p2", "p1"]
    assert first[0].state.word == "resolved"
    assert [row.title for row in SOURCE.rows(desk.hub, {}, None, 2, now(desk))] == ["p3", "p2"]
