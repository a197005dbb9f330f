"""The hosts of a team and the leases of its roles, in its database on a server."""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import psycopg

from ...errors import StoreError
from ..hosts.role_fence import RoleFence
from ..hosts.team_hosts import (
    LEASE_SECONDS,
    HostAnswer,
    HostReport,
    HostRequest,
    RoleLease,
    TeamView,
)
from .address import ServerAddress
from .connection import ServerConnection, is_usable, open_connection, quote_text, run_script
from .host_identity import find_host
from .server_errors import as_store_error, read_only_error

T = TypeVar("T")

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('teamsup ' || current_schema(), 0))"
_SETTINGS = "SET lock_timeout = '5s'; SET statement_timeout = '10s'"
_LEASE = f"interval '{LEASE_SECONDS:.0f} seconds'"
_REPORT = """
    INSERT INTO team_hosts (identity, name, seen_at, has_ended, state) VALUES ($1, $2, clock_timestamp(), $3, $4)
    ON CONFLICT (identity) DO UPDATE SET name = excluded.name, seen_at = excluded.seen_at,
      has_ended = excluded.has_ended, state = excluded.state
"""
_HELD = "holder = $1 AND (role, token) IN (SELECT * FROM unnest(CAST($2 AS TEXT[]), CAST($3 AS BIGINT[])))"
_RENEW = f"""
    UPDATE role_leases SET expires_at = clock_timestamp() + {_LEASE}
    WHERE expires_at > clock_timestamp() AND {_HELD}
"""  # noqa: S608
_RELEASE = f"""
    UPDATE role_leases SET expires_at = clock_timestamp(), holder = CASE WHEN $4 THEN '' ELSE holder END WHERE {_HELD}
"""  # noqa: S608
_TAKE = f"""
    INSERT INTO role_leases (role, holder, host, token, expires_at)
    SELECT role, $1, $2, 1, clock_timestamp() + {_LEASE} FROM unnest(CAST($3 AS TEXT[])) AS wanted (role)
    ON CONFLICT (role) DO UPDATE SET holder = excluded.holder, host = excluded.host,
      token = role_leases.token + 1, expires_at = clock_timestamp() + {_LEASE}
    WHERE role_leases.holder = excluded.holder OR role_leases.expires_at <= clock_timestamp()
"""  # noqa: S608
_SELECT_STATE = """
    SELECT to_regclass('role_leases') IS NOT NULL AS has_tables, pg_is_in_recovery() AS is_standby,
      current_setting('transaction_read_only') = 'on' AS only_reads
"""
_SELECT_LEASES = """
    SELECT *, CAST(extract(epoch FROM expires_at - clock_timestamp()) AS DOUBLE PRECISION) AS seconds_left
    FROM role_leases
"""
_SELECT_HOSTS = """
    SELECT *, CAST(extract(epoch FROM clock_timestamp() - seen_at) AS DOUBLE PRECISION) AS age FROM team_hosts
    WHERE seen_at > clock_timestamp() - interval '30 days'
"""
_ASK = """
    INSERT INTO host_requests (host, sender, content, may_act, seconds) VALUES ($1, $2, $3, $4, $5) RETURNING number
"""
_FORGET_REQUESTS = "DELETE FROM host_requests WHERE asked_at < clock_timestamp() - interval '1 day'"
_TAKE_REQUESTS = """
    UPDATE host_requests SET is_taken = true WHERE host = $1 AND NOT is_taken
      AND asked_at > clock_timestamp() - make_interval(secs => seconds + 5) RETURNING *
"""


