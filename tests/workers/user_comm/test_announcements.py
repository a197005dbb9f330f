"""News of an incident on their way to people, and what becomes of those that were shown with a button."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from helpers.incident_harness import FIRING, IncidentHarness, Join, resolved
from teamsup.config.components import installed_tables
from teamsup.hub import Message, MessageHub
from teamsup.workers.user_comm.announcements import Announcer, retry_seconds
from teamsup.workers.user_comm.outcome import Done

from .conftest import live_rules


class AnnouncementReader:
    """The messages to the gateway about the harness's incidents."""

    def __init__(self, join: Join) -> None:
        self.harness = IncidentHarness(join, here=())
        self._gateway = join("gateway", clock=lambda: self.harness.now)
        self._user_comm: MessageHub = self.harness.agents["user_comm"]
        self.set_home(1)

    def set_home(self, channel: int) -> None:
        rules = live_rules(self._user_comm, f"[gateway]\nhome_channel = {channel}\n")
        self._announcer = Announcer(self._user_comm, rules)

    def read(self) -> list[Message]:
        """All that is new."""
        while batch := self._user_comm.claim(100):
            for delivery in batch:
                assert isinstance(self._announcer.announce(delivery.message), Done)
                self._user_comm.acknowledge(delivery)
        found = []
        while batch := self._gateway.claim(100):
            for delivery in batch:
                self._gateway.acknowledge(delivery)
                found.append(delivery.message)
        return found

    def settled(self) -> list[tuple[str | None, str]]:
        """What is said in which message that was shown before."""
        return [(each.reply_to, each.content) for each in self.read() if each.message_type == "close_buttons"]


@pytest.fixture
def announced(join: Join) -> AnnouncementReader:
    return AnnouncementReader(join)


def test_a_shown_alert_names_its_acknowledger_and_then_its_end(announced: AnnouncementReader) -> None:
    announced.harness.ingest(FIRING)
    (shown,) = announced.read()
    assert list(shown.metadata["commands"]) == ["Acknowledge"]
    announced.harness.acknowledgements.acknowledge(["all"], "ann")
    assert announced.settled() == [(shown.message_id, "ann takes care of it.")]
    announced.harness.now += 60
    announced.harness.ingest(resolved(FIRING))
    assert announced.settled() == [(shown.message_id, "Resolved after 1m 0s. ann took care of it.")]


def test_it_says_that_it_is_over_also_when_nobody_took_care_of_it(announced: AnnouncementReader) -> None:
    announced.harness.ingest(FIRING)
    (shown,) = announced.read()
    announced.harness.ingest(resolved(FIRING))
    assert announced.settled() == [(shown.message_id, "Resolved after 0s.")]


def test_without_a_home_channel_nothing_is_sent(announced: AnnouncementReader, join: Join) -> None:
    join("console-bob").register("console")
    announced.harness.ingest(FIRING)
    announced.read()
    announced.set_home(0)
    announced.harness.acknowledgements.acknowledge(["all"], "ann")
    assert announced.read() == []


def test_an_acknowledgement_of_a_later_incident_is_shown_there_alone(announced: AnnouncementReader) -> None:
    announced.harness.ingest(replace(FIRING, group="g"))
    (first,) = announced.read()
    announced.harness.acknowledgements.acknowledge(["all"], "ann")
    announced.read()
    announced.harness.ingest(replace(FIRING, group="g", fingerprint="k2", severity="critical"))
    (second,) = announced.read()
    announced.harness.acknowledgements.acknowledge(["all"], "bob")
    assert announced.settled() == [(second.message_id, "bob takes care of it.")]
    announced.harness.ingest(*(resolved(replace(FIRING, fingerprint=key)) for key in ("k1", "k2")))
    assert {shown for shown, _ in announced.settled()} == {first.message_id, second.message_id}


def test_an_acknowledgement_is_announced_on_discord_unless_it_was_answered_in_its_channel(
    announced: AnnouncementReader,
) -> None:
    for where, news in (("discord:1", []), ("discord:2", ["notification"]), (None, ["notification"])):
        announced.harness.ingest(FIRING)
        announced.read()
        announced.harness.acknowledgements.acknowledge(["all"], "ann", where=where)
        assert [each.message_type for each in announced.read() if each.message_type != "close_buttons"] == news
        announced.harness.ingest(resolved(FIRING))
        announced.read()
        announced.harness.now += 3600


def test_a_warning_that_something_critical_mutes_is_settled_with_it(announced: AnnouncementReader) -> None:
    announced.harness.ingest(replace(FIRING, subject="disk"))
    (warning,) = announced.read()
    announced.harness.ingest(replace(FIRING, subject="disk", fingerprint="k2", severity="critical"))
    (critical,) = announced.read()
    announced.harness.acknowledgements.acknowledge(["all"], "ann")
    assert {shown for shown, _ in announced.settled()} == {warning.message_id, critical.message_id}


def test_forget_removes_what_people_were_shown_about_who_took_care(announced: AnnouncementReader) -> None:
    announced.harness.ingest(FIRING)
    announced.read()
    announced.harness.acknowledgements.acknowledge(["all"], "Annabel", person="discord:30")
    announced.read()
    announced.harness.ingest(resolved(FIRING))
    announced.read()
    sql = "SELECT count(*) FROM messages WHERE content LIKE '%Annabel%' OR metadata LIKE '%Annabel%'"
    assert announced.harness.hub.query(sql)[0][0] >= 4

    announced.harness.hub.maintenance.forget("discord:30", installed_tables())

    assert announced.harness.hub.query(sql)[0][0] == 0


@pytest.mark.parametrize(("age", "seconds"), [(-3600, 10), (0, 10), (60, 60), (7200, 300)])
def test_an_announcement_without_a_reader_is_tried_less_often_as_it_grows_older(age: float, seconds: float) -> None:
    announcement = Message(
        1, "1", "monitor-bridge", "user_comm", "disk full", created_at=datetime.fromtimestamp(1e9, UTC)
    )

    assert retry_seconds(announcement, 1e9 + age) == seconds
