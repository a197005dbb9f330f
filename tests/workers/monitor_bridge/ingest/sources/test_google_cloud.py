"""Google Cloud Monitoring."""

from datetime import UTC, datetime

import pytest

from helpers.vendor_payloads import change_payload, load_payload, parse_alert, parse_error


def test_an_incident_that_is_open() -> None:
    found = parse_alert("google_cloud", load_payload("google_open.json"))
    assert (found.fingerprint, found.is_firing, found.severity) == ("0.nrwotmyokd9n", True, "critical")
    assert found.title == "Test-incident-canary: VM Instance - Sent packets"
    assert "with a value of 7679.000" in found.text
    assert found.labels["zone"] == "europe-west1-b"
    assert found.labels["project"] == "flanksource-sandbox"
    assert found.occurred_at == datetime.fromtimestamp(1746178794, UTC)
    assert not found.is_test


def test_an_incident_that_is_closed() -> None:
    found = parse_alert("google_cloud", load_payload("google_closed.json"))
    assert (found.fingerprint, found.is_firing) == ("0.nrwo9fe1a4wg", False)
    assert found.occurred_at == datetime.fromtimestamp(1746178747, UTC)


def test_two_policies_about_one_subject_are_about_one_subject() -> None:
    warning = change_payload("google_open.json", "incident", "policy_name", value="the same, earlier")
    assert (
        parse_alert("google_cloud", warning).subject
        == parse_alert("google_cloud", load_payload("google_open.json")).subject
    )


def test_its_test_differs_from_all_that_is_real() -> None:
    found = parse_alert("google_cloud", load_payload("google_test.json"))
    assert (found.fingerprint, found.is_firing, found.is_test, found.occurred_at) == ("12345", True, True, None)
    assert found.text == "Test Incident\nTest documentation"


@pytest.mark.parametrize(
    ("keys", "value", "reason"),
    [
        (("incident",), "fire", "incident.incident_id is missing."),
        (("incident", "incident_id"), "", "incident.incident_id is missing."),
    ],
)
def test_without_an_identity_it_is_refused(keys: tuple[str, ...], value: object, reason: str) -> None:
    assert parse_error("google_cloud", change_payload("google_open.json", *keys, value=value)) == reason


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("version",), 2.0),
        (("incident", "state"), "ajar"),
        (("incident", "documentation"), 3),
        (("incident", "started_at"), 1e300),
        (("incident", "resource"), ["a"]),
        (("incident", "severity"), {"a": "b"}),
    ],
)
def test_a_wrong_field_outside_its_identity_refuses_no_alert(keys: tuple[str, ...], value: object) -> None:
    found = parse_alert("google_cloud", change_payload("google_open.json", *keys, value=value))
    assert (found.fingerprint, found.is_firing) == ("0.nrwotmyokd9n", True)
