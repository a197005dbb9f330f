"""Healthchecks.io, and jobs that ping us themselves."""

from typing import Any

import pytest

from teamsup.workers.monitor_bridge.alert import Alert, SignOfLife
from vendor_payloads import alert, news, payload, refusal


def change(status: str, **check: object) -> Any:  # noqa: ANN401 - JSON
    sent = payload("healthchecks_down.json")
    sent["status"] = status
    sent["check"].update(check)
    return sent


def test_down_and_up_again() -> None:
    down, up = alert("healthchecks", change("down")), alert("healthchecks", change("up"))
    assert (down.key, down.title, down.severity) == ("check c0ffee", "backup has not been heard of", "critical")
    assert down.labels["host"] == "db1"
    assert (up.key, up.is_firing, up.title) == (down.key, False, "backup is heard of again")


def test_what_is_wrong_is_said() -> None:
    assert alert("healthchecks", change("new")).is_firing
    assert refusal("healthchecks", {"status": "up"}) == "code is missing."
    assert refusal("healthchecks", "up") == "The payload must be a JSON object, not a text that is no JSON."


@pytest.mark.parametrize("kind", ["healthchecks", "plain"])
def test_a_ping_is_a_sign_of_life_and_the_end_of_a_failure(kind: str) -> None:
    failed = alert(kind, "disk full\x1b[2J", "backup", "fail")
    assert (failed.title, failed.text) == ("backup has failed", "disk full\N{REPLACEMENT CHARACTER}[2J")

    sign, well = news(kind, "", "backup")
    assert sign == SignOfLife("here", "backup", "backup")
    assert isinstance(well, Alert)
    assert (well.key, well.is_firing) == (failed.key, False)


def test_a_ping_with_an_exit_status() -> None:
    assert alert("healthchecks", "", "backup", "3").title == "backup has failed with exit status 3"
    assert isinstance(news("healthchecks", "", "backup", "0")[0], SignOfLife)
    assert news("healthchecks", "", "backup", "start") == news("healthchecks", "a line", "backup", "log") == ()


@pytest.mark.parametrize("path", [("backup", "almost"), ("backup", "1", "2"), ("..",), ("a b",), ("x" * 101,)])
def test_a_ping_of_another_form_is_refused(path: tuple[str, ...]) -> None:
    assert refusal("healthchecks", "", *path)
