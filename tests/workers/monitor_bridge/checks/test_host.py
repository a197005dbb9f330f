"""When the host's load becomes an alert."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually
from teamsup.hub import MessageHub
from teamsup.workers.monitor_bridge.checks.host import HostMonitor, check_percentage
from teamsup.workers.monitor_bridge.checks.hysteresis import CheckResult, CheckState, update_states
from teamsup.workers.monitor_bridge.sections import MonitorSection


def cpu(percent: float) -> CheckResult:
    return check_percentage("CPU", percent, 90.0)


def look(courses: dict[str, CheckState], *percents: float, samples: int = 1) -> tuple[dict[str, CheckState], list[str]]:
    """The courses after these looks, and what was news at the last."""
    news: list[CheckResult] = []
    for percent in percents:
        courses, news = update_states(courses, [cpu(percent)], samples)
    return courses, [reading.title for reading in news]


def test_a_limit_that_is_passed_is_said_once() -> None:
    courses, news = look({}, 99.0)
    assert news == ["CPU of this host is at 99 %, over its limit of 90 %."]
    assert courses["CPU"].is_bad

    assert look(courses, 99.0) == (courses, [])


def test_a_load_around_its_limit_does_not_flap() -> None:
    courses, _ = look({}, 91.0)

    assert look(courses, 89.0) == (courses, [])
    assert look(courses, 91.0) == (courses, [])


def test_after_calm_the_next_time_is_reported_again() -> None:
    courses, news = look({"CPU": CheckState(is_bad=True)}, 84.0)
    assert not courses["CPU"].is_bad
    assert len(news) == 1

    assert len(look(courses, 95.0)[1]) == 1


def test_a_peak_shorter_than_so_many_looks_is_not_reported() -> None:
    assert look({}, 99.0, 99.0, 10.0, 99.0, 99.0, samples=3)[1] == []
    assert look({}, 99.0, 99.0, 99.0, samples=3)[1] != []


def test_an_end_shorter_than_so_many_looks_is_none() -> None:
    assert look({"CPU": CheckState(is_bad=True)}, 10.0, 88.0, 10.0, 10.0, samples=3)[1] == []
    assert look({"CPU": CheckState(is_bad=True)}, 10.0, 10.0, 10.0, samples=3)[1] != []


def test_only_the_cpu_may_be_above_its_level_for_minutes() -> None:
    readings = HostMonitor(MonitorSection(interval_seconds=10, cpu_seconds=295)).measure()
    longer = {reading.key: reading.min_samples for reading in readings if reading.min_samples}
    assert longer == {"CPU": 30}


def test_a_problem_that_begins_late_ends_as_soon_as_all_others() -> None:
    busy, calm = replace(cpu(99.0), min_samples=5), replace(cpu(10.0), min_samples=5)
    courses: dict[str, CheckState] = {}
    begun = []
    for reading in (*[busy] * 4, calm, *[busy] * 5, calm, calm):
        courses, news = update_states(courses, [reading], 2)
        begun.append(bool(news))
    assert begun == [False] * 9 + [True, False, True]


def test_a_problem_that_is_no_longer_checked_has_ended() -> None:
    courses, news = update_states({"process nginx": CheckState(is_bad=True)}, [], 3)
    assert (courses, [reading.key for reading in news]) == ({}, ["process nginx"])


def test_cpu_is_measured_between_two_looks_of_whichever_threads() -> None:
    host = HostMonitor(MonitorSection())
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        one.submit(host.measure).result()
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass
        other.submit(host.measure).result()
    assert not host.note.startswith("CPU 0 %")


def test_a_process_that_must_run_and_does_not_is_a_problem() -> None:
    readings = HostMonitor(MonitorSection(processes=("no-such-program", psutil.Process().name()))).measure()
    bad = {reading.key: reading.is_bad for reading in readings if reading.key.startswith("process")}
    assert bad == {"process no-such-program": True, f"process {psutil.Process().name()}": False}


def bad(host: HostMonitor) -> set[str]:
    return {reading.key for reading in host.measure() if reading.is_bad}


def test_load_swap_and_inodes_are_problems_above_their_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    host = HostMonitor(
        MonitorSection(cpu_percent=100, memory_percent=100, disk_percent=100, network_errors_per_second=0)
    )
    for percent, found in ((96, {"load", "swap", "inodes"}), (50, set())):
        monkeypatch.setattr(os, "getloadavg", lambda value=percent: (value * (os.cpu_count() or 1) / 10.0, 0.0, 0.0))
        monkeypatch.setattr(psutil, "swap_memory", lambda value=percent: SimpleNamespace(percent=value))
        monkeypatch.setattr(
            os, "statvfs", lambda _, value=percent: SimpleNamespace(f_files=1000, f_favail=1000 - value * 10)
        )
        monkeypatch.setattr(psutil, "disk_usage", lambda _: SimpleNamespace(percent=1.0))
        assert bad(host) == found


def test_network_errors_are_counted_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    section = MonitorSection(cpu_percent=100, memory_percent=100, disk_percent=100, load_per_cpu=0, swap_percent=0)
    host = HostMonitor(section)
    errors = iter((10**9, 2 * 10**9, 2 * 10**9))
    monkeypatch.setattr(psutil, "net_io_counters", lambda: SimpleNamespace(errin=next(errors), errout=1))
    assert [bad(host), bad(host), bad(host)] == [set(), {"network errors"}, set()]


def test_a_check_without_a_level_is_off() -> None:
    section = MonitorSection(load_per_cpu=0, swap_percent=0, inode_percent=0, network_errors_per_second=0)
    assert {reading.key for reading in HostMonitor(section).measure()} == {"CPU", "memory", "disk"}


@pytest.mark.slow
def test_one_alert_reaches_the_recipient_and_a_restart_does_not_repeat_it(teamsup: TeamsupCommand) -> None:
    teamsup.team.create()
    teamsup.team.configuration.write_text(
        '[team]\nagents = ["lead"]\n[monitor-bridge]\nrecipient = "lead"\ninterval_seconds = 1\n'
        "watch_host = true\ncpu_percent = 100\nmemory_percent = 0.01\ndisk_percent = 100\n"
        "load_per_cpu = 0\nswap_percent = 0\ninode_percent = 0\nnetwork_errors_per_second = 0\n"
    )
    assert teamsup.run("start", "--detach").returncode == 0
    try:
        with MessageHub(teamsup.team, agent="lead") as lead:
            assert lead.wait(TIMEOUT_SECONDS)
            (delivery,) = lead.claim()
            assert delivery.message.sender == "monitor-bridge"
            assert delivery.message.message_type == "notification"
            assert "over its limit of 0.01 %" in delivery.message.content
            lead.acknowledge(delivery)

            def figures() -> object:
                return next(agent for agent in lead.agents() if agent.name == "monitor-bridge").metadata

            eventually(lambda: "'alerted': ['memory']" in str(figures()), "the alert is remembered")
            pid = teamsup.ps()["monitor-bridge"]["pid"]
            assert teamsup.run("restart", "monitor-bridge").returncode == 0
            eventually(lambda: teamsup.ps()["monitor-bridge"]["pid"] not in (None, pid), "the restart")
            eventually(lambda: "memory" in teamsup.ps()["monitor-bridge"]["note"], "figures of the new process")
            assert lead.claim() == []
    finally:
        teamsup.run("stop")
