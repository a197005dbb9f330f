"""Many writers and readers at once: nothing is lost, doubled, out of order or stuck, and nobody waits in a circle."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from helpers.postgres_server import PostgresServer, run_sql_on_server
from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub, StaleLease, Team
from teamsup.hub.models import Delivery

OpenHub = Callable[[str], MessageHub]
pytestmark = pytest.mark.slow

WRITERS = READERS = 8
SECONDS = 3.0
INSERT = "INSERT INTO messages (message_id, sender, recipient, content, conversation_id) VALUES (?, 'cron', ?, '', ?)"


@contextmanager
def without_deadlock(postgres: PostgresServer) -> Iterator[None]:
    """Fails if the server had to end a deadlock inside the block."""

    def count() -> int:
        with postgres.connect() as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            (number,) = connection.execute("SELECT sum(deadlocks) FROM pg_stat_database").fetchone() or (0,)
            return int(str(number))

    before = count()
    yield
    assert count() == before


def run_for(seconds: float, *workers: Callable[[threading.Event], object]) -> list[Any]:
    """Run each worker in a thread, tell them to stop after so many seconds, and return their results."""
    stop = threading.Event()
    with ThreadPoolExecutor(len(workers)) as pool:
        futures: list[Future[Any]] = [pool.submit(worker, stop) for worker in workers]
        try:
            stop.wait(seconds)
        finally:
            stop.set()
        return [future.result() for future in futures]


def write_conversations(hub: MessageHub, recipients: list[str], stop: threading.Event) -> int:
    """Send to few conversations in transactions of some milliseconds, one to three messages each."""
    chance, sent = random.Random(hub.agent), 0  # noqa: S311
    while not stop.is_set():
        count = chance.randint(1, 3)
        if count == 1:
            hub.send(chance.choice(recipients), "x", conversation_id=f"c{chance.randint(0, 4)}")
        else:
            with hub.transaction():
                for _ in range(count):
                    hub.send(chance.choice(recipients), "x", conversation_id=f"c{chance.randint(0, 4)}")
                time.sleep(chance.uniform(0, 0.004))
        sent += count
    return sent


Times = dict[tuple[str, int], tuple[float, float]]
"""When a recipient had claimed a message, and when it was about to acknowledge it."""


def read_all(hub: MessageHub, sent: threading.Event, batch: int, times: Times | None = None) -> list[Delivery]:
    """Claim and acknowledge until the writers have ended and nothing is left."""
    found: list[Delivery] = []
    while True:
        was_over = sent.is_set()
        claimed = hub.claim(batch)
        claimed_at = time.monotonic()
        for delivery in claimed:
            if times is not None:
                times[delivery.recipient, delivery.message.id] = claimed_at, time.monotonic()
            with suppress(StaleLease):  # a foreign program has ended it
                hub.acknowledge(delivery)
        found += claimed
        if was_over and not claimed:
            return found
        if not claimed:
            hub.wait(0.05)


def raise_floors(address: str, stop: threading.Event) -> None:
    """Raise the floors of claims again and again, as the team's watcher does while a snapshot is held open."""
    while not stop.wait(0.05):
        run_sql_on_server(address, "SELECT raise_floors(0)")


def test_conversations_of_many_writers_are_read_whole_and_in_order(
    open_hub: OpenHub, postgres: PostgresServer, address: str
) -> None:
    """Without a lock of the conversation its next message is never offered, or two are at once."""
    mailboxes = [f"box{number}" for number in range(4)]
    writers = [open_hub(f"writer{number}") for number in range(WRITERS)]
    readers = [open_hub(mailboxes[number % len(mailboxes)]) for number in range(READERS)]
    times: Times = {}
    with without_deadlock(postgres):
        results = run_for(
            SECONDS,
            *(lambda stop, hub=hub: write_conversations(hub, mailboxes, stop) for hub in writers),
            *(lambda stop, hub=hub: read_all(hub, stop, 1, times) for hub in readers),
            lambda stop: raise_floors(address, stop),
        )
    sent = sum(count for count in results if isinstance(count, int))
    read = [delivery for found in results if isinstance(found, list) for delivery in found]
    # A last message may have been sent after a reader had ended.
    over = threading.Event()
    over.set()
    for hub in readers[: len(mailboxes)]:
        read += read_all(hub, over, 50, times)
    assert len({(delivery.message.id, delivery.recipient) for delivery in read}) == len(read) == sent
    order = defaultdict(list)
    for delivery in sorted(read, key=lambda each: each.message.id):
        place = delivery.recipient, delivery.message.id
        order[delivery.recipient, delivery.message.conversation_id].append(times[place])
    # The times in the tables are those before a lock was waited for, so they do not tell the order.
    for turns in order.values():
        assert all(acknowledged <= claimed for (_, acknowledged), (claimed, _) in pairwise(turns))


