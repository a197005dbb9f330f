"""An exception from a signal handler inside psycopg: the hub goes on with a new connection."""

import signal
from collections.abc import Callable

import pytest

from teamsup.hub import MessageHub, StoreError
from teamsup.hub.engines.postgresql.postgres_store import PostgresStore


class Alarm(BaseException):
    pass


def raise_alarm(*_: object) -> None:
    raise Alarm


def store_of(hub: MessageHub) -> PostgresStore:
    store = hub._session.store
    assert isinstance(store, PostgresStore)
    return store


def test_an_alarm_during_a_query_leaves_the_hub_usable(open_hub: Callable[[str], MessageHub]) -> None:
    lead = open_hub("lead")
    before = signal.signal(signal.SIGALRM, raise_alarm)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Alarm):
            lead.query("SELECT pg_sleep(60)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    lead.send("lead", "hi")

    assert len(lead.claim()) == 1


def test_a_kept_lock_of_psycopg_holds_up_nobody(open_hub: Callable[[str], MessageHub]) -> None:
    lead = open_hub("lead")
    connection = store_of(lead).connections.current
    assert connection is not None
    connection.lock.acquire()

    lead.send("lead", "hi")

    assert len(lead.claim()) == 1
    assert connection.closed


def test_a_kept_lock_in_a_transaction_undoes_it(open_hub: Callable[[str], MessageHub]) -> None:
    lead = open_hub("lead")

    def send_twice() -> None:
        with lead.transaction():
            lead.send("lead", "first")
            connection = store_of(lead).connections.current
            assert connection is not None
            connection.lock.acquire()
            lead.send("lead", "second")

    with pytest.raises(StoreError):
        send_twice()

    assert lead.claim() == []
