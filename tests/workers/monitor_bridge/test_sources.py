"""What each vendor sends, as alerts; and what none of them would send, refused in a sentence."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamsup.workers.monitor_bridge.alert import Alert, SignOfLife
from teamsup.workers.monitor_bridge.sources import PARSERS, BadPayload, Request, confirmation

PAYLOADS = Path(__file__).with_name("payloads")


def payload(name: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads((PAYLOADS / name).read_text("utf-8"))


def news(kind: str, body: object, *path: str) -> tuple[Alert | SignOfLife, ...]:
    return PARSERS[kind](Request("here", body, path=path))


def alert(kind: str, body: object, *path: str) -> Alert:
    (only,) = news(kind, body, *path)
    assert isinstance(only, Alert)
    return only


def refusal(kind: str, body: object, *path: str) -> str:
    with pytest.raises(BadPayload) as refused:
        news(kind, body, *path)
    return str(refused.value)


def with_change(name: str, *keys: str | int, value: object) -> Any:  # noqa: ANN401 - JSON
    """A payload, changed in one place."""
    whole = place = payload(name)
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return whole


class TestAlertmanager:
    def test_an_alert_that_fires(self) -> None:
        found = alert("alertmanager", payload("alertmanager_firing.json"))

        assert found == Alert(
            source="here",
            key="fbab788ec4c1018b 2026-01-15T10:00:00+00:00",
            is_firing=True,
            title="HighCPU: High CPU usage",
            severity="critical",
            text="CPU usage is above 95% for 10 minutes\nRunbook: https://runbooks.example.com/cpu",
            group='{}/{severity="critical"}:{alertname="HighCPU"}',
            thing="alertname=HighCPU instance=web-01:9100 job=node",
            labels={"alertname": "HighCPU", "instance": "web-01:9100", "job": "node", "severity": "critical"},
            link="http://prometheus:9090/graph?g0.expr=up",
            at=datetime(2026, 1, 15, 10, tzinfo=UTC),
        )

    def test_its_end_has_the_same_identity_and_thing(self) -> None:
        begun = alert("alertmanager", payload("alertmanager_firing.json"))
        body = with_change("alertmanager_firing.json", "alerts", 0, "status", value="resolved")
        body["alerts"][0]["endsAt"] = "2026-01-15T11:00:00Z"
        ended = alert("alertmanager", body)

        assert (ended.key, ended.thing, ended.group) == (begun.key, begun.thing, begun.group)
        assert not ended.is_firing
        assert ended.at == datetime(2026, 1, 15, 11, tzinfo=UTC)

    def test_one_that_was_captured(self) -> None:
        found = alert("alertmanager", payload("alertmanager_resolved.json"))
        assert (found.is_firing, found.severity, found.link) == (False, "warning", "")
        assert found.title == "Deployment: Kubernetes Deployment Replicas Mismatch"

    def test_the_same_problem_another_time_is_another(self) -> None:
        first = alert("alertmanager", payload("alertmanager_firing.json"))
        later = with_change("alertmanager_firing.json", "alerts", 0, "startsAt", value="2026-01-16T10:00:00Z")
        assert alert("alertmanager", later).key != first.key

    def test_one_time_written_in_two_zones_is_one_time(self) -> None:
        first = alert("alertmanager", payload("alertmanager_firing.json"))
        zone = with_change("alertmanager_firing.json", "alerts", 0, "startsAt", value="2026-01-15T12:00:00+02:00")
        assert alert("alertmanager", zone).key == first.key

    def test_what_it_has_left_out_is_known(self) -> None:
        assert alert("alertmanager", with_change("alertmanager_firing.json", "truncatedAlerts", value=7)).left_out == 7

    def test_its_watchdog_is_a_sign_of_life_while_it_fires(self) -> None:
        body = with_change("alertmanager_firing.json", "alerts", 0, "labels", value={"alertname": "Watchdog"})
        at = datetime(2026, 1, 15, 10, tzinfo=UTC)
        assert news("alertmanager", body) == (SignOfLife("here", "Watchdog", "Watchdog", at),)

        body["alerts"][0]["labels"]["cluster"] = "eu"
        assert news("alertmanager", body) == (SignOfLife("here", "Watchdog/eu", "Watchdog/eu", at),)

        body["alerts"][0]["status"] = "resolved"
        assert news("alertmanager", body) == ()

    def test_a_flood_is_bounded_and_what_is_left_out_is_said(self) -> None:
        body = payload("alertmanager_firing.json")
        body["alerts"] *= 3000
        found = news("alertmanager", body)
        assert len(found) == 2000
        assert isinstance(found[0], Alert)
        assert found[0].left_out == 1000

    @pytest.mark.parametrize(
        ("keys", "value", "reason"),
        [
            (("version",), "1", 'version must be "4", not "1". Is this Grafana? Then its kind is "grafana".'),
            (("version",), 4, "version must be a text, not a number."),
            (("alerts",), [], "alerts is missing or empty."),
            (("alerts",), {"0": {}}, "alerts must be a list, not a table."),
            (("alerts",), ["fire"], "alerts[0] must be a table, not a text."),
            (("alerts", 0, "status"), "on", 'alerts[0].status must be "firing" or "resolved", not "on".'),
            (("alerts", 0, "fingerprint"), None, "alerts[0].fingerprint is missing."),
            (("alerts", 0, "labels"), [], "alerts[0].labels must be a table, not a list."),
            (("alerts", 0, "labels", "job"), ["a"], "alerts[0].labels.job must be a text, not a list."),
            (("alerts", 0, "startsAt"), "yesterday", "alerts[0].startsAt is no time that can be read."),
            (("alerts", 0, "startsAt"), True, "alerts[0].startsAt must be a time, not true or false."),
            (("truncatedAlerts",), "7", "truncatedAlerts must be a number, not a text."),
        ],
    )
    def test_what_is_wrong_is_said(self, keys: tuple[str | int, ...], value: object, reason: str) -> None:
        assert refusal("alertmanager", with_change("alertmanager_firing.json", *keys, value=value)) == reason


class TestGrafana:
    def test_a_group_of_two(self) -> None:
        first, second = news("grafana", payload("grafana_firing.json"))
        assert isinstance(first, Alert)
        assert isinstance(second, Alert)
        assert first.key == "c6eadffa33fcdf37 2021-10-12T07:51:03.157076+00:00"
        assert first.title == "High memory usage: This alert was triggered for zone us-1"
        assert first.link == "https://play.grafana.org/alerting/1afz29v7z/edit"
        assert first.group == second.group == "{}:{}"
        assert first.thing != second.thing

    def test_the_test_button(self) -> None:
        labels = {"alertname": "TestAlert", "instance": "Grafana"}
        body = with_change("grafana_firing.json", "alerts", 0, "labels", value=labels)
        assert [one.is_test for one in news("grafana", body) if isinstance(one, Alert)] == [True, False]

    def test_alertmanager_is_told_from_it(self) -> None:
        assert 'its kind is "alertmanager"' in refusal("grafana", payload("alertmanager_firing.json"))


class TestGoogleCloud:
    def test_an_incident_that_is_open(self) -> None:
        found = alert("google_cloud", payload("google_open.json"))
        assert (found.key, found.is_firing, found.severity) == ("0.nrwotmyokd9n", True, "critical")
        assert found.title == "Test-incident-canary: VM Instance - Sent packets"
        assert "with a value of 7679.000" in found.text
        assert found.labels["zone"] == "europe-west1-b"
        assert found.labels["project"] == "flanksource-sandbox"
        assert found.at == datetime.fromtimestamp(1746178794, UTC)
        assert not found.is_test

    def test_an_incident_that_is_closed(self) -> None:
        found = alert("google_cloud", payload("google_closed.json"))
        assert (found.key, found.is_firing) == ("0.nrwo9fe1a4wg", False)
        assert found.at == datetime.fromtimestamp(1746178747, UTC)

    def test_two_policies_about_one_thing_are_about_one_thing(self) -> None:
        warning = with_change("google_open.json", "incident", "policy_name", value="the same, earlier")
        assert alert("google_cloud", warning).thing == alert("google_cloud", payload("google_open.json")).thing

    def test_its_test_differs_from_all_that_is_real(self) -> None:
        found = alert("google_cloud", payload("google_test.json"))
        assert (found.key, found.is_firing, found.is_test, found.at) == ("12345", True, True, None)
        assert found.text == "Test Incident\nTest documentation"

    @pytest.mark.parametrize(
        ("keys", "value", "reason"),
        [
            (("version",), "2.0", 'version must be "1.2" or another of 1, or "test", not "2.0".'),
            (("incident",), "fire", "incident must be a table, not a text."),
            (("incident", "incident_id"), "", "incident.incident_id is missing."),
            (("incident", "state"), "ajar", 'incident.state must be "open" or "closed", not "ajar".'),
            (("incident", "documentation"), 3, "incident.documentation must be a table, not a number."),
            (("incident", "started_at"), 1e300, "incident.started_at is no time that can be read."),
        ],
    )
    def test_what_is_wrong_is_said(self, keys: tuple[str, ...], value: object, reason: str) -> None:
        assert refusal("google_cloud", with_change("google_open.json", *keys, value=value)) == reason


class TestOracleCloud:
    def test_an_alarm_over_several_metric_streams(self) -> None:
        found = alert("oracle_cloud", payload("oracle_grouped.json"))
        assert (found.key, found.key_returns, found.is_firing) == ("exampleuniqueID", True, True)
        assert (found.title, found.severity) == ("High CPU Utilization", "critical")
        assert found.text.endswith("Resources: wordpress, oke-0, oke-2, oke-1")
        assert found.labels["region"] == "us-ashburn-1"
        assert "faultDomain" not in found.labels  # in which they differ
        assert found.at == datetime(2023, 5, 17, 15, 34, 23, 852000, UTC)
        assert found.link.startswith("https://cloud.oracle.com/monitoring/alarms/")

    def test_an_alarm_of_one_metric_stream(self) -> None:
        found = alert("oracle_cloud", payload("oracle_split.json"))
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
    def test_what_it_was_sent_for(self, kind: str, status: str, is_firing: bool) -> None:
        body = with_change("oracle_split.json", "type", value=kind)
        body["alarmMetaData"][0]["status"] = status
        assert alert("oracle_cloud", body).is_firing == is_firing

    def test_another_kind_is_refused(self) -> None:
        body = with_change("oracle_split.json", "type", value="HELLO")
        assert refusal("oracle_cloud", body).startswith("type must be one of OK_TO_FIRING, REPEAT")

    def test_without_an_identity_it_is_refused(self) -> None:
        assert (
            refusal("oracle_cloud", with_change("oracle_split.json", "dedupeKey", value=None))
            == "dedupekey is missing."
        )

    @pytest.mark.parametrize(
        "address",
        [
            "https://cell1.notification.us-phoenix-1.oraclecloud.com/20181201/subscriptions/x/confirmation?token=1",
            "https://notification.eu-frankfurt-1.oci.oraclecloud.com:443/confirm",
        ],
    )
    def test_a_subscription_is_confirmed_at_oracle(self, address: str) -> None:
        assert confirmation(self.subscription(address)) == address

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
    def test_a_subscription_is_confirmed_nowhere_else(self, address: str) -> None:
        with pytest.raises(BadPayload, match=r"is not one of https://….oraclecloud.com"):
            confirmation(self.subscription(address))

    def test_an_alarm_is_no_subscription(self) -> None:
        assert confirmation(Request("here", headers={"x-oci-ns-messagetype": "Notification"})) is None

    @staticmethod
    def subscription(address: str) -> Request:
        kind = "SubscriptionConfirmation"
        return Request("here", headers={"x-oci-ns-messagetype": kind, "x-oci-ns-confirmationurl": address})


class TestUptimeKuma:
    MONITOR = {"id": 3, "name": "shop", "url": "https://shop.example", "type": "http", "tags": []}  # noqa: RUF012

    def beat(self, status: object, **monitor: object) -> dict[str, object]:
        heartbeat = {"monitorID": 3, "status": status, "time": "2026-01-15 10:00:00.123", "msg": "connect ECONNREFUSED"}
        return {"heartbeat": heartbeat, "monitor": {**self.MONITOR, **monitor}, "msg": "[shop] [🔴 Down]"}

    def test_down_and_up_again(self) -> None:
        down, up = alert("uptime_kuma", self.beat(0)), alert("uptime_kuma", self.beat(1))
        assert (down.key, down.title, down.severity, down.text) == (
            "monitor 3",
            "shop is down",
            "critical",
            "connect ECONNREFUSED",
        )
        assert down.at == datetime(2026, 1, 15, 10, 0, 0, 123000, UTC)
        assert (up.key, up.title, up.is_firing, up.key_returns) == (down.key, "shop is up again", False, True)

    def test_a_tag_says_how_bad_it_is(self) -> None:
        tags = [{"name": "team", "value": "blue"}, {"name": "severity", "value": "warning"}]
        found = alert("uptime_kuma", self.beat(0, tags=tags))
        assert (found.severity, found.labels["team"]) == ("warning", "blue")

    @pytest.mark.parametrize("status", [2, 3])
    def test_pending_and_maintenance_are_no_news(self, status: int) -> None:
        assert news("uptime_kuma", self.beat(status)) == ()

    def test_the_test_button(self) -> None:
        assert alert("uptime_kuma", {"heartbeat": None, "monitor": None, "msg": "Test message"}).is_test
        assert alert("uptime_kuma", {"heartbeat": None, "monitor": None, "msg": "team Testing"}).is_test

    def test_a_certificate_that_ends_soon(self) -> None:
        said = "[shop][https://shop.example] server certificate shop.example will be expired in 7 days"
        found = alert("uptime_kuma", {"heartbeat": None, "monitor": None, "msg": said})
        assert (found.is_test, found.severity, found.title) == (False, "warning", said)

    def test_what_is_wrong_is_said(self) -> None:
        assert refusal("uptime_kuma", self.beat("down")) == "heartbeat.status must be a number, not a text."
        assert refusal("uptime_kuma", self.beat(7)) == "heartbeat.status must be 0, 1, 2 or 3."
        assert refusal("uptime_kuma", {"hello": 1}).startswith("Neither heartbeat nor msg is there")
        assert "choose the body" in refusal("uptime_kuma", "--boundary\r\n")


class TestHealthchecks:
    def change(self, status: str, **check: object) -> dict[str, object]:
        check = {"name": "backup", "slug": "backup", "tags": "critical host=db1", "desc": "every night", **check}
        return {"now": "2026-01-15T10:00:00+00:00", "status": status, "code": "c0ffee", "check": check}

    def test_down_and_up_again(self) -> None:
        down, up = alert("healthchecks", self.change("down")), alert("healthchecks", self.change("up"))
        assert (down.key, down.title, down.severity) == ("check c0ffee", "backup has not been heard of", "critical")
        assert down.labels["host"] == "db1"
        assert (up.key, up.is_firing, up.title) == (down.key, False, "backup is heard of again")

    def test_what_is_wrong_is_said(self) -> None:
        assert refusal("healthchecks", self.change("new")) == 'status must be "up" or "down", not "new".'
        assert refusal("healthchecks", {"status": "up"}) == "code is missing."
        assert refusal("healthchecks", "up") == "The payload must be a JSON object, not a text that is no JSON."

    @pytest.mark.parametrize("kind", ["healthchecks", "plain"])
    def test_a_ping_is_a_sign_of_life_and_the_end_of_a_failure(self, kind: str) -> None:
        failed = alert(kind, "disk full\x1b[2J", "backup", "fail")
        assert (failed.title, failed.text) == ("backup has failed", "disk full\N{REPLACEMENT CHARACTER}[2J")

        sign, well = news(kind, "", "backup")
        assert sign == SignOfLife("here", "backup", "backup")
        assert isinstance(well, Alert)
        assert (well.key, well.is_firing) == (failed.key, False)

    def test_a_ping_with_an_exit_status(self) -> None:
        assert alert("healthchecks", "", "backup", "3").title == "backup has failed with exit status 3"
        assert isinstance(news("healthchecks", "", "backup", "0")[0], SignOfLife)
        assert news("healthchecks", "", "backup", "start") == ()

    @pytest.mark.parametrize("path", [("backup", "almost"), ("backup", "1", "2"), ("..",), ("a b",), ("x" * 101,)])
    def test_a_ping_of_another_form_is_refused(self, path: tuple[str, ...]) -> None:
        assert refusal("healthchecks", "", *path)


class TestPlain:
    def test_the_least(self) -> None:
        found = alert("plain", {"title": "disk full"})
        assert (found.title, found.is_firing, found.severity, found.key) == ("disk full", True, "warning", "disk full")

    def test_all_of_it(self) -> None:
        found = alert(
            "plain",
            {
                "title": "disk of db1 is full",
                "status": "resolved",
                "severity": "critical",
                "text": "97 %",
                "key": "disk-db1",
                "group": "db",
                "thing": "disk db1",
                "labels": {"host": "db1", "rack": 7, "spare": False},
                "link": "https://example.com",
                "at": "2026-01-15T10:00:00Z",
                "test": True,
            },
        )
        at = datetime(2026, 1, 15, 10, tzinfo=UTC)
        labels = {"host": "db1", "rack": "7", "spare": "false"}
        assert found == Alert(
            "here",
            "disk-db1",
            False,
            "disk of db1 is full",
            "critical",
            "97 %",
            "db",
            "disk db1",
            labels,
            "https://example.com",
            at,
            is_test=True,
            key_returns=True,
        )

    def test_several_in_a_list(self) -> None:
        several = [{"title": "one"}, {"sign_of_life": "cron"}]
        assert [type(one) for one in news("plain", several)] == [Alert, SignOfLife]

    def test_a_line_of_text(self) -> None:
        found = alert("plain", "disk full\nof db1\n")
        assert (found.title, found.text) == ("disk full", "of db1")

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("  ", "The payload is empty."),
            ([], "The list is empty."),
            ([1], "alert 0 must be a table, not a number."),
            ([{"title": "x"}] * 2001, "These are 2001 alerts; at most 2000 may come at once."),
            ({"titel": "x"}, 'There is no "titel"; known are title, status, severity, text,'),
            ({}, "title is missing."),
            ({"title": "x", "status": "on"}, 'status must be "firing" or "resolved", not "on".'),
            ({"title": "x", "severity": "awful"}, 'severity must be "critical", "warning" or "info", not "awful".'),
            ({"title": "x", "labels": {"a": {}}}, "labels.a must be a text, not a table."),
        ],
    )
    def test_what_is_wrong_is_said(self, body: object, reason: str) -> None:
        assert refusal("plain", body).startswith(reason)


def test_texts_are_bounded_and_steer_nothing() -> None:
    evil = "a\x1b]0;x\x07\u202egnp\u061c\u2028\ud800\N{ZERO WIDTH NO-BREAK SPACE}\r\n@everyone" + "z" * 10_000
    labels = {f"{number}{evil}": evil for number in range(100)}
    found = alert("plain", {"title": evil, "text": evil, "key": evil, "group": evil, "labels": labels})

    assert (len(found.title), len(found.text), len(found.labels)) == (200, 4000, 64)
    assert max(len(found.key), len(found.group), len(found.thing)) <= 120
    assert all(len(name) <= 100 and len(value) <= 500 for name, value in found.labels.items())
    for text in (found.title, found.text, found.key, found.group, found.thing, *found.labels, *found.labels.values()):
        text.encode()
        assert not set(text) & set("\x1b\x07\u202e\u061c\u2028\ud800\ufeff\r")
    assert "\n" not in found.title + found.key + "".join(found.labels.values())


def test_long_identities_that_differ_at_their_end_stay_different() -> None:
    first, second = (alert("plain", {"title": "x", "key": "k" * 5000 + end}) for end in "ab")
    assert first.key != second.key


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://a b", "https://a\n", "https://" + "a" * 2000, "/graph"]
)
def test_what_is_no_link_is_left_out(link: str) -> None:
    assert alert("plain", {"title": "x", "link": link}).link == ""


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=12,
)


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def understood_or_refused(kind: str, body: object) -> None:
    reason = "."
    try:
        news(kind, body)
    except BadPayload as refused:
        reason = str(refused)
    assert reason.endswith(".")


@pytest.mark.parametrize("kind", PARSERS)
@unhurried
@given(body=ANYTHING)
def test_whatever_comes_is_understood_or_refused_in_a_sentence(kind: str, body: object) -> None:
    understood_or_refused(kind, body)


EXAMPLES = [
    ("alertmanager", "alertmanager_firing.json"),
    ("grafana", "grafana_firing.json"),
    ("google_cloud", "google_open.json"),
    ("oracle_cloud", "oracle_grouped.json"),
]


@pytest.mark.parametrize(("kind", "name"), EXAMPLES)
@unhurried
@given(data=st.data())
def test_a_payload_with_anything_in_any_place_is_understood_or_refused(
    kind: str, name: str, data: st.DataObject
) -> None:
    whole = place = payload(name)
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(ANYTHING)
            break
        place = place[key]
    understood_or_refused(kind, whole)
