"""The team's own agents and workers: who has fallen silent, does not read, or begins again and again. Pure.

Single deaths of workers are the supervisor's to tell.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from teamsup.hub import Agent
from teamsup.hub.messages import NOT_CONFIGURED, OFFLINE
from teamsup.hub.wording import duration

from .routes import SUBJECT
from .steady import Reading

_LOOP_SECONDS = 600.0
_LOOP_STARTS = 5


@dataclass(frozen=True, slots=True)
class Starts:
    """The processes that somebody has had lately."""

    pid: int
    at: tuple[float, ...] = ()
    """When each after the first was seen first, in Unix seconds."""


def starts(before: Mapping[str, Starts], agents: Iterable[Agent], now: float) -> dict[str, Starts]:
    """The same after another look."""
    after: dict[str, Starts] = {}
    for agent in agents:
        pid = agent.metadata.get("pid")
        if agent.kind != "daemon" or not isinstance(pid, int):
            continue
        known = before.get(agent.name, Starts(pid))
        begun = known.at if known.pid == pid else (*known.at, now)
        after[agent.name] = Starts(pid, tuple(each for each in begun if each > now - _LOOP_SECONDS))
    return after


def readings(
    agents: Iterable[Agent],
    begun: Mapping[str, Starts],
    me: str,
    now: datetime,
    *,
    stale_seconds: float,
    deaf_seconds: float,
) -> list[Reading]:
    """How everybody but ourselves and people is."""
    found: list[Reading] = []
    for agent in agents:
        if agent.kind == "console" or agent.name == me or agent.last_heartbeat is None:
            continue
        found += _of(agent, begun.get(agent.name), now, stale_seconds, deaf_seconds)
    return found


def _of(
    agent: Agent, begun: Starts | None, now: datetime, stale_seconds: float, deaf_seconds: float
) -> Iterable[Reading]:
    labels = {SUBJECT: agent.name, "kind": agent.kind}
    silence = (now - agent.last_heartbeat).total_seconds() if agent.last_heartbeat is not None else 0.0
    has_left = agent.status in (OFFLINE, NOT_CONFIGURED)
    yield Reading(
        f"{agent.name} silent",
        not has_left and silence > stale_seconds,
        f"{agent.name} is silent: its last heartbeat came {duration(silence)} ago.",
        labels=labels,
    )
    waits = 0.0 if agent.oldest_unread is None else (now - agent.oldest_unread).total_seconds()
    yield Reading(
        f"{agent.name} deaf",
        agent.is_present(now) and agent.unread > 0 and waits > deaf_seconds,
        f"{agent.name} is {agent.status} and does not read: {agent.unread} wait, the oldest for {duration(waits)}.",
        labels=labels,
    )
    if begun is not None:
        count = len(begun.at)
        yield Reading(
            f"{agent.name} starts again and again",
            True if count >= _LOOP_STARTS else False if count == 0 else None,
            f"{agent.name} has begun anew {count} times within {duration(_LOOP_SECONDS)}.",
            labels=labels,
        )
