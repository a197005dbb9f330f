"""What the hub's maintenance removes of monitor-bridge's tables."""

from dataclasses import replace

import pytest

from helpers.incident_harness import FIRING, IncidentHarness, Join, resolved
from teamsup.workers.monitor_bridge.component import component
from teamsup.workers.monitor_bridge.message_handler import MessageHandler

pytestmark = pytest.mark.both_engines

TABLES = [component.tables] if component.tables is not None else []


def test_forget_removes_who_took_care_of_an_incident_but_not_that_somebody_did(join: Join) -> None:
    harness = IncidentHarness(join)
    handler = MessageHandler(harness.hub, harness.incidents, harness.acknowledgements)
    people = {
        "k1": {"author_name": "Ann", "person": "discord:30"},
        "k2": {"author_name": "Ann", "person": "discord:31"},
        "k3": {"author_name": "console-cid", "person": "console-cid-7"},
    }
    harness.agents["user_comm"].register("daemon")
    for key, metadata in people.items():
        harness.ingest(replace(FIRING, fingerprint=key))
        number = next(each.id for each in harness.open if each.fingerprint == key)
        harness.agents["user_comm"].send("monitor-bridge", f"ack {number}", metadata=metadata)
        for delivery in harness.hub.claim(10):
            handler.handle(delivery, "")

    harness.hub.maintenance.forget("discord:30", TABLES)
    harness.hub.maintenance.forget("console-cid", TABLES)

    carers = {each.fingerprint: (each.state, each.acknowledged_by, each.responded_by) for each in harness.open}
    assert carers == {
        "k1": ("acknowledged", "somebody", "somebody"),
        "k2": ("acknowledged", "Ann", "Ann"),
        "k3": ("acknowledged", "somebody", "somebody"),
    }
    kept = harness.hub.query("SELECT acknowledged_by_id FROM incidents WHERE acknowledged_by_id IS NOT NULL")
    assert [row[0] for row in kept] == ["discord:31"]


def test_forget_does_not_answer_an_incident_that_is_open_again(join: Join) -> None:
    harness = IncidentHarness(join)
    harness.ingest(replace(FIRING, severity="warning"))
    harness.acknowledgements.acknowledge(["all"], "Ann", person="discord:30")
    harness.ingest(replace(FIRING, severity="critical"))

    harness.hub.maintenance.forget("discord:30", TABLES)

    (incident,) = harness.open
    assert (incident.state, incident.acknowledged_by, incident.responded_by) == ("firing", None, None)


def test_forget_removes_every_text_that_names_the_one_who_took_care(join: Join) -> None:
    harness = IncidentHarness(join)
    harness.agents["user_comm"].register("daemon")
    handler = MessageHandler(harness.hub, harness.incidents, harness.acknowledgements)

    def write(text: str, **person: str) -> None:
        harness.agents["user_comm"].send("monitor-bridge", text, metadata=person)
        for delivery in harness.hub.claim(10):
            handler.handle(delivery, "")

    harness.ingest(FIRING)
    harness.read("alert-manager")
    write("ack 1", author_name="Annabel", person="discord:30")
    for question in ("alerts", "alerts 1", "ack 1"):
        write(question, author_name="Bob", person="discord:31")
    harness.ingest(resolved(FIRING))
    sql = "SELECT count(*) FROM messages WHERE content LIKE '%Annabel%' OR metadata LIKE '%Annabel%'"
    ((named,),) = harness.hub.query(sql)
    assert named >= 6

    harness.hub.maintenance.forget("discord:30", TABLES)

    assert [tuple(row) for row in harness.hub.query(sql)] == [(0,)]
    assert any("Bob" in row[0] for row in harness.hub.query("SELECT metadata FROM messages"))
