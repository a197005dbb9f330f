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
def desk(join: Join) -> IncidentHarness:
    return IncidentHarness(join)


def watch_of(desk: IncidentHarness) -> CheckRunner:
    return CheckRunner(desk.hub, SECTION, EXPECTED, desk.incidents, clock=lambda: desk.now)


def look(desk: IncidentHarness, watch: CheckRunner, seconds: float, *silent: str, every: float = 10) -> list[str]:
    """What is wrong after so long, with looks in between, and with everybody but these here."""
    ends = desk.now + seconds
    while desk.now < ends:
        desk.now += min(every, ends - desk.now)
        for name in desk.agents:
            if name not in silent:
                desk.agents[name].heartbeat()
        watch.check_team()
        watch.check_host()
    return sorted(each.title for each in desk.open)


def test_a_member_that_falls_silent_is_a_problem_until_it_is_back(desk: IncidentHarness) -> None:
    watch = watch_of(desk)
    desk.ingest(SourceHeartbeat(SOURCE, "b", "backup"))
    assert look(desk, watch, 50) == []
    desk.ingest(SourceHeartbeat(SOURCE, "b", "backup"))
    found = look(desk, watch, 150, "lead")
    desk.ingest(SourceHeartbeat(SOURCE, "b", "backup"))
    assert found[0].startswith("lead is silent: no heartbeat since 20")
    assert look(desk, watch, 20) == []


def test_a_sign_of_life_that_stays_away_is_a_problem_until_it_comes(desk: IncidentHarness) -> None:
    watch, began = watch_of(desk), desk.now
    assert look(desk, watch, 60) == []
    (title,) = look(desk, watch, 20)
    since = datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    expected = f"{SOURCE} sends no heartbeat backup: none since {since}, and one is expected every 1m 0s."
    assert title == expected
    desk.ingest(SourceHeartbeat(SOURCE, "b", "backup"))
    assert look(desk, watch, 20) == []


def test_a_host_that_has_slept_misses_nobody_at_once(desk: IncidentHarness) -> None:
    watch = watch_of(desk)
    look(desk, watch, 10)
    desk.now += 8 * 3600
    watch.check_team()
    assert look(desk, watch, 50) == []


def test_what_is_known_is_not_raised_again_after_a_restart(desk: IncidentHarness) -> None:
    assert len(look(desk, watch_of(desk), 100)) == 1
    desk.read("alert-manager")
    again = watch_of(desk)
    assert len(look(desk, again, 100)) == 1
    desk.ingest(SourceHeartbeat(SOURCE, "b", "backup"))
    assert look(desk, again, 20) == []
    assert len(desk.all) == 1


def test_a_disk_that_vanishes_is_a_problem_and_hides_no_other(desk: IncidentHarness, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    full = replace(SECTION, disk_path=str(disk), disk_percent=0.001)
    watch = CheckRunner(desk.hub, full, EXPECTED, desk.incidents, clock=lambda: desk.now)
    (title,) = look(desk, watch, 20)
    assert title.startswith("disk of this host is at")

    disk.rmdir()
    titles = look(desk, watch, 100)
    assert f"disk of this host cannot be measured at {disk}: No such file or directory." in titles
    assert title in titles
    assert any("sends no heartbeat backup" in each for each in titles)
    disk.mkdir()
    assert not any("cannot be measured" in each for each in look(desk, watch, 10))


def test_a_host_that_cannot_be_measured_hides_nothing_else(
    desk: IncidentHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise psutil.AccessDenied(1)

    monkeypatch.setattr(psutil, "virtual_memory", fails)
    watch = watch_of(desk)
    assert len(look(desk, watch, 100)) == 1
    assert watch.host.note.startswith("The host cannot be measured: ")


def test_a_sign_of_life_is_missed_also_when_the_clock_was_set_back(desk: IncidentHarness) -> None:
    watch = watch_of(desk)
    desk.ingest(SourceHeartbeat(SOURCE, "b", "backup"))
    assert look(desk, watch, 20) == []
    desk.now -= 86400
    assert look(desk, watch, 60) == []
    assert len(look(desk, watch, 30)) == 1


def test_the_host_is_watched_only_where_that_is_wanted(desk: IncidentHarness) -> None:
    busy = replace(SECTION, memory_percent=0.001, processes=("no-such-program",))
    watch = CheckRunner(desk.hub, busy, {}, desk.incidents, clock=lambda: desk.now)
    assert len(look(desk, watch, 100)) == 2

    watch = CheckRunner(desk.hub, replace(busy, watch_host=False), {}, desk.incidents, clock=lambda: desk.now)
    assert look(desk, watch, 100) == ["process no-such-program does not run on this host."]
    assert "memory" in watch.host.note, "its figures are known all the same"
