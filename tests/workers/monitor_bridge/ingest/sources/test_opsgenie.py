"""Opsgenie: its webhooks and its API."""

import pytest

from helpers.vendor_payloads import load_payload, parse_alert, parse_error, parse_payload


def test_a_webhook_begins_and_ends_a_problem() -> None:
    began = parse_alert("opsgenie", load_payload("opsgenie_create.json"))
    ended = parse_alert("opsgenie", load_payload("opsgenie_create.json") | {"action": "Close"})

    assert (began.fingerprint, began.title, began.severity, began.text) == (
        "db1-disk",
        "Disk of db1 is full",
        "critical",
        "2 % left",
    )
    assert began.labels == {"region": "eu", "entity": "db1", "tags": "prod, disk"}
    assert (ended.fingerprint, ended.is_firing) == ("db1-disk", False)


@pytest.mark.parametrize("action", ["Acknowledge", "AddNote", "AssignOwnership", "Snooze"])
def test_a_note_is_left_out(action: str) -> None:
    assert parse_payload("opsgenie", load_payload("opsgenie_create.json") | {"action": action}) == ()


def test_a_request_of_its_api_creates_an_alert() -> None:
    found = parse_alert("opsgenie", {"message": "it is down", "priority": "P5", "alias": "shop", "details": {"a": "b"}})

    assert (found.fingerprint, found.title, found.severity, found.labels) == ("shop", "it is down", "info", {"a": "b"})
    assert parse_alert("opsgenie", {"message": "it is down"}).fingerprint == "it is down"


def test_another_payload_is_refused() -> None:
    assert "neither Opsgenie's webhook nor its API" in parse_error("opsgenie", {"a": 1})
    assert parse_error("opsgenie", {"alert": {}}) == "alert.alias is missing."
