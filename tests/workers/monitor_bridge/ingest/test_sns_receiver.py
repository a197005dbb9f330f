"""What AWS SNS sends to the receiver: believed only with Amazon's signature, confirmed only at Amazon's hosts."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from helpers.incident_harness import Join
from helpers.vendor_payloads import load_payload
from teamsup.hub import MessageHub
from teamsup.workers.monitor_bridge.ingest import body
from teamsup.workers.monitor_bridge.ingest.amazon_signature import AmazonSignatures, CertificateUnavailable
from teamsup.workers.monitor_bridge.ingest.receiver import IngestOutcome, PayloadReceiver, SourceLog
from teamsup.workers.monitor_bridge.ingest.rejected import list_rejected
from teamsup.workers.monitor_bridge.ingest.sources import WebhookRequest
from teamsup.workers.monitor_bridge.ingest.sources.aws_sns import signed_text
from teamsup.workers.monitor_bridge.ingest.sources.payload import JsonObject
from teamsup.workers.monitor_bridge.source_section import SourceSection

HOST = "https://sns.eu-central-1.amazonaws.com"
CONFIRMATION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "1",
    "Token": "2",
    "TopicArn": "arn:aws:sns:eu-central-1:1:alarms",
    "Message": "You have chosen to subscribe.",
    "SubscribeURL": f"{HOST}/?Action=ConfirmSubscription&Token=2",
    "Timestamp": "2026-03-01T12:00:00.000Z",
    "SigningCertURL": f"{HOST}/SimpleNotificationService-1.pem",
}


class Writer:
    """Keeps the alerts that would be stored."""

    def __init__(self) -> None:
        self.stored: list[str] = []

    async def store(self, source: str, alerts: Any) -> None:  # noqa: ANN401
        self.stored += [f"{source}: {alert.title}" for alert in alerts]


class Amazon:
    """Signs as Amazon does, hands out its certificate, and is asked to confirm a subscription."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - quick, and nobody attacks it
        self.is_reachable = True
        self.confirmed: list[str] = []

    async def fetch(self, _: str) -> bytes:
        if not self.is_reachable:
            raise CertificateUnavailable("it cannot be fetched")
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )
        return built.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    async def confirm(self, link: str) -> bool:
        self.confirmed.append(link)
        return self.is_reachable

    def sign(self, envelope: dict[str, Any]) -> dict[str, Any]:
        signature = self._key.sign(signed_text(JsonObject("", envelope)), padding.PKCS1v15(), hashes.SHA256())
        return envelope | {"SignatureVersion": "2", "Signature": base64.b64encode(signature).decode()}


@pytest.fixture
def hub(join: Join) -> MessageHub:
    return join("monitor-bridge")


class Bridge:
    """The receiver of one source of the kind aws_sns."""

    def __init__(self, hub: MessageHub, amazon: Amazon) -> None:
        self.writer = Writer()
        self._receiver = PayloadReceiver(
            hub,
            self.writer,  # type: ignore[arg-type]
            {"cloudwatch": SourceSection(kind="aws_sns")},
            SourceLog(),
            amazon.confirm,
            AmazonSignatures(amazon.fetch),
        )

    async def receive(self, envelope: dict[str, Any]) -> IngestOutcome:
        return await self._receiver.receive(
            WebhookRequest("cloudwatch"), body.RequestBody(json.dumps(envelope).encode())
        )


@pytest.mark.anyio
async def test_a_signed_alarm_is_stored_and_a_changed_one_is_kept_for_a_person(hub: MessageHub) -> None:
    amazon = Amazon()
    bridge = Bridge(hub, amazon)
    signed = amazon.sign(load_payload("aws_sns_alarm.json"))

    assert (await bridge.receive(signed)).status == 200
    assert bridge.writer.stored == ["cloudwatch: db1-cpu"]
    refused = await bridge.receive(signed | {"Subject": "of somebody else"})
    assert (refused.status, refused.sentence) == (400, "Its signature is not Amazon's.")
    assert [each.reason for each in list_rejected(hub)] == ["Its signature is not Amazon's."]
    assert bridge.writer.stored[1:] == ["cloudwatch: Some payloads of cloudwatch could not be read"]


@pytest.mark.anyio
async def test_a_subscription_is_confirmed_once_its_signature_is_amazons(hub: MessageHub) -> None:
    amazon = Amazon()
    bridge = Bridge(hub, amazon)

    assert (await bridge.receive(amazon.sign(CONFIRMATION))).sentence == "Confirmed."
    assert amazon.confirmed == [CONFIRMATION["SubscribeURL"]]
    assert bridge.writer.stored == []
    assert (await bridge.receive(CONFIRMATION | {"Signature": "AAAA"})).status == 400
    assert len(amazon.confirmed) == 1


@pytest.mark.anyio
async def test_no_other_host_is_called_even_with_amazons_signature(hub: MessageHub) -> None:
    """Anybody who has a topic gets Amazon's signature for what they write."""
    amazon = Amazon()
    bridge = Bridge(hub, amazon)

    refused = await bridge.receive(amazon.sign(CONFIRMATION | {"SubscribeURL": "https://169.254.169.254/"}))

    assert (refused.status, amazon.confirmed) == (400, [])
    assert refused.sentence == "SubscribeURL is not one of https://sns.REGION.amazonaws.com."


@pytest.mark.anyio
async def test_amazon_tries_again_what_could_not_be_checked_or_confirmed(hub: MessageHub) -> None:
    amazon = Amazon()
    bridge = Bridge(hub, amazon)
    amazon.is_reachable = False
    signed = amazon.sign(CONFIRMATION)

    unchecked = await bridge.receive(signed)
    amazon.is_reachable = True
    await bridge.receive(signed)
    amazon.is_reachable = False
    unconfirmed = await bridge.receive(signed)

    assert (unchecked.status, unconfirmed.status) == (503, 503)
    assert list_rejected(hub) == []
