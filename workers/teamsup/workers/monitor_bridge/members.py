"""The team's own agents and workers: who is silent, does not read, cannot work, or begins again and again. Pure.

Single deaths of workers are the supervisor's to tell.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from teamsup.hub import Agent
from teamsup.hub.messages import NOT_CONFIGURED, OFFLINE, SUPERVISOR
from teamsup.hub.wording import duration

from .routes import SUBJECT
from .steady import Reading

_LOOP_SECONDS = 600.0
_LOOP_STARTS = 5


@dataclass(frozen=True, slots=True)
class Starts:
    """How often somebody has been started lately."""

    mark: int
    """What another start changes: how many the supervisor has counted, else the pid."""
    at: tuple[float, ...] = ()
    """When each after the first was seen, in Unix seconds."""
    since: float = 0.0
    """Since when they are counted."""


def starts(before: Mapping[str, Starts], agents: Iterable[Agent], now: float) -> dict[str, Starts]:
    """The same after another look: of all workers that the supervisor runs, and of other daemons."""
    known = list(agents)
    counted = next((_by_name(agent.metadata.get("restarts")) for agent in known if agent.name == SUPERVISOR), {})
    pids = {agent.name: agent.metadata.get("pid") for agent in known if agent.kind == "daemon"}
    after: dict[str, Starts] = {}
    for name, mark in {**pids, **counted}.items():
        if not isinstance(mark, int):
            continue
        last = before.get(name, Starts(mark, since=now))
        new = max(0, mark - last.mark) if name in counted else int(mark != last.mark)
        begun = (*last.at, *[now] * min(new, 2 * _LOOP_STARTS))
        after[name] = Starts(mark, tuple(each for each in begun if each > now - _LOOP_SECONDS), last.since)
    return after


def _by_name(said: object) -> Mapping[str, object]:
    """What the supervisor says of each worker."""
    return said if isinstance(said, dict) else {}


def readings(
    agents: Iterable[Agent],
    begun: Mapping[str, Starts],
    me: str,
    now: datetime,
    *,
    stale_seconds: float,
    deaf_seconds: float,
) -> list[Reading]:
    """How everybody but people is; of ourselves only what we say. Who does not stay up has no other problem."""
    known = list(agents)
    failed = next((_by_name(agent.metadata.get("fatal")) for agent in known if agent.name == SUPERVISOR), {})
    loops = [_loop(name, each, now.timestamp(), is_failed=name in failed) for name, each in begun.items() if name != me]
    looping = {reading.labels[SUBJECT] for reading in loops if reading.is_bad} | set(failed)
    found: list[Reading] = []
    for agent in known:
        if agent.kind == "console" or agent.last_heartbeat is None:
            continue
        of_agent = [_degraded(agent, now)]
        if agent.name != me:
            of_agent += _of(agent, now, stale_seconds, deaf_seconds)
        found += [replace(each, is_bad=False) if agent.name in looping else each for each in of_agent]
    return [*found, *loops, *(_failed(name, reason) for name, reason in failed.items())]


def _degraded(agent: Agent, now: datetime) -> Reading:
    return Reading(
        f"{agent.name} degraded",
        bool(agent.degraded) and agent.is_present(now),
        f"{agent.name} is degraded: {agent.degraded}",
        labels={SUBJECT: agent.name, "kind": agent.kind},
        retells=True,
    )


def _failed(name: str, reason: object) -> Reading:
    """One that the supervisor could not start for good reason, and tries again ever more seldom."""
    labels = {SUBJECT: name, "kind": "daemon"}
    return Reading(f"{name} failed", True, f"{name} does not run: {reason}", "critical", labels, retells=True)


def _of(agent: Agent, now: datetime, stale_seconds: float, deaf_seconds: float) -> Iterable[Reading]:
    labels = {SUBJECT: agent.name, "kind": agent.kind}
    silence = (now - agent.last_heartbeat).total_seconds() if agent.last_heartbeat is not None else 0.0
    has_left = agent.status in (OFFLINE, NOT_CONFIGURED)
    yield Reading(
        f"{agent.name} silent",
        agent.is_watched and not has_left and abs(silence) > stale_seconds,
        f"{agent.name} is silent: no heartbeat since {_time(agent.last_heartbeat)}.",
        labels=labels,
    )
    waits = 0.0 if agent.oldest_unread is None else (now - agent.oldest_unread).total_seconds()
    yield Reading(
        f"{agent.name} deaf",
        agent.is_present(now) and agent.unread > 0 and waits > deaf_seconds,
        f"{agent.name} is {agent.status} and does not read: {agent.unread} unread since {_time(agent.oldest_unread)}.",
        labels=labels,
    )


def _loop(name: str, begun: Starts, now: float, *, is_failed: bool) -> Reading:
    count = len(begun.at)
    # What was before we came is not known: a loop from then is not over yet.
    is_calm = count == 0 and now - begun.since >= _LOOP_SECONDS
    return Reading(
        f"{name} starts again and again",
        False if is_failed or is_calm else True if count >= _LOOP_STARTS else None,
        f"{name} has restarted {count} times within {duration(_LOOP_SECONDS)}.",
        labels={SUBJECT: name, "kind": "daemon"},
    )


def _time(moment: datetime | None) -> str:
    """A title stands for as long as the problem, so no age would stay true."""
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
