"""Check the team's agents and workers for silence, unread messages, degradation and repeated crashes. Pure.

The supervisor reports single crashes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from teamsup.hub import Agent
from teamsup.hub.models import NOT_CONFIGURED, OFFLINE, SUPERVISOR
from teamsup.terminal.formatting import format_duration, format_moment

from ..incidents.routes import AGENT_LABEL
from .hysteresis import CheckResult

_LOOP_SECONDS = 600.0
_LOOP_RESTARTS = 5


@dataclass(frozen=True, slots=True)
class RestartHistory:
    """The recent restarts of one worker."""

    counter: int
    """A value that each start changes: the supervisor's count of restarts, or the pid."""
    restarted_at: tuple[float, ...] = ()
    """The time of each restart after the first, in Unix seconds."""
    counted_since: float = 0.0
    """The time since which restarts are counted."""


def update_restarts(
    before: Mapping[str, RestartHistory], agents: Iterable[Agent], now: float
) -> dict[str, RestartHistory]:
    """Return the histories after another check, for the supervisor's workers and for other daemons."""
    known = list(agents)
    counted = next((_as_mapping(agent.metadata.get("restarts")) for agent in known if agent.name == SUPERVISOR), {})
    pids = {agent.name: agent.metadata.get("pid") for agent in known if agent.kind == "daemon"}
    after: dict[str, RestartHistory] = {}
    for name, mark in {**pids, **counted}.items():
        if not isinstance(mark, int):
            continue
        last = before.get(name, RestartHistory(mark, counted_since=now))
        new = max(0, mark - last.counter) if name in counted else int(mark != last.counter)
        restarts = (*last.restarted_at, *[now] * min(new, 2 * _LOOP_RESTARTS))
        after[name] = RestartHistory(
            mark, tuple(each for each in restarts if each > now - _LOOP_SECONDS), last.counted_since
        )
    return after


def _as_mapping(value: object) -> Mapping[str, object]:
    """Return the supervisor's state of each worker."""
    return value if isinstance(value, dict) else {}


def check_agents(
    agents: Iterable[Agent],
    histories: Mapping[str, RestartHistory],
    me: str,
    now: datetime,
    *,
    heartbeat_timeout_seconds: float,
    unread_alert_seconds: float,
) -> list[CheckResult]:
    """Return the results for all agents except people. For monitor-bridge, only its own report counts. A crash loop
    hides other problems of a worker.
    """
    known = list(agents)
    failed = next((_as_mapping(agent.metadata.get("fatal")) for agent in known if agent.name == SUPERVISOR), {})
    loops = [
        _check_restart_loop(name, each, now.timestamp(), is_failed=name in failed)
        for name, each in histories.items()
        if name != me
    ]
    looping = {result.labels[AGENT_LABEL] for result in loops if result.is_bad} | set(failed)
    found: list[CheckResult] = []
    for agent in known:
        if agent.kind == "console" or agent.last_heartbeat is None:
            continue
        of_agent = [_check_degraded(agent, now)]
        if agent.name != me:
            of_agent += _check_agent(agent, now, heartbeat_timeout_seconds, unread_alert_seconds)
        found += [replace(each, is_bad=False) if agent.name in looping else each for each in of_agent]
    return [*found, *loops, *(_check_failed(name, reason) for name, reason in failed.items())]


def _check_degraded(agent: Agent, now: datetime) -> CheckResult:
    return CheckResult(
        f"{agent.name} degraded",
        bool(agent.degraded) and agent.is_present(now),
        f"{agent.name} is degraded: {agent.degraded}",
        labels={AGENT_LABEL: agent.name, "kind": agent.kind},
        updates_title=True,
    )


def _check_failed(name: str, reason: object) -> CheckResult:
    """Return the result for a worker that the supervisor cannot start and keeps trying to start."""
    labels = {AGENT_LABEL: name, "kind": "daemon"}
    return CheckResult(f"{name} failed", True, f"{name} does not run: {reason}", "critical", labels, updates_title=True)


def _check_agent(
    agent: Agent, now: datetime, heartbeat_timeout_seconds: float, unread_alert_seconds: float
) -> Iterable[CheckResult]:
    labels = {AGENT_LABEL: agent.name, "kind": agent.kind}
    silence = (now - agent.last_heartbeat).total_seconds() if agent.last_heartbeat is not None else 0.0
    has_left = agent.status in (OFFLINE, NOT_CONFIGURED)
    # A title stays as long as the problem, so an age in it would become wrong.
    yield CheckResult(
        f"{agent.name} silent",
        agent.is_watched and not has_left and abs(silence) > heartbeat_timeout_seconds,
        f"{agent.name} is silent: no heartbeat since {format_moment(agent.last_heartbeat)}.",
        labels=labels,
    )
    waits = 0.0 if agent.oldest_unread is None else (now - agent.oldest_unread).total_seconds()
    yield CheckResult(
        f"{agent.name} unread",
        agent.is_present(now) and agent.unread > 0 and waits > unread_alert_seconds,
        f"{agent.name} is {agent.status} and does not read: "
        f"{agent.unread} unread since {format_moment(agent.oldest_unread)}.",
        labels=labels,
    )


def _check_restart_loop(name: str, history: RestartHistory, now: float, *, is_failed: bool) -> CheckResult:
    count = len(history.restarted_at)
    # Earlier restarts are unknown, so a crash loop from that time has not ended yet.
    is_calm = count == 0 and now - history.counted_since >= _LOOP_SECONDS
    return CheckResult(
        f"{name} starts again and again",
        False if is_failed or is_calm else True if count >= _LOOP_RESTARTS else None,
        f"{name} has restarted {count} times within {format_duration(_LOOP_SECONDS)}.",
        labels={AGENT_LABEL: name, "kind": "daemon"},
    )
