"""AWS SNS: its alarms, its texts, and who may send them."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from helpers.vendor_payloads import load_payload, parse_alert, parse_payload
from teamsup.workers.monitor_bridge.ingest.amazon_signature import AmazonSignatures, CertificateUnavailable
from teamsup.workers.monitor_bridge.ingest.sources import InvalidPayload
from teamsup.workers.monitor_bridge.ingest.sources.aws_sns import (
    certificate_address,
    confirmation_link,
    is_of_amazon,
    signed_text,
)
from teamsup.workers.monitor_bridge.ingest.sources.payload import JsonObject

HOST = "https://sns.eu-central-1.amazonaws.com"


def notification(**alarm: object) -> Any:  # noqa: ANN401 - JSON
    whole = load_payload("aws_sns_alarm.json")
    whole["Message"] = json.dumps(json.loads(whole["Message"]) | alarm)
    return whole


def test_an_alarm_begins_and_ends_a_problem() -> None:
    began, ended = parse_alert("aws_sns", notification()), parse_alert("aws_sns", notification(NewStateValue="OK"))

    assert (began.title, began.is_firing, began.labels["InstanceId"], began.labels["metric"]) == (
        "db1-cpu",
        True,
        "i-1",
        "CPUUtilization",
    )
    assert (ended.fingerprint, ended.is_firing) == (began.fingerprint, False)


def test_too_few_data_is_a_problem_only_of_an_alarm_that_was_firing() -> None:
    unknown = {"NewStateValue": "INSUFFICIENT_DATA"}

    assert parse_payload("aws_sns", notification(**unknown, OldStateValue="OK")) == ()
    assert parse_alert("aws_sns", notification(**unknown, OldStateValue="ALARM")).title == "db1-cpu: too few data"


def test_any_other_message_is_a_problem_of_its_own() -> None:
    found = parse_alert("aws_sns", load_payload("aws_sns_alarm.json") | {"Subject": "Backup", "Message": "it failed"})

    assert (found.title, found.text, found.fingerprint) == ("Backup", "it failed", "message 22b80b92")


@pytest.mark.parametrize(
    ("address", "is_its_own"),
    [
        (f"{HOST}/?Action=ConfirmSubscription&Token=1", True),
        ("https://sns.us-gov-west-1.amazonaws.com/", True),
        ("https://sns.cn-north-1.amazonaws.com.cn/", True),
        ("http://sns.eu-central-1.amazonaws.com/", False),
        ("https://sns.eu-central-1.amazonaws.com:8443/", False),
        ("https://sns.eu-central-1.amazonaws.com@evil.example/", False),
        ("https://evil.example/sns.eu-central-1.amazonaws.com", False),
        ("https://sns.eu-central-1.amazonaws.com.evil.example/", False),
        ("https://bucket.s3.amazonaws.com/", False),
        ("https://sns.eu-central-1.amazonaws.com\\@evil.example/", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_only_hosts_of_sns_are_called(address: str, is_its_own: bool) -> None:
    assert is_of_amazon(address) is is_its_own
    confirmation = JsonObject("", {"Type": "SubscriptionConfirmation", "SubscribeURL": address})
    if is_its_own:
        assert confirmation_link(confirmation) == address
    else:
        with pytest.raises(InvalidPayload, match="SubscribeURL is not one of"):
            confirmation_link(confirmation)


@pytest.mark.parametrize(
    "path", ["/", "/evil.pem", "/SimpleNotificationService-1.pem/../x", "/x/SimpleNotificationService-1.pem"]
)
def test_only_certificates_of_sns_are_fetched(path: str) -> None:
    with pytest.raises(InvalidPayload, match="SigningCertURL is not one of"):
        certificate_address(JsonObject("", {"SigningCertURL": HOST + path}))


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def sign(key: rsa.RSAPrivateKey, envelope: dict[str, Any], version: str) -> dict[str, Any]:
    digest = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - Amazon's
    signature = key.sign(signed_text(JsonObject("", envelope)), padding.PKCS1v15(), digest)
    return envelope | {"SignatureVersion": version, "Signature": base64.b64encode(signature).decode()}


@pytest.mark.anyio
@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_message_without_amazons_signature_is_refused(
    key: rsa.RSAPrivateKey, certificate: bytes, version: str
) -> None:
    fetched = []

    async def fetch(address: str) -> bytes:
        fetched.append(address)
        return certificate

    signatures = AmazonSignatures(fetch)
    whole = sign(key, load_payload("aws_sns_alarm.json"), version)

    await signatures.check(JsonObject("", whole))
    without_subject = {name: value for name, value in whole.items() if name != "Subject"}
    await signatures.check(JsonObject("", sign(key, without_subject, version)))
    assert fetched == [whole["SigningCertURL"]]
    for change in (
        {"Message": "other"},
        {"Subject": None},
        {"Signature": "AAAA"},
        {"Signature": "?"},
        {"TopicArn": "x"},
    ):
        with pytest.raises(InvalidPayload, match="signature is not Amazon's"):
            await signatures.check(JsonObject("", whole | change))
    with pytest.raises(InvalidPayload, match="Type is neither"):
        await signatures.check(JsonObject("", whole | {"Type": "UnsubscribeConfirmation"}))


@pytest.mark.anyio
async def test_a_certificate_that_cannot_be_read_may_come_again() -> None:
    async def fetch(_: str) -> bytes:
        return b"<html>"

    with pytest.raises(CertificateUnavailable, match="cannot be read"):
        await AmazonSignatures(fetch).check(JsonObject("", load_payload("aws_sns_alarm.json")))
