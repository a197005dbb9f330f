"""What monitor-bridge looks at by itself, as incidents."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from helpers.incident_harness import SOURCE, IncidentHarness, Join
from teamsup.workers.monitor_bridge.checks.runner import CheckRunner
from teamsup.workers.monitor_bridge.incidents.alert import SourceHeartbeat
from teamsup.workers.monitor_bridge.sections import MonitorSection, WatchdogSection

SECTION = MonitorSection(
    watch_host=True,
    cpu_percent=100,
    memory_percent=100,
    disk_percent=100,
    load_per_cpu=0,
    swap_percent=0,
    inode_percent=0,
    network_errors_per_second=0,
    confirmations=2,
)
EXPECTED = {"backup": WatchdogSection(source=SOURCE, every_seconds=60)}


@pytest.fixture
def harness(join: Join) -> IncidentHarness:
    return IncidentHarness(join)


def watch_of(harness: IncidentHarness) -> CheckRunner:
    return CheckRunner(harness.hub, SECTION, EXPECTED, harness.incidents, clock=lambda: harness.now)


def look(harness: IncidentHarness, watch: CheckRunner, seconds: float, *silent: str, every: float = 10) -> list[str]:
    """What is wrong after so long, with looks in between, and with everybody but these here."""
    ends = harness.now + seconds
    while harness.now < ends:
        harness.now += min(every, ends - harness.now)
        for name in harness.agents:
            if name not in silent:
                harness.agents[name].heartbeat()
        watch.check_team()
        watch.check_host()
    return sorted(each.title for each in harness.open)


def test_a_member_that_falls_silent_is_a_problem_until_it_is_back(harness: IncidentHarness) -> None:
    watch = watch_of(harness)
    harness.ingest(SourceHeartbeat(SOURCE, "b", "backup"))
    assert look(harness, watch, 50) == []
    harness.ingest(SourceHeartbeat(SOURCE, "b", "backup"))
    found = look(harness, watch, 150, "lead")
    harness.ingest(SourceHeartbeat(SOURCE, "b", "backup"))
    assert found[0].startswith("lead is silent: no heartbeat since 20")
    assert look(harness, watch, 20) == []


def test_a_sign_of_life_that_stays_away_is_a_problem_until_it_comes(harness: IncidentHarness) -> None:
    watch, began = watch_of(harness), harness.now
    assert look(harness, watch, 60) == []
    (title,) = look(harness, watch, 20)
    since = datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    expected = f"{SOURCE} sends no heartbeat backup: none since {since}, and one is expected every 1m 0s."
    assert title == expected
    harness.ingest(SourceHeartbeat(SOURCE, "b", "backup"))
    assert look(harness, watch, 20) == []


def test_a_host_that_has_slept_misses_nobody_at_once(harness: IncidentHarness) -> None:
    watch = watch_of(harness)
    look(harness, watch, 10)
    harness.now += 8 * 3600
    watch.check_team()
    assert look(harness, watch, 50) == []


def test_a_known_problem_is_not_raised_again_after_a_restart(harness: IncidentHarness) -> None:
    assert len(look(harness, watch_of(harness), 100)) == 1
    harness.read("alert-manager")
    again = watch_of(harness)
    assert len(look(harness, again, 100)) == 1
    harness.ingest(SourceHeartbeat(SOURCE, "b", "backup"))
    assert look(harness, again, 20) == []
    assert len(harness.all) == 1


def test_a_disk_that_vanishes_is_a_problem_and_hides_no_other(harness: IncidentHarness, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    full = replace(SECTION, disk_path=str(disk), disk_percent=0.001)
    watch = CheckRunner(harness.hub, full, EXPECTED, harness.incidents, clock=lambda: harness.now)
    (title,) = look(harness, watch, 20)
    assert title.startswith("disk of this host is at")

    disk.rmdir()
    titles = look(harness, watch, 100)
    assert f"disk of this host cannot be measured at {disk}: No such file or directory." in titles
    assert title in titles
    assert any("sends no heartbeat backup" in each for each in titles)
    disk.mkdir()
    assert not any("cannot be measured" in each for each in look(harness, watch, 10))


def test_a_host_that_cannot_be_measured_hides_nothing_else(
    harness: IncidentHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise psutil.AccessDenied(1)

    monkeypatch.setattr(psutil, "virtual_memory", fails)
    watch = watch_of(harness)
    assert len(look(harness, watch, 100)) == 1
    assert watch.host.note.startswith("The host cannot be measured: ")


def test_a_sign_of_life_is_missed_also_when_the_clock_was_set_back(harness: IncidentHarness) -> None:
    watch = watch_of(harness)
    harness.ingest(SourceHeartbeat(SOURCE, "b", "backup"))
    assert look(harness, watch, 20) == []
    harness.now -= 86400
    assert look(harness, watch, 60) == []
    assert len(look(harness, watch, 30)) == 1


def test_the_host_is_watched_only_where_that_is_wanted(harness: IncidentHarness) -> None:
    busy = replace(SECTION, memory_percent=0.001, processes=("no-such-program",))
    watch = CheckRunner(harness.hub, busy, {}, harness.incidents, clock=lambda: harness.now)
    assert len(look(harness, watch, 100)) == 2

    watch = CheckRunner(harness.hub, replace(busy, watch_host=False), {}, harness.incidents, clock=lambda: harness.now)
    assert look(harness, watch, 100) == ["process no-such-program does not run on this host."]
    assert "memory" in watch.host.note, "its figures are still known"
