"""The runs, their starts, and the pauses: the one owner of SQL on agent-runner's tables."""

import json
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from teamsup.hub import MessageHub
from teamsup.hub.engines.engine import Row

from .run import OPEN_STATES, Cause, Run, RunState

_HOUR, _DAY = 3600.0, 86400.0
_OPEN = ", ".join(f"'{state}'" for state in OPEN_STATES)


@dataclass(frozen=True, slots=True)
class Usage:
    """Recent starts and costs, of one agent or of all agents."""

    starts: int = 0
    """Processes that have started in the last hour."""
    oldest_start: float | None = None
    usd: float = 0.0
    """The cost of the last 24 hours."""
    oldest_cost: float | None = None
    """The time when the first of the runs in ``usd`` ended."""
    unknown_costs: int = 0
    """Runs of the last 24 hours that have ended without reporting their cost."""


CLOCK_TOLERANCE_SECONDS = 60.0
"""A clock is often set back by less than this, which changes nothing."""


@dataclass(frozen=True, slots=True)
class AgentPause:
    """A pause of one agent or login. Its runs do not start until ``until``, or until a person ends the pause if it is
    None.
    """

    kind: Literal["agent", "login"]
    name: str
    reason: str
    since: float
    until: float | None = None
    is_incident: bool = False
    """Whether only a person can help."""

    @property
    def is_of_person(self) -> bool:
        """Whether a person has paused it. A fault never replaces such a pause."""
        return self.until is None and not self.is_incident

    def is_in_force(self, now: float) -> bool:
        """Return whether it holds now. If it begins in the future, the clock was set back. Then it is over, and it
        begins again if its reason lasts.
        """
        return self.until is None or (now < self.until and self.since <= now + CLOCK_TOLERANCE_SECONDS)


