"""``teamsup alerts`` ends with the code of the worst that it shows, so that a script can ask it."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from helpers.incident_harness import FIRING, IncidentHarness, Join, resolved
from teamsup.cli.main import main
from teamsup.hub import Team
from teamsup.hub.errors import ExitCode

CRITICAL = replace(FIRING, severity="critical")
Alerts = Callable[..., int]


@pytest.fixture
def harness(join: Join) -> IncidentHarness:
    return IncidentHarness(join)


@pytest.fixture
def alerts(team: Team, monkeypatch: pytest.MonkeyPatch) -> Alerts:
    monkeypatch.setenv("TEAMSUP_HOME", str(team.folder.parent))
    return lambda *words: main(["alerts", "--team", team.name, *words])


def test_without_a_critical_incident_all_is_well(harness: IncidentHarness, alerts: Alerts) -> None:
    assert alerts() == 0
    harness.ingest(replace(FIRING, severity="warning"))

    assert alerts() == 0


def test_an_open_critical_incident_is_not_well_until_it_ends(harness: IncidentHarness, alerts: Alerts) -> None:
    harness.ingest(CRITICAL)
    assert (alerts(), alerts("--json"), alerts("--all"), alerts("-q")) == (ExitCode.UNWELL,) * 4

    harness.ingest(resolved(CRITICAL))

    assert (alerts(), alerts("--all")) == (0, 0)


def test_without_monitor_bridge_the_list_may_be_incomplete(
    harness: IncidentHarness, alerts: Alerts, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.leave("monitor-bridge")

    assert alerts() == ExitCode.NOT_RUNNING
    assert "The list may be incomplete: monitor-bridge is offline" in capsys.readouterr().err


def test_a_known_critical_incident_counts_more_than_that_monitor_bridge_is_away(
    harness: IncidentHarness, alerts: Alerts
) -> None:
    harness.ingest(CRITICAL)
    harness.leave("monitor-bridge")

    assert alerts() == ExitCode.UNWELL


def test_a_degraded_monitor_bridge_is_named_and_is_not_well(
    harness: IncidentHarness, alerts: Alerts, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.hub.heartbeat("degraded", note="port 9095 is taken")

    assert alerts("--json") == ExitCode.UNWELL
    printed = capsys.readouterr()
    assert "monitor-bridge is degraded: port 9095 is taken" in printed.err
    assert json.loads(printed.out) == {"team": "crew", "incidents": []}
