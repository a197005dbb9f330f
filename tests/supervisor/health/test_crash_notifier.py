"""How the team hears of crashes: in its hub, and once."""

import math
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from helpers.clock import ManualClock
from teamsup.hub import MessageHub
from teamsup.status.crash import Crash
from teamsup.status.process_state import State
from teamsup.supervisor.configuration.program import Program
from teamsup.supervisor.health.crash_notifier import CrashNotifier
from teamsup.supervisor.health.troubles import Troubles
from teamsup.supervisor.processes.lifecycle import Process
from teamsup.supervisor.processes.managed_process import ManagedProcess

Join = Callable[..., MessageHub]


class NotifierSetup:
    """Workers that die, and the notices about them."""

    def __init__(self, join: Join) -> None:
        self.people, self.lead = join("user_comm"), join("lead")
        self._clock = ManualClock(1000.0)
        self.troubles = Troubles(print, lambda: None)
        self._news = CrashNotifier(join("supervisor"), self.troubles, clock=self._clock)
        self.members: dict[str, ManagedProcess] = {}

    def die(self, name: str, state: State = State.RUNNING, reason: str = "exit code 1") -> None:
        self.run(name, state)
        next_try = 0.0 if state in (State.RUNNING, State.BACKOFF) else None
        self._news.record_crash(name, Crash(self._clock(), 7, reason, 1, next_try, ()))

    def run(self, name: str, state: State = State.RUNNING, ready_at: float | None = None) -> None:
        program = Program(name, ("true",), Path("/"))
        self.members[name] = ManagedProcess(program, process=Process(state, ready_at=ready_at, due=self._clock() + 2.5))

    def degrade(self, **reasons: str) -> None:
        self._news.track_degraded(reasons, is_watched=False)

    def pause(self, seconds: float = 0) -> float:
        self._clock.now += seconds
        return self._news.next_report_in()

    def told(
        self,
        seconds: float = 0,
        *,
        is_watched: bool = False,
        optional: Collection[str] = (),
        informed: Collection[str] = ("user_comm",),
    ) -> tuple[list[str], list[str]]:
        """What people and lead have been told after so many seconds."""
        self._clock.now += seconds
        self._news.collect(self.members.values(), watcher="monitor-bridge" if is_watched else None, optional=optional)
        self._news.send_pending(["user_comm", "lead"], informed)
        return read(self.people), read(self.lead)


def read(hub: MessageHub) -> list[str]:
    deliveries = hub.claim(100)
    for delivery in deliveries:
        hub.acknowledge(delivery)
    return [delivery.message.content for delivery in deliveries]


@pytest.fixture
def notifier(join: Join) -> NotifierSetup:
    return NotifierSetup(join)


def test_a_restarted_worker_is_reported_once(notifier: NotifierSetup) -> None:
    notifier.die("feed")

    assert notifier.told() == ([], [])
    assert notifier.told(1)[0] == ["feed died (exit code 1). It was started again. It had printed nothing."]
    notifier.run("feed", ready_at=1000)
    assert notifier.told(3600) == ([], [])


def test_many_that_die_at_once_are_one_message(notifier: NotifierSetup) -> None:
    for number in range(3):
        notifier.die(f"w{number}", State.BACKOFF)

    (text,), _ = notifier.told(1)
    assert text.startswith("3 workers have died:\nw0: exit code 1. It is started again in ")
    notifier.die("w0", State.BACKOFF)
    notifier.die("w1", State.BACKOFF)
    assert notifier.told(1) == ([], [])
    (text,), _ = notifier.told(60)
    assert text.startswith("2 workers have died:\nw0: 2 times in ")


