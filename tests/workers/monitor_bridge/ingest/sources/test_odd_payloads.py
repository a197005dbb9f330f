"""What none of them would send: what can be read of it is taken, and the rest is refused in a sentence."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.vendor_payloads import ANY_JSON, change_somewhere, load_payload, parse_payload
from teamsup.workers.monitor_bridge.incidents.alert import Alert, SourceHeartbeat
from teamsup.workers.monitor_bridge.ingest import body
from teamsup.workers.monitor_bridge.ingest.sources import PARSERS, InvalidPayload, ParsedAlerts, UnreadablePart
from teamsup.workers.monitor_bridge.ingest.sources.payload import MAX_ALERT_TEXT

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def understood(kind: str, said: object) -> ParsedAlerts:
    """What is made of it on its way as JSON; nothing, when it is refused in a sentence."""
    found: ParsedAlerts = ()
    reason = "."
    try:
        found = parse_payload(kind, body.parse_json(json.dumps(said).encode("utf-8", "surrogatepass")))
    except InvalidPayload as refused:
        reason = str(refused)
    assert reason.endswith((".", "?"))
    assert all(each.reason.endswith(".") for each in found if isinstance(each, UnreadablePart))
    for each in found:
        if isinstance(each, Alert | SourceHeartbeat):
            assert each.fingerprint.strip()
            repr(each).encode()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", PARSERS)
@unhurried
@given(said=ANY_JSON)
def test_any_payload_is_understood_or_refused_with_a_sentence(kind: str, said: object) -> None:
    understood(kind, said)


EXAMPLES = [
    ("alertmanager", "alertmanager_firing.json"),
    ("grafana", "grafana_firing.json"),
    ("google_cloud", "google_open.json"),
    ("oracle_cloud", "oracle_grouped.json"),
    ("uptime_kuma", "uptime_kuma_down.json"),
    ("healthchecks", "healthchecks_down.json"),
    ("pagerduty", "pagerduty_event.json"),
    ("opsgenie", "opsgenie_create.json"),
    ("aws_sns", "aws_sns_alarm.json"),
]
IDENTITIES = {
    "google_cloud": ("incident", "incident_id"),
    "oracle_cloud": ("dedupeKey",),
    "uptime_kuma": ("heartbeat", "monitorID"),
    "healthchecks": ("code",),
    "pagerduty": ("dedup_key", "event_action"),
    "opsgenie": ("alert", "alias"),
    "aws_sns": ("Type", "Message", "MessageId"),
}


def test_each_vendor_has_an_example() -> None:
    assert {kind for kind, _ in EXAMPLES} == PARSERS.keys() - {"plain", "json"}


@pytest.mark.parametrize(("kind", "name"), EXAMPLES)
@unhurried
@given(data=st.data())
def test_a_wrong_field_outside_its_identity_refuses_no_alert(kind: str, name: str, data: st.DataObject) -> None:
    whole = load_payload(name)
    change_somewhere(data, whole)
    said = understood(kind, whole)
    kept: Any = whole
    for key in IDENTITIES.get(kind, ()):
        kept = kept.get(key) if isinstance(kept, dict) else None
    if kind in IDENTITIES and isinstance(kept, str | int) and str(kept).strip():
        status = whole.get("heartbeat", {}).get("status") if kind == "uptime_kuma" else None
        assert said or status in (2, 3)


@pytest.mark.parametrize("kind", ["alertmanager", "grafana", "plain"])
@unhurried
@given(data=st.data())
def test_one_alert_with_anything_in_any_place_hides_no_other(kind: str, data: st.DataObject) -> None:
    whole: Any
    if kind == "plain":
        whole = [{"title": f"t{number}", "key": f"k{number}", "labels": {"a": "b"}} for number in range(3)]
        alerts: list[Any] = whole
    else:
        (one,) = load_payload("alertmanager_firing.json")["alerts"]
        alerts = [{**one, "fingerprint": f"k{number}"} for number in range(3)]
        whole = {**load_payload("alertmanager_firing.json"), "alerts": alerts}
    if data.draw(st.booleans()):
        change_somewhere(data, alerts[1])
    else:
        alerts[1] = data.draw(ANY_JSON)
    said = understood(kind, whole)
    keys = [each.fingerprint for each in said if isinstance(each, Alert)]
    assert (keys[0], keys[-1]) == ("k0", "k2")
    assert len(said) == 3 or "Watchdog" in str(alerts[1])


STEERING = "\x1b]0;x\x07\u202egnp\u2028\ud800\r\n" + "z" * 10_000


def spoiled(said: Any) -> Any:  # noqa: ANN401 - JSON
    """Return it with what steers terminals behind every text."""
    match said:
        case dict():
            return {key: spoiled(each) for key, each in said.items()}
        case list():
            return [spoiled(each) for each in said]
    return said + STEERING if isinstance(said, str) else said


@pytest.mark.parametrize(("kind", "name"), EXAMPLES)
def test_an_alert_of_any_vendor_is_bounded_and_steers_nothing(kind: str, name: str) -> None:
    (found, *_) = parse_payload(kind, spoiled(load_payload(name)))
    assert isinstance(found, Alert)
    short = (found.fingerprint, found.group, found.subject, found.title, *found.labels.values())
    for text in (*short, found.text, found.link, *found.labels):
        assert not set(text) & set("\x1b\x07\u202e\u2028\ud800\r")
    assert max(map(len, short)) <= 500
    assert len(found.text) <= MAX_ALERT_TEXT
