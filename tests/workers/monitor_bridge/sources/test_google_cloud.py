"""Google Cloud Monitoring."""

from datetime import UTC, datetime

import pytest

from vendor_payloads import alert, payload, refusal, with_change


def test_an_incident_that_is_open() -> None:
    found = alert("google_cloud", payload("google_open.json"))
    assert (found.key, found.is_firing, found.severity) == ("0.nrwotmyokd9n", True, "critical")
    assert found.title == "Test-incident-canary: VM Instance - Sent packets"
    assert "with a value of 7679.000" in found.text
    assert found.labels["zone"] == "europe-west1-b"
    assert found.labels["project"] == "flanksource-sandbox"
    assert found.at == datetime.fromtimestamp(1746178794, UTC)
    assert not found.is_test


def test_an_incident_that_is_closed() -> None:
    found = alert("google_cloud", payload("google_closed.json"))
    assert (found.key, found.is_firing) == ("0.nrwo9fe1a4wg", False)
    assert found.at == datetime.fromtimestamp(1746178747, UTC)


def test_two_policies_about_one_thing_are_about_one_thing() -> None:
    warning = with_change("google_open.json", "incident", "policy_name", value="the same, earlier")
    assert alert("google_cloud", warning).thing == alert("google_cloud", payload("google_open.json")).thing


def test_its_test_differs_from_all_that_is_real() -> None:
    found = alert("google_cloud", payload("google_test.json"))
    assert (found.key, found.is_firing, found.is_test, found.at) == ("12345", True, True, None)
    assert found.text == "Test Incident\nTest documentation"


@pytest.mark.parametrize(
    ("keys", "value", "reason"),
    [
        (("incident",), "fire", "incident.incident_id is missing."),
        (("incident", "incident_id"), "", "incident.incident_id is missing."),
    ],
)
def test_without_an_identity_it_is_refused(keys: tuple[str, ...], value: object, reason: str) -> None:
    assert refusal("google_cloud", with_change("google_open.json", *keys, value=value)) == reason


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
def test_what_is_not_its_identity_refuses_no_alert(keys: tuple[str, ...], value: object) -> None:
    found = alert("google_cloud", with_change("google_open.json", *keys, value=value))
    assert (found.key, found.is_firing) == ("0.nrwotmyokd9n", True)
