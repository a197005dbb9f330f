"""What the hub's maintenance removes of monitor-bridge's tables."""

from dataclasses import replace

from helpers.incident_harness import FIRING, IncidentHarness, Join
from teamsup.workers.monitor_bridge.component import component
from teamsup.workers.monitor_bridge.message_handler import MessageHandler

TABLES = [component.tables] if component.tables is not None else []


def test_forget_removes_who_took_care_of_an_incident_but_not_that_somebody_did(join: Join) -> None:
    desk = IncidentHarness(join)
    handler = MessageHandler(desk.hub, desk.incidents, desk.acknowledgements)
    people = {
        "k1": {"author_name": "Ann", "person": "discord:30"},
        "k2": {"author_name": "Ann", "person": "discord:31"},
        "k3": {"author_name": "console-cid", "person": "console-cid-7"},
    }
    desk.agents["user_comm"].register("daemon")
    for key, metadata in people.items():
        desk.ingest(replace(FIRING, fingerprint=key))
        number = next(each.id for each in desk.open if each.fingerprint == key)
        desk.agents["user_comm"].send("monitor-bridge", f"ack {number}", metadata=metadata)
        for delivery in desk.hub.claim(10):
            handler.handle(delivery, "")

    desk.hub.maintenance.forget("discord:30", TABLES)
    desk.hub.maintenance.forget("console-cid", TABLES)

    carers = {each.fingerprint: (each.state, each.acknowledged_by, each.responded_by) for each in desk.open}
    assert carers == {
        "k1": ("acknowledged", "somebody", "somebody"),
        "k2": ("acknowledged", "Ann", "Ann"),
        "k3": ("acknowledged", "somebody", "somebody"),
    }
    kept = desk.hub.query("SELECT acknowledged_by_id FROM incidents WHERE acknowledged_by_id IS NOT NULL")
    assert [row[0] for row in kept] == ["discord:31"]


def test_forget_does_not_answer_an_incident_that_is_open_again(join: Join) -> None:
    desk = IncidentHarness(join)
    desk.ingest(replace(FIRING, severity="warning"))
    desk.acknowledgements.acknowledge(["all"], "Ann", person="discord:30")
    desk.ingest(replace(FIRING, severity="critical"))

    desk.hub.maintenance.forget("discord:30", TABLES)

    (incident,) = desk.open
    assert (incident.state, incident.acknowledged_by, incident.responded_by) == ("firing", None, None)
