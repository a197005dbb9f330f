"""Learn of writers that ring no doorbells on this host: foreign programs, and programs of the team on other hosts.

One process of a host listens for all its readers, because each NOTIFY wakes every listening connection of a database.
"""

import os
import select
import time
from collections.abc import Generator, Iterable
from contextlib import closing, suppress

import psycopg

from ...errors import StoreError
from .address import ServerAddress
from .connection import ServerConnection, open_connection, quote_name, quote_text, run_script
from .server_errors import POOLER_IN_BETWEEN, as_store_error

_REPORT_SECONDS = 10.0
_FLOOR_SECONDS = 2.0
"""Seconds between two looks at the dead rows while their number changes."""
_LEAST_DEAD = 1000
"""The number of dead rows from which claims need floors, and of new dead rows from which they need higher floors."""
_COUNT_DEAD = """
    SELECT coalesce(max(n_dead_tup), 0) AS dead FROM pg_stat_user_tables WHERE relid = CAST('deliveries' AS regclass)
"""
RING_EVERYBODY = "SELECT pg_notify('teamsup ' || current_schema(), '')"
"""The statement whose commit makes all readers of all hosts look at once."""

# Register, listen, then wait for the transactions that may not know of us yet. The first look sees what they stored.
_BEGIN_LISTENING = """
    INSERT INTO listening_hosts (host, seen_at) VALUES ({host}, clock_timestamp())
      ON CONFLICT (host) DO UPDATE SET seen_at = excluded.seen_at;
    SELECT current_schema() AS schema
"""
_WAIT_FOR_OTHERS = """
    SELECT pg_advisory_lock(hashtextextended('teamsup ' || current_schema(), 0));
    SELECT pg_advisory_unlock(hashtextextended('teamsup ' || current_schema(), 0));
"""


class FloorSchedule:
    """Decide when the floors of claims are raised, from the number of dead rows at each look. Pure.

    Each raise itself leaves dead rows. So it waits until enough other rows have died.
    """

    def __init__(self) -> None:
        self._last = self._raised = 0

    def is_due(self, dead: int) -> bool:
        """Return whether the floors must be raised now."""
        is_due = dead >= _LEAST_DEAD and not 0 <= dead - self._raised < _LEAST_DEAD
        if is_due:
            self._raised = dead
        return is_due

    def seconds_to_next_look(self, dead: int) -> float:
        """Return the seconds until the next look. A team at rest is looked at as rarely as its hosts report."""
        is_changing, self._last = dead != self._last, dead
        return _FLOOR_SECONDS if is_changing and dead >= _LEAST_DEAD else _REPORT_SECONDS


class ServerWatch:
    """A connection that listens as soon as recipients() has begun."""

    def __init__(self, address: ServerAddress, host: str) -> None:
        self._address = address
        self._host = host
        self._wake_reader, self._wake_writer = os.pipe()

    def stop(self) -> None:
        with suppress(BrokenPipeError):  # the watch has ended by itself, with its connection
            os.write(self._wake_writer, b"!")

    def close(self) -> None:
        os.close(self._wake_reader)

    def recipients(self) -> Generator[Iterable[str] | None, None, None]:
        """Yield the agents whose doorbells must ring. Raise StoreError when the connection is lost."""
        try:
            with closing(open_connection(self._address)) as connection:
                schema = run_script(connection, _BEGIN_LISTENING.format(host=quote_text(self._host)))[0]["schema"]
                run_script(connection, f"LISTEN {quote_name(f'teamsup {schema}')}")
                run_script(connection, _WAIT_FOR_OTHERS)
                yield None
                schedule, report_at = FloorSchedule(), time.monotonic() + _REPORT_SECONDS
                look_at = report_at
                while self._wait(connection, min(report_at, look_at) - time.monotonic()):
                    if (now := time.monotonic()) >= report_at:
                        run_script(connection, _BEGIN_LISTENING.format(host=quote_text(self._host)))
                        report_at = now + _REPORT_SECONDS
                    if now >= look_at:
                        dead = int(run_script(connection, _COUNT_DEAD)[0]["dead"])
                        if schedule.is_due(dead):
                            run_script(connection, f"SELECT raise_floors({_LEAST_DEAD})")
                        look_at = now + schedule.seconds_to_next_look(dead)
                    yield self._names_in(list(connection.notifies(timeout=0)))
        except psycopg.Error as error:
            raise as_store_error(self._address.name, error) from error

    def _wait(self, connection: ServerConnection, seconds: float) -> bool:
        """Wait until the server sends something, or until the time is over. Return False after stop()."""
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        poll.register(self._wake_reader, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(max(0.0, seconds) * 1000)}
        return self._wake_reader not in ready

    def _names_in(self, notifications: list[psycopg.Notify]) -> Iterable[str] | None:
        """Return the agents to ring, or None for all. A payload contains the sender's host and the names. A foreign
        program sends no host.
        """
        names: set[str] = set()
        for each in notifications:
            host, *agents = each.payload.split("\n")
            if host != self._host:
                if not agents:
                    return None
                names.update(agents)
        return names


def check_pooler(address: ServerAddress) -> None:
    """Raise StoreError if a pooler gives a connection to another client between two transactions."""
    with closing(open_connection(address)) as listener, closing(open_connection(address)) as other:
        run_script(listener, "LISTEN teamsup_self_test")
        pid = run_script(listener, "SELECT pg_backend_pid() AS pid")[0]["pid"]
        run_script(other, "BEGIN; SELECT 1")
        run_script(other, "SELECT pg_notify('teamsup_self_test', '')")
        same = run_script(listener, "SELECT pg_backend_pid() AS pid")[0]["pid"] == pid
        run_script(other, "COMMIT")
        if not same or not list(listener.notifies(timeout=1.0, stop_after=1)):
            raise StoreError(f"{address.name}: {POOLER_IN_BETWEEN}.")