def test_foreign_programs_and_batches_never_wait_in_a_circle(
    open_hub: OpenHub, team: Team, postgres: PostgresServer
) -> None:
    mailboxes = ["ann", "bob"]
    writers = [open_hub(f"writer{number}") for number in range(4)]
    readers = [open_hub(name) for name in (*mailboxes, *mailboxes)]

    def end_three_a_statement(stop: threading.Event) -> int:
        ended = 0
        while not stop.is_set():
            ended += len(
                run_foreign_sql(
                    team,
                    "UPDATE messages SET status = 'processed' WHERE id IN (SELECT id FROM messages"
                    " WHERE status = 'pending' ORDER BY random() LIMIT 3) RETURNING id",
                )
            )
        return ended

    def insert(stop: threading.Event) -> int:
        count = 0
        while not stop.is_set():
            run_foreign_sql(team, INSERT, f"f{count}", mailboxes[count % 2], f"c{count % 5}")
            count += 1
        return count

    with without_deadlock(postgres):
        results = run_for(
            SECONDS,
            *(lambda stop, hub=hub: write_conversations(hub, mailboxes, stop) for hub in writers),
            *(lambda stop, hub=hub: len(read_all(hub, stop, 5)) for hub in readers),
            end_three_a_statement,
            insert,
        )
    assert all(results)
    assert readers[0].maintenance.check_integrity() == []


def test_a_broadcast_ends_with_its_last_reader_also_if_two_are_last(open_hub: OpenHub) -> None:
    lead, ann, bob = open_hub("lead"), open_hub("ann"), open_hub("bob")
    messages = [lead.broadcast(str(number)).message_id for number in range(60)]
    start = threading.Barrier(2)

    def read(hub: MessageHub) -> int:
        count = 0
        for _ in messages:
            (delivery,) = hub.claim()
            start.wait()
            hub.acknowledge(delivery)
            count += 1
        return count

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(read, (ann, bob))) == [60, 60]
    assert {lead.queries.message(each).status for each in messages} == {"processed"}


def test_two_readers_of_a_mailbox_get_no_message_twice(open_hub: OpenHub) -> None:
    lead = open_hub("lead")
    readers = [open_hub("scout") for _ in range(4)]
    for start in range(0, 300, 50):
        with lead.transaction():
            for _ in range(start, start + 50):
                lead.send("scout", "x")
    with ThreadPoolExecutor(len(readers)) as pool:
        over = threading.Event()
        over.set()
        found = list(pool.map(lambda hub: read_all(hub, over, 1), readers))
    ids = [delivery.message.id for each in found for delivery in each]
    assert len(ids) == len(set(ids)) == 300


def test_a_cursor_over_ids_loses_no_message_that_commits_late(open_hub: OpenHub) -> None:
    writers = [open_hub(f"writer{number}") for number in range(WRITERS)]
    watcher = open_hub("watcher")
    watcher.enroll("box")

    def write(hub: MessageHub, stop: threading.Event) -> int:
        sent = 0
        while not stop.is_set():
            hub.send("box", "x", conversation_id=f"w:{hub.agent}")
            sent += 1
        return sent

    names = [hub.agent for hub in writers]

    def follow(stop: threading.Event) -> set[int]:
        last, seen, was_over = 0, set(), False
        while True:
            found, last = watcher.queries.stored_after(last, senders=names, conversation_prefix="w:")
            seen |= {message.id for message in found}
            if was_over and not found:
                return seen
            was_over = stop.is_set()

    *counts, seen = run_for(
        SECONDS,
        *(lambda stop, hub=hub: write(hub, stop) for hub in writers),
        follow,
    )
    late, _ = watcher.queries.stored_after(max(seen, default=0), senders=names, conversation_prefix="w:")
    assert len(seen | {message.id for message in late}) == sum(counts)


def test_a_send_that_the_server_ends_for_a_deadlock_is_sent_again(open_hub: OpenHub, address: str) -> None:
    """A foreign transaction of several statements can still bring one about."""
    lead = open_hub("lead")
    lead.send("lead", "x", conversation_id="c")
    with psycopg.connect(address) as foreign:
        foreign.execute("LOCK TABLE exchanges IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(1) as pool:
            # It holds the lock of its conversation and then waits for the table.
            waiting = pool.submit(_send_and_read_table, lead)
            while not foreign.execute(
                "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'exchanges'::regclass"
            ).fetchone():
                time.sleep(0.01)
            foreign.execute("SET deadlock_timeout = '60s'")
            foreign.execute("SELECT lock_conversation('c')")
            foreign.commit()
            waiting.result()
    assert len(lead.queries.conversation("c")) == 2


def _send_and_read_table(hub: MessageHub) -> None:
    from teamsup.hub.engines.repetition import repeat

    def verb() -> None:
        with hub._session.write(shared=True) as db:
            db.execute(
                "INSERT INTO messages (message_id, sender, recipient, content, conversation_id)"
                " VALUES ('again', 'lead', 'lead', 'x', 'c')"
            )
            db.execute("SELECT 1 FROM exchanges").fetchall()

    repeat(hub._session.store, verb)
