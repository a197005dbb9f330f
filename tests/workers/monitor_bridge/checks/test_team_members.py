"""When an agent or worker of the team is a problem, and when a sign of life is missed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from helpers.support import TeamsupCommand, eventually
from teamsup.hub import Agent
from teamsup.hub.timestamps import as_datetime
from teamsup.workers.monitor_bridge.checks import heartbeats, team_members
from teamsup.workers.monitor_bridge.checks.hysteresis import CheckState, update_states
from teamsup.workers.monitor_bridge.incidents.alert import SourceHeartbeat
from teamsup.workers.monitor_bridge.sections import WatchdogSection

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def agent(name: str = "lead", *, silent: float = 1, unread: float | None = None, status: str = "online") -> Agent:
    oldest = None if unread is None else NOW - timedelta(seconds=unread)
    return Agent(name, "agent", status, NOW - timedelta(seconds=silent), {}, int(oldest is not None), oldest)


def problems(*agents: Agent) -> list[str]:
    found = team_members.check_agents(
        agents, {}, "monitor-bridge", NOW, heartbeat_timeout_seconds=120, unread_alert_seconds=900
    )
    return [reading.key for reading in found if reading.is_bad]


def test_a_present_agent_that_reads_is_not_a_problem() -> None:
    assert problems(agent(), agent(unread=899)) == []


def test_an_agent_that_stops_without_leaving_is_silent() -> None:
    assert problems(agent(silent=121)) == ["lead silent"]
    assert problems(agent(silent=9999, status="offline"), agent(silent=9999, status="not configured")) == []


def degraded(name: str, reason: str = "The port is taken.", silent: float = 1) -> Agent:
    return Agent(name, "daemon", "degraded", NOW - timedelta(seconds=silent), {"reason": reason}, 0)


def test_a_worker_that_runs_and_cannot_work_is_a_problem_and_so_are_we() -> None:
    found = team_members.check_agents(
        [degraded("gateway"), degraded("monitor-bridge")],
        {},
        "monitor-bridge",
        NOW,
        heartbeat_timeout_seconds=120,
        unread_alert_seconds=9,
    )
    titles = [reading.title for reading in found if reading.is_bad]
    assert titles == ["gateway is degraded: The port is taken.", "monitor-bridge is degraded: The port is taken."]
    assert problems(degraded("gateway", silent=121)) == ["gateway silent"]


def test_another_reason_is_a_report_of_the_same_problem() -> None:
    courses: dict[str, CheckState] = {}
    told = []
    for reason in ("one", "one", "two", "two", ""):
        agent = degraded("gateway", reason) if reason else Agent("gateway", "daemon", "online", NOW, {}, 0)
        (reading, *_) = team_members.check_agents(
            [agent], {}, "monitor-bridge", NOW, heartbeat_timeout_seconds=120, unread_alert_seconds=900
        )
        courses, news = update_states(courses, [reading], 1)
        told.append([each.title for each in news if courses[each.key].is_bad])
    assert told == [["gateway is degraded: one"], [], ["gateway is degraded: two"], [], []]


def test_a_worker_that_the_supervisor_cannot_start_is_the_one_problem_of_its_kind() -> None:
    fatal = {"ticker": "The program /opt/tick is missing. Look at command in [worker.ticker]."}
    supervisor = Agent("supervisor", "daemon", "online", NOW, {"fatal": fatal, "restarts": {"ticker": 9}}, 0)
    begun = {"ticker": team_members.RestartHistory(9, (1.0,) * 9), "other": team_members.RestartHistory(9, (1.0,) * 9)}
    team = [supervisor, agent("ticker", silent=999), agent("other", silent=999), degraded("other")]
    found = team_members.check_agents(
        team, begun, "monitor-bridge", NOW, heartbeat_timeout_seconds=120, unread_alert_seconds=900
    )
    assert [reading.key for reading in found if reading.is_bad] == ["other starts again and again", "ticker failed"]
    assert found[-1].title == f"ticker does not run: {fatal['ticker']}"
    assert problems(replace(supervisor, metadata={"fatal": "nonsense"})) == []


def test_an_agent_that_is_present_and_does_not_read_is_a_problem() -> None:
    assert problems(agent(unread=901)) == ["lead unread"]


def test_messages_for_an_absent_agent_are_not_a_problem() -> None:
    assert problems(agent(silent=60, unread=901), agent(status="offline", unread=901)) == []


def test_we_ourselves_people_and_who_never_came_are_left_out() -> None:
    console = Agent("console-ann", "console", "online", NOW - timedelta(days=1), {}, 0)
    never = Agent("oci-monitor", "agent", "offline", None, {}, 3, NOW - timedelta(days=1))
    assert problems(console, never, agent("monitor-bridge", silent=999)) == []


def test_a_worker_that_restarts_repeatedly_is_a_problem_until_it_stays() -> None:
    begun: dict[str, team_members.RestartHistory] = {}

    def look(pid: int, at: float) -> bool | None:
        nonlocal begun
        worker = Agent("ticker", "daemon", "online", NOW, {"pid": pid}, 0)
        begun = team_members.update_restarts(begun, [worker], at)
        found = team_members.check_agents(
            [worker], begun, "monitor-bridge", NOW, heartbeat_timeout_seconds=120, unread_alert_seconds=900
        )
        return next(reading.is_bad for reading in found if "again" in reading.key)

    assert [look(pid, pid * 10.0) for pid in range(5)] == [False, None, None, None, None]
    assert look(5, 50.0) is True
    assert look(5, 60.0) is True
    assert look(5, 620.0) is None
    assert look(5, 651.0) is False


def test_a_restart_of_ours_does_not_end_a_loop() -> None:
    counted = [Agent("supervisor", "daemon", "online", NOW, {"restarts": {"ticker": 9}}, 0)]
    courses = {"ticker starts again and again": CheckState(is_bad=True)}
    begun: dict[str, team_members.RestartHistory] = {}
    for minutes, is_bad in ((0, True), (9, True), (11, False)):
        now = NOW + timedelta(minutes=minutes)
        begun = team_members.update_restarts(begun, counted, now.timestamp())
        found = team_members.check_agents(
            counted, begun, "monitor-bridge", now, heartbeat_timeout_seconds=9999, unread_alert_seconds=900
        )
        courses, _ = update_states(courses, found, 1)
        assert courses["ticker starts again and again"].is_bad is is_bad


def test_so_is_one_that_knows_nothing_of_the_hub_and_is_counted_by_the_supervisor() -> None:
    begun: dict[str, team_members.RestartHistory] = {}

    def look(restarts: object, at: float) -> list[str]:
        nonlocal begun
        supervisor = Agent("supervisor", "daemon", "online", NOW, {"pid": 1, "restarts": restarts}, 0)
        begun = team_members.update_restarts(begun, [supervisor], at)
        found = team_members.check_agents(
            [supervisor], begun, "monitor-bridge", NOW, heartbeat_timeout_seconds=120, unread_alert_seconds=900
        )
        return [reading.key for reading in found if reading.is_bad]

    assert look({"ticker": 3, "monitor-bridge": 0}, 0.0) == []
    assert look({"ticker": 7, "monitor-bridge": 9}, 10.0) == []
    assert look({"ticker": 8, "monitor-bridge": 9}, 20.0) == ["ticker starts again and again"]
    assert look({"ticker": 0}, 30.0) == ["ticker starts again and again"], "the supervisor has started again"
    assert look({}, 40.0) == []
    assert look("nonsense", 50.0) == []


EXPECTED = {"prometheus": WatchdogSection(source="prom", name="Watchdog", every_seconds=300)}


def is_missed(signs: list[SourceHeartbeat], *, listening_since: float, now: float) -> bool | None:
    (reading,) = heartbeats.check_heartbeats(EXPECTED, signs, listening_since, now)
    return reading.is_bad


def test_a_sign_of_life_that_stays_away_is_missed() -> None:
    sign = SourceHeartbeat("prom", "fingerprint", "Watchdog", as_datetime(1000))
    assert not is_missed([sign], listening_since=0, now=1300)
    assert is_missed([sign], listening_since=0, now=1301)


def test_one_that_never_came_is_missed_too() -> None:
    assert not is_missed([], listening_since=1000, now=1300)
    assert is_missed([SourceHeartbeat("other", "k", "Watchdog", as_datetime(1300))], listening_since=1000, now=1301)


def test_a_message_that_came_while_nobody_listened_is_not_missed() -> None:
    sign = SourceHeartbeat("prom", "fingerprint", "Watchdog", as_datetime(1000))
    assert is_missed([sign], listening_since=5000, now=5300) is None


@pytest.mark.slow
def test_a_crash_loop_of_any_worker_is_an_incident(run_workers: Callable[[str], TeamsupCommand]) -> None:
    teamsup = run_workers(
        "[monitor-bridge]\ninterval_seconds = 1\nconfirmations = 1\ncpu_percent = 100\nload_per_cpu = 0\n"
        '[worker.ticker]\ncommand = ["sh", "-c", "exit 1"]\nautostart = false\n'
    )
    assert teamsup.run("start", "monitor-bridge").returncode == 0
    eventually(lambda: "CPU" in teamsup.ps()["monitor-bridge"]["note"], "a first look")
    teamsup.run("start", "ticker")

    def titles() -> str:
        return teamsup.run("alerts").stdout

    eventually(lambda: "ticker has restarted" in titles(), "the incident")
