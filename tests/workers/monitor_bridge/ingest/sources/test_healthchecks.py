"""Healthchecks.io, and jobs that ping us themselves."""

from typing import Any

import pytest

from helpers.vendor_payloads import load_payload, parse_alert, parse_error, parse_payload
from teamsup.workers.monitor_bridge.incidents.alert import Alert, SourceHeartbeat


def change(status: str, **check: object) -> Any:  # noqa: ANN401 - JSON
    sent = load_payload("healthchecks_down.json")
    sent["status"] = status
    sent["check"].update(check)
    return sent


def test_down_and_up_again() -> None:
    down, up = parse_alert("healthchecks", change("down")), parse_alert("healthchecks", change("up"))
    assert (down.fingerprint, down.title, down.severity) == ("check c0ffee", "backup missed its ping", "critical")
    assert down.labels["host"] == "db1"
    assert (up.fingerprint, up.is_firing, up.title) == (down.fingerprint, False, "backup pings again")


def test_a_wrong_payload_is_refused_with_its_mistake() -> None:
    assert parse_alert("healthchecks", change("new")).is_firing
    assert parse_error("healthchecks", {"status": "up"}) == "code is missing."
    assert parse_error("healthchecks", "up") == "The payload must be a JSON object, not a text that is not JSON."


@pytest.mark.parametrize("kind", ["healthchecks", "plain"])
def test_a_ping_is_a_sign_of_life_and_the_end_of_a_failure(kind: str) -> None:
    failed = parse_alert(kind, "disk full\x1b[2J", "backup", "fail")
    assert (failed.title, failed.text) == ("backup has failed", "disk full\N{REPLACEMENT CHARACTER}[2J")

    sign, well = parse_payload(kind, "", "backup")
    assert sign == SourceHeartbeat("here", "backup", "backup")
    assert isinstance(well, Alert)
    assert (well.fingerprint, well.is_firing) == (failed.fingerprint, False)


def test_a_ping_with_an_exit_status() -> None:
    assert parse_alert("healthchecks", "", "backup", "3").title == "backup has failed with exit status 3"
    assert isinstance(parse_payload("healthchecks", "", "backup", "0")[0], SourceHeartbeat)
    assert (
        parse_payload("healthchecks", "", "backup", "start")
        == parse_payload("healthchecks", "a line", "backup", "log")
        == ()
    )


@pytest.mark.parametrize("path", [("backup", "almost"), ("backup", "1", "2"), ("..",), ("a b",), ("x" * 101,)])
def test_a_ping_of_another_form_is_refused(path: tuple[str, ...]) -> None:
    assert parse_error("healthchecks", "", *path)
