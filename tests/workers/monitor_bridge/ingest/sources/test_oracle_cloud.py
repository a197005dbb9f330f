"""Oracle Cloud: alarms, and the subscription to them."""

from datetime import UTC, datetime

import pytest

from helpers.vendor_payloads import change_payload, load_payload, parse_alert, parse_error
from teamsup.workers.monitor_bridge.ingest.sources import InvalidPayload, WebhookRequest
from teamsup.workers.monitor_bridge.ingest.sources.oracle_cloud import confirmation_link


def test_an_alarm_over_several_metric_streams() -> None:
    found = parse_alert("oracle_cloud", load_payload("oracle_grouped.json"))
    assert (found.fingerprint, found.reuses_fingerprint, found.is_firing) == ("exampleuniqueID", True, True)
    assert (found.title, found.severity) == ("High CPU Utilization", "critical")
    assert found.text.endswith("Resources: wordpress, oke-0, oke-2, oke-1")
    assert found.labels["region"] == "us-ashburn-1"
    assert "faultDomain" not in found.labels  # in which they differ
    assert found.occurred_at == datetime(2023, 5, 17, 15, 34, 23, 852000, UTC)
    assert found.link.startswith("https://cloud.oracle.com/monitoring/alarms/")


def test_an_alarm_of_one_metric_stream() -> None:
    found = parse_alert("oracle_cloud", load_payload("oracle_split.json"))
    assert found.labels["resourceDisplayName"] == "wordpress"
    assert found.labels["faultDomain"] == "FAULT-DOMAIN-2"


@pytest.mark.parametrize(
    ("kind", "status", "is_firing"),
    [
        ("OK_TO_FIRING", "FIRING", True),
        ("REPEAT", "FIRING", True),
        ("FIRING_TO_OK", "OK", False),
        ("RESET", "OK", False),
        ("RESET", "FIRING", True),
    ],
)
def test_the_kind_of_a_message_says_whether_it_fires(kind: str, status: str, is_firing: bool) -> None:
    body = change_payload("oracle_split.json", "type", value=kind)
    body["alarmMetaData"][0]["status"] = status
    assert parse_alert("oracle_cloud", body).is_firing == is_firing


@pytest.mark.parametrize("kind", ["HELLO", None, 5])
def test_another_kind_fires(kind: object) -> None:
    assert parse_alert("oracle_cloud", change_payload("oracle_split.json", "type", value=kind)).is_firing


def test_without_an_identity_it_is_refused() -> None:
    assert (
        parse_error("oracle_cloud", change_payload("oracle_split.json", "dedupeKey", value=None))
        == "dedupekey is missing."
    )


@pytest.mark.parametrize(
    "address",
    [
        "https://cell1.notification.us-phoenix-1.oraclecloud.com/20181201/subscriptions/x/confirmation?token=1",
        "https://notification.eu-frankfurt-1.oci.oraclecloud.com:443/confirm",
    ],
)
def test_a_subscription_is_confirmed_at_oracle(address: str) -> None:
    assert confirmation_link(subscription(address)) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "<exampleConfirmationURL>",
        "http://x.oraclecloud.com/",
        "https://oraclecloud.com/",
        "https://evil-oraclecloud.com/",
        "https://x.oraclecloud.com.evil.example/",
        "https://evil.example/x.oraclecloud.com",
        "https://evil.example#.oraclecloud.com/",
        "https://evil.example\\.oraclecloud.com/",
        "https://x.oraclecloud.com@evil.example/",
        "https://user:password@x.oraclecloud.com/",
        "https://x.oraclecloud.com:22/",
        "https://x.oraclecloud.com:99999/",
        "https://[::1].oraclecloud.com/",
        "https://127.0.0.1/",
        "https://x.oraclecloud.com /",
        "https://x.oraclecloud.com/\r\nHost: evil",
        "https://х.oraclecloud.com/",
        "https://x.oraclecloud.com/" + "a" * 2000,
    ],
)
def test_a_subscription_is_confirmed_nowhere_else(address: str) -> None:
    with pytest.raises(InvalidPayload, match=r"is not one of https://….oraclecloud.com"):
        confirmation_link(subscription(address))


def test_an_alarm_is_not_a_subscription() -> None:
    assert confirmation_link(WebhookRequest("here", headers={"x-oci-ns-messagetype": "Notification"})) is None


def subscription(address: str) -> WebhookRequest:
    kind = "SubscriptionConfirmation"
    return WebhookRequest("here", headers={"x-oci-ns-messagetype": kind, "x-oci-ns-confirmationurl": address})
