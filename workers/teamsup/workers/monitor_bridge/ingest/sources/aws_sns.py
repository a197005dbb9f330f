"""AWS: notifications of SNS. They contain alarms of CloudWatch or any other text."""

import json
import re
from urllib.parse import urlsplit

from ...incidents.alert import Alert, Alerts
from .payload import MAX_LINK, JsonObject, as_object, join_lines, parse_severity, subject_of
from .webhook import InvalidPayload, WebhookRequest

NOTIFICATION = "Notification"
CONFIRMATION = "SubscriptionConfirmation"
_SIGNED_FIELDS = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_AMAZON_HOST = re.compile(r"sns\.[a-z]{2}(-[a-z]+){1,3}-\d{1,2}\.amazonaws\.com(\.cn)?")
_CERTIFICATE_PATH = re.compile(r"/SimpleNotificationService-[0-9a-f]{1,64}\.pem")
_FIRING_STATE, _RESOLVED_STATE = "ALARM", "OK"


def parse(request: WebhookRequest) -> Alerts:
    """Return the alert of a notification whose signature was checked. Raise InvalidPayload."""
    envelope = as_object(request.body)
    if envelope.raw_text("Type") in (CONFIRMATION, "UnsubscribeConfirmation"):
        return ()
    message = envelope.raw_text("Message")
    try:
        content = json.loads(message)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and "AlarmName" in content:
        return _alarm_to_alerts(request.source, JsonObject("Message", content))
    title = envelope.line("Subject") or message
    return (
        Alert(
            request.source,
            f"message {envelope.required_text('MessageId')}",
            True,
            title,
            text=message,
            labels={"topic": envelope.raw_text("TopicArn")},
            occurred_at=envelope.time("Timestamp"),
        ),
    )


def _alarm_to_alerts(source: str, alarm: JsonObject) -> Alerts:
    state, trigger = alarm.raw_text("NewStateValue"), alarm.object_at("Trigger")
    if state not in (_FIRING_STATE, _RESOLVED_STATE) and alarm.raw_text("OldStateValue") != _FIRING_STATE:
        # Too few data is not a problem, unless the alarm was firing until now.
        return ()
    name = alarm.required_text("AlarmName")
    dimensions = {each.raw_text("name"): each.raw_text("value") for each in trigger.objects_at("Dimensions")}
    labels = {
        "alarm": name,
        "namespace": trigger.raw_text("Namespace"),
        "metric": trigger.raw_text("MetricName"),
        "region": alarm.raw_text("Region"),
        "account": alarm.raw_text("AWSAccountId"),
        **dimensions,
    }
    labels = {label: text for label, text in labels.items() if label and text}
    return (
        Alert(
            source,
            alarm.raw_text("AlarmArn").strip() or name,
            state != _RESOLVED_STATE,
            name if state != "INSUFFICIENT_DATA" else f"{name}: too few data",
            parse_severity(name.rpartition("-")[2], name.partition("-")[0]),
            join_lines(alarm.text("AlarmDescription"), alarm.text("NewStateReason")),
            subject=subject_of(labels),
            labels=labels,
            occurred_at=alarm.time("StateChangeTime"),
            reuses_fingerprint=True,
        ),
    )


def signed_text(envelope: JsonObject) -> bytes:
    """Return the text that Amazon has signed. Raise InvalidPayload for an envelope of another type."""
    kind = envelope.raw_text("Type")
    if kind not in _SIGNED_FIELDS:
        raise InvalidPayload("Type is neither Notification nor SubscriptionConfirmation.")
    fields = [name for name in _SIGNED_FIELDS[kind] if isinstance(envelope.entries.get(name), str)]
    return "".join(f"{name}\n{envelope.entries[name]}\n" for name in fields).encode("utf-8", "replace")


def certificate_address(envelope: JsonObject) -> str:
    """Return the address of the certificate. Raise InvalidPayload unless the address is Amazon's."""
    address = envelope.raw_text("SigningCertURL") or envelope.raw_text("SigningCertUrl")
    if not (is_of_amazon(address) and _CERTIFICATE_PATH.fullmatch(urlsplit(address).path)):
        raise InvalidPayload("SigningCertURL is not one of https://sns.REGION.amazonaws.com.")
    return address


def confirmation_link(envelope: JsonObject) -> str | None:
    """Return the address that confirms a subscription, or None if the request does not ask for that. Raise
    InvalidPayload unless the address is Amazon's.
    """
    if envelope.raw_text("Type") != CONFIRMATION:
        return None
    address = envelope.raw_text("SubscribeURL")
    if not is_of_amazon(address):
        raise InvalidPayload("SubscribeURL is not one of https://sns.REGION.amazonaws.com.")
    return address


def is_of_amazon(address: str) -> bool:
    """Return whether this address is Amazon's. monitor-bridge must not call other addresses, because a client may send
    any address.
    """
    if len(address) > MAX_LINK or not address.isascii() or not address.isprintable() or re.search(r"[\s\\]", address):
        return False
    try:
        parts = urlsplit(address)
        is_plain = parts.scheme == "https" and parts.port in (None, 443) and parts.username is None
    except ValueError:
        return False
    return is_plain and _AMAZON_HOST.fullmatch(parts.hostname or "") is not None