class RunTable:
    """The runs of one team. A method that changes something is its own transaction, or part of the open transaction."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def insert(
        self, agent: str, cause: Cause, now: float, *, directory: str = "", session: Run | None = None, model: str = ""
    ) -> Run:
        """Return the run of this cause: the existing row, or a new row. ``session`` is the earlier run whose session it
        continues.
        """
        with self._hub.transaction():
            known = self.find(agent, cause)
            if known is not None:
                return known
            values = {
                "agent": agent,
                "cause_kind": cause.kind,
                "cause": cause.key,
                "message_number": cause.message_number,
                "conversation": cause.conversation,
                "session_id": str(uuid.uuid4()) if session is None else session.session_id,
                "is_resumed": int(session is not None),
                "session_usd_before": 0.0 if session is None else session.session_usd_before + (session.usd or 0.0),
                "transcript": "" if session is None else session.transcript,
                "directory": directory,
                "model": model,
                "created_at": now,
            }
            names = ", ".join(values)
            parameters = ", ".join(f":{name}" for name in values)
            self._hub.execute(f"INSERT INTO runs ({names}) VALUES ({parameters})", values)  # noqa: S608
            found = self.find(agent, cause)
        assert found is not None  # noqa: S101 - it was stored in this transaction
        return found

    def update(self, run: Run, **changes: Any) -> Run:  # noqa: ANN401 - columns of several types
        """Store changed columns of a run, and return the changed run."""
        values = {name: _to_column(value) for name, value in changes.items()}
        columns = ", ".join(f"{name} = :{name}" for name in values)
        self._hub.execute(f"UPDATE runs SET {columns} WHERE id = :id", values | {"id": run.id})  # noqa: S608
        return self.get(run.id) or run

    def record_start(self, run: Run, mark: str, now: float, program: str = "", folder_id: str = "") -> Run | None:
        """Store that a process with this mark is about to be started for the run. Return None if the run is no longer
        planned; the caller must then not start it.
        """
        with self._hub.transaction():
            sql = "UPDATE runs SET state = 'running' WHERE id = ? AND state = 'planned' AND starts = ?"
            if not self._hub.execute(sql, (run.id, run.starts)):
                return None
            self._hub.execute("INSERT INTO run_starts (run, agent, at) VALUES (?, ?, ?)", (run.id, run.agent, now))
            return self.update(
                run,
                reason="",
                mark=mark,
                program=program,
                folder_id=folder_id,
                is_decided=False,
                starts=run.starts + 1,
                started_at=now,
                pid=0,
                process_identity="",
                stop="",
                tries=run.tries + 1,
                next_try_at=None,
            )

    def get(self, number: int) -> Run | None:
        return next(iter(self._select("id = ?", number)), None)

    def find(self, agent: str, cause: Cause) -> Run | None:
        """Return the run of this cause."""
        found = self._select("agent = ? AND cause_kind = ? AND cause = ?", agent, cause.kind, cause.key)
        return found[0] if found else None

    def open_runs(self, agent: str | None = None) -> list[Run]:
        """Return the runs whose cause has not ended, the oldest first."""
        if agent is None:
            return self._select(f"state IN ({_OPEN})")
        return self._select(f"state IN ({_OPEN}) AND agent = ?", agent)

    def latest(
        self, agent: str | None = None, limit: int = 50, state: RunState | None = None, before: int | None = None
    ) -> list[Run]:
        """Return the newest runs, the newest first. With ``before`` return only runs with a lower number."""
        return self._select(
            "(CAST(? AS TEXT) IS NULL OR agent = ?) AND (CAST(? AS TEXT) IS NULL OR state = ?)"
            " AND (CAST(? AS BIGINT) IS NULL OR id < ?)",
            agent,
            agent,
            state,
            state,
            before,
            before,
            newest=limit,
        )

    def find_asked(self, message_id: str) -> Run | None:
        """Return the open run that asked people this question."""
        found = self._select(f"decision = ? AND state IN ({_OPEN})", message_id)
        return found[0] if found else None

    def last_of_conversation(self, agent: str, conversation: str) -> Run | None:
        """Return the newest run of a conversation."""
        found = self._select("agent = ? AND conversation = ?", agent, conversation, newest=1)
        return found[0] if found else None

    def usage(self, now: float, agent: str | None = None) -> Usage:
        """Return the starts of the last hour and the costs of the last day."""
        (starts, oldest) = self._hub.query(
            "SELECT count(*), min(at) FROM run_starts WHERE at > ? AND (CAST(? AS TEXT) IS NULL OR agent = ?)",
            (now - _HOUR, agent, agent),
        )[0]
        (usd, oldest_cost, unknown) = self._hub.query(
            "SELECT coalesce(sum(usd), 0), min(coalesce(ended_at, started_at)),"
            " count(CASE WHEN ended_at IS NOT NULL AND usd IS NULL THEN 1 END) FROM runs"
            " WHERE starts > 0 AND coalesce(ended_at, started_at) > ? AND (CAST(? AS TEXT) IS NULL OR agent = ?)",
            (now - _DAY, agent, agent),
        )[0]
        return Usage(starts, oldest, float(usd), oldest_cost, unknown)

    def count_since(self, agent: str, since: float) -> tuple[int, float]:
        """Return the number of an agent's runs that have begun since a time, and their cost."""
        (count, usd) = self._hub.query(
            "SELECT count(*), coalesce(sum(usd), 0) FROM runs WHERE agent = ? AND created_at >= ? AND starts > 0",
            (agent, since),
        )[0]
        return int(count), float(usd)

    def pause(self, pause: AgentPause) -> bool:
        """Store a pause, and return whether it is new. Only a person replaces the pause of a person."""
        key = (pause.kind, pause.name)
        with self._hub.transaction():
            if not pause.is_of_person and any(
                known.is_of_person and (known.kind, known.name) == key for known in self._stored_pauses()
            ):
                return False
            known = self._hub.execute("DELETE FROM agent_pauses WHERE kind = ? AND name = ?", key)
            self._hub.execute(
                "INSERT INTO agent_pauses (kind, name, reason, since, until, is_incident) VALUES (?, ?, ?, ?, ?, ?)",
                (*key, pause.reason, pause.since, pause.until, pause.is_incident),
            )
        return not known

    def resume(self, kind: str, name: str) -> bool:
        """End a pause, and return whether there was one."""
        return self._hub.execute("DELETE FROM agent_pauses WHERE kind = ? AND name = ?", (kind, name)) > 0

    def end_incidents(self, kind: str, names: Collection[str] | None = None) -> None:
        """End the pauses that only a person can end, for these names or for all, because a person has acted."""
        for pause in self._stored_pauses():
            if pause.kind == kind and pause.is_incident and (names is None or pause.name in names):
                self.resume(kind, pause.name)

    def pauses(self, now: float) -> list[AgentPause]:
        """Return the pauses that are in force now."""
        return [pause for pause in self._stored_pauses() if pause.is_in_force(now)]

    def _stored_pauses(self) -> list[AgentPause]:
        return [
            AgentPause(**{**dict(zip(row.keys(), row, strict=True)), "is_incident": row["is_incident"] == 1})
            for row in self._hub.query("SELECT * FROM agent_pauses ORDER BY kind, name")
        ]

    def ticks_done(self) -> dict[str, tuple[str, float]]:
        """Return the schedule of each agent, and the time up to which its ticks are done."""
        rows = self._hub.query("SELECT agent, schedule, at FROM agent_ticks")
        return {row["agent"]: (row["schedule"], row["at"]) for row in rows}

    def record_ticks(self, agent: str, schedule: str, at: float) -> None:
        """Store that all ticks up to a time are done."""
        with self._hub.transaction():
            self._hub.execute("DELETE FROM agent_ticks WHERE agent = ?", (agent,))
            self._hub.execute("INSERT INTO agent_ticks (agent, schedule, at) VALUES (?, ?, ?)", (agent, schedule, at))

    def prune(self, before: float, now: float) -> int:
        """Remove the runs that ended before this time. Return their number."""
        self._hub.execute("DELETE FROM run_starts WHERE at <= ?", (now - _HOUR,))
        return self._hub.execute(f"DELETE FROM runs WHERE ended_at < ? AND state NOT IN ({_OPEN})", (before,))  # noqa: S608

    def numbers(self) -> set[int]:
        """Return the numbers of all runs that have a row."""
        return {row["id"] for row in self._hub.query("SELECT id FROM runs")}

    def _select(self, where: str, *values: object, newest: int | None = None) -> list[Run]:
        order = "id" if newest is None else f"id DESC LIMIT {int(newest)}"
        rows = self._hub.query(f"SELECT * FROM runs WHERE {where} ORDER BY {order}", values)  # noqa: S608
        return [_to_run(row) for row in rows]


def _to_column(value: object) -> object:
    return json.dumps(list(value)) if isinstance(value, tuple) else value


def _to_run(row: Row) -> Run:
    values = dict(zip(row.keys(), row, strict=True))
    cause = Cause(*(values.pop(name) for name in ("cause_kind", "cause", "message_number", "conversation")))
    flags = {name: values[name] == 1 for name in ("is_resumed", "is_decided", "has_login")}
    return Run(**{**values, **flags, "cause": cause, "tools": _texts(row["tools"])})


def _texts(stored: str) -> tuple[str, ...]:
    found: Sequence[object] = json.loads(stored)
    return tuple(map(str, found))