def test_people_learn_of_a_loop_only_by_its_incident_while_a_worker_watches(notifier: NotifierSetup) -> None:
    notifier.die("feed", State.BACKOFF)
    people, lead = notifier.told(1, is_watched=True)
    assert len(people) == len(lead) == 1
    for _ in range(5):
        notifier.die("feed", State.BACKOFF)

    people, lead = notifier.told(60, is_watched=True)
    assert people == []
    assert lead[0].startswith("feed has crashed 6 times in ")
    notifier.run("feed", ready_at=1000)
    people, lead = notifier.told(60, is_watched=True)
    assert people == []
    assert lead == ["feed runs again. It had died 6 times, last: exit code 1."]
    assert notifier.told(3600, is_watched=True) == ([], [])


def test_nobody_else_reports_a_loop_of_monitor_bridge(notifier: NotifierSetup) -> None:
    notifier.die("monitor-bridge", State.BACKOFF)
    notifier.told(1, is_watched=True)
    for _ in range(5):
        notifier.die("monitor-bridge", State.BACKOFF)

    assert len(notifier.told(60, is_watched=True)[0]) == 1


def test_a_loop_that_ends_in_a_held_worker_is_reported_at_once(notifier: NotifierSetup) -> None:
    for _ in range(6):
        notifier.die("feed", State.BACKOFF)
    notifier.told(1, is_watched=True)
    notifier.die("feed", State.EXITED, "not configured")

    (text,), _ = notifier.told(1, is_watched=True)
    assert "It is not started again" in text
    notifier.run("feed", ready_at=1000)
    assert notifier.told(60)[0] == ["feed runs again. It had died 7 times, last: not configured."]


def test_an_unconfigured_worker_is_reported_unless_it_is_optional(notifier: NotifierSetup) -> None:
    notifier.die("feed", State.EXITED, "not configured")
    notifier.die("gateway", State.EXITED, "not configured")

    (text,), _ = notifier.told(1, optional=["gateway"])
    assert text.startswith("feed died (not configured). It is not started again. Correct it, then run: ")
    assert notifier.told(3600, optional=["gateway"]) == ([], [])


def test_a_worker_that_is_configured_no_more_is_not_reported(notifier: NotifierSetup) -> None:
    notifier.die("feed")
    del notifier.members["feed"]

    assert notifier.told(1) == ([], [])


def test_that_a_recipient_is_not_there_is_a_trouble(notifier: NotifierSetup) -> None:
    notifier.lead.maintenance.retire("lead")
    notifier.die("feed")

    assert len(notifier.told(1)[0]) == 1
    assert (
        str(notifier.troubles) == "There is no agent 'lead' to notify of a crash. See notify_on_crash in teamsup.toml."
    )
    notifier.lead.register()
    notifier.die("feed")
    notifier.told(60)
    assert not notifier.troubles


def test_lasting_degradation_is_reported_once_and_its_end_once(notifier: NotifierSetup) -> None:
    for seconds in (0, 59, 1, 5):
        notifier.degrade(feed="The port is taken.")
        people, _ = notifier.told(seconds)
        assert people == (["feed runs and cannot do its work: The port is taken."] if seconds == 5 else [])
    notifier.degrade()
    assert notifier.told()[0] == ["feed is no longer degraded."]


def test_a_worker_that_is_degraded_for_a_moment_is_not_reported(notifier: NotifierSetup) -> None:
    notifier.degrade(feed="Discord is away.")
    notifier.told(30)
    notifier.degrade()

    assert notifier.told() == ([], [])


def test_a_due_report_on_a_busy_hub_is_not_tried_without_a_pause(notifier: NotifierSetup) -> None:
    assert notifier.pause() == math.inf
    notifier.die("feed")

    assert (notifier.pause(), notifier.pause(1)) == (1, math.inf)


def test_the_supervisor_reports_a_loop_to_those_whom_the_watcher_does_not_reach(notifier: NotifierSetup) -> None:
    for _ in range(6):
        notifier.die("feed", State.BACKOFF)

    people, lead = notifier.told(1, is_watched=True, informed=())

    assert len(people) == len(lead) == 1