class ServerHosts:
    """The rows of hosts, leases and requests. It connects when it is first used, and again after a loss."""

    def __init__(self, address: ServerAddress, run: Path) -> None:
        """``run`` is the folder of this host's doorbells."""
        self.identity = find_host(run)
        self._address = address
        self._lock = threading.Lock()
        self._connection: ServerConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def report(self, name: str, state: str, *, has_ended: bool = False) -> None:
        self._run(lambda db: db.execute(_REPORT, (self.identity, name, has_ended, state)))

    def renew(self, held: Mapping[str, int]) -> None:
        # This needs no lock on the team, because only this host changes a lease that has not ended.
        if held:
            self._run(lambda db: db.execute(_RENEW, (self.identity, [*held], [*held.values()])))

    def take(self, name: str, roles: Iterable[str]) -> None:
        wanted = sorted(roles)

        def take(db: ServerConnection) -> None:
            # Every writer holds or shares this lock. So all that was written under the old lease is there. A server
            # that is killed must not forget a new holder, so this commit waits for the disk.
            with db.transaction():
                run_script(db, f"SET LOCAL synchronous_commit = 'on'; {_LOCK}")
                db.execute(_TAKE, (self.identity, name, wanted))

        if wanted:
            self._run(take)

    def release(self, held: Mapping[str, int], *, is_free: bool) -> None:
        if held:
            self._run(lambda db: db.execute(_RELEASE, (self.identity, [*held], [*held.values()], is_free)))

    def read(self) -> TeamView:
        def read(db: ServerConnection) -> TeamView:
            (state,) = db.execute(_SELECT_STATE).fetchall()
            trouble = (
                read_only_error(self._address.name, is_standby=state["is_standby"]) if state["only_reads"] else None
            )
            if not state["has_tables"]:
                return TeamView(trouble=trouble)  # no program has stored the team there yet
            hosts = tuple(_report_from(row) for row in db.execute(_SELECT_HOSTS).fetchall())
            leases = tuple(_lease_from(row) for row in db.execute(_SELECT_LEASES).fetchall())
            return TeamView(hosts, leases, trouble)

        return self._run(read)

    def ask(self, identity: str, request: HostRequest) -> int:
        values = (identity, request.sender, request.content, request.may_act, request.seconds)

        def ask(db: ServerConnection) -> int:
            db.execute(_FORGET_REQUESTS)
            number = int(db.execute(_ASK, values).fetchall()[0][0])
            # A payload without names rings all readers on the other hosts.
            db.execute("SELECT pg_notify('teamsup ' || current_schema(), $1)", (f"{self.identity}\nsupervisor",))
            return number

        return self._run(ask)

    def find_answer(self, number: int) -> HostAnswer | None:
        query = "DELETE FROM host_requests WHERE number = $1 AND answer IS NOT NULL RETURNING answer, exit_code"
        rows = self._run(lambda db: db.execute(query, (number,)).fetchall())
        return HostAnswer(str(rows[0][0]), int(rows[0][1])) if rows else None

    def take_requests(self) -> list[HostRequest]:
        rows = self._run(lambda db: db.execute(_TAKE_REQUESTS, (self.identity,)).fetchall())
        return [
            HostRequest(row["number"], row["sender"], row["content"], bool(row["may_act"]), row["seconds"])
            for row in rows
        ]

    def answer(self, number: int, answer: HostAnswer) -> None:
        query = "UPDATE host_requests SET answer = $2, exit_code = $3 WHERE number = $1"
        self._run(lambda db: db.execute(query, (number, answer.content, answer.exit_code)))

    def _run(self, action: Callable[[ServerConnection], T]) -> T:
        """Run an action on the connection. Raise StoreError at once without a retry, because the caller must know the
        failure in time.
        """
        with self._lock:
            try:
                return action(self._connected())
            except psycopg.Error as error:
                if self._connection is not None and not is_usable(self._connection):
                    self._connection.close()
                found = as_store_error(self._address.name, error)
                raise found if isinstance(found, StoreError) else StoreError(str(found)) from error

    def _connected(self) -> ServerConnection:
        if not is_usable(self._connection):
            self._connection = open_connection(self._address)
            run_script(self._connection, _SETTINGS)
        return self._connection


def fence_column(fence: RoleFence | None) -> str:
    """Return a column of a query: the remaining seconds of this process's lease, or NULL if the lease is lost."""
    if fence is None:
        return "NULL"
    return (
        "(SELECT CAST(extract(epoch FROM expires_at - clock_timestamp()) AS DOUBLE PRECISION) FROM role_leases"  # noqa: S608
        f" WHERE role = {quote_text(fence.role)} AND token = {fence.token})"
    )


def _report_from(row: Any) -> HostReport:  # noqa: ANN401 - a row
    try:
        state = json.loads(row["state"])
    except ValueError:
        state = {}
    found = state if isinstance(state, dict) else {}
    return HostReport(row["identity"], row["name"], max(0.0, row["age"]), bool(row["has_ended"]), found)


def _lease_from(row: Any) -> RoleLease:  # noqa: ANN401 - a row
    return RoleLease(row["role"], row["holder"], row["host"], row["token"], row["seconds_left"])
