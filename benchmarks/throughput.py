"""How many messages a second one producer and one consumer process handle, and what a claim costs in a full table."""

import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path

from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.engine import Durability

CONTENT = "x" * 200
MESSAGES = 20_000
WAITING = 100_000
CLAIMS = 200
SLICE = 20_000
ENDED = "UPDATE deliveries SET state = 'done', done_at = 'x' WHERE state = 'ready'"
LATER = "UPDATE deliveries SET available_at = '9999-01-01' WHERE state = 'ready'"


def run() -> None:
    for durability in ("normal", "full"):
        for batch in (1, 100):
            count = MESSAGES if batch > 1 else MESSAGES // 4
            rate = _produce_and_consume(durability, batch, count)
            print(f"synchronous={durability.upper():6} batches of {batch:3}: {rate:8,.0f} messages/s, end to end")
    print()
    for rows in (1_000, 100_000, 1_000_000):
        _claim_cost(f"{rows:,} ended messages in the table", ended=rows)
    _claim_cost(f"behind a blocked conversation of {WAITING:,}", ended=1_000, blocked=WAITING)
    _claim_cost(f"among {WAITING:,} in backoff", ended=1_000, backoff=WAITING)


def _produce_and_consume(durability: Durability, batch: int, count: int) -> float:
    """Both at once; messages a second from the first send to the last acknowledgement."""
    with tempfile.TemporaryDirectory() as folder:
        team = Team("bench", Path(folder))
        with MessageHub(team, agent="reader") as reader:
            reader.register()
        producer = multiprocessing.get_context("spawn").Process(target=_produce, args=(team, durability, batch, count))
        with MessageHub(team, agent="reader", durability=durability) as reader:
            producer.start()
            reader.wait()
            begin, done = time.perf_counter(), 0
            while done < count:
                with reader.transaction():
                    claimed = reader.claim(batch)
                    for delivery in claimed:
                        reader.acknowledge(delivery)
                if not claimed:
                    reader.wait()
                done += len(claimed)
            seconds = time.perf_counter() - begin
        producer.join()
    return count / seconds


def _produce(team: Team, durability: Durability, batch: int, count: int) -> None:
    with MessageHub(team, agent="sender", durability=durability) as hub:
        for _ in range(count // batch):
            with hub.transaction():
                for _ in range(batch):
                    hub.send("reader", CONTENT)


def _claim_cost(what: str, *, ended: int, blocked: int = 0, backoff: int = 0) -> None:
    """Median microseconds of claiming and acknowledging one message."""
    with tempfile.TemporaryDirectory() as folder:
        team = Team("bench", Path(folder))
        with MessageHub(team, agent="reader", durability="normal") as hub:
            hub.register()
            _fill(hub, ended, conversation=None, then=ENDED)
            if blocked:
                _fill(hub, blocked, conversation="blocked")
                hub.claim(lease=3600)
            if backoff:
                _fill(hub, backoff, conversation=None, then=LATER)
            microseconds = []
            for _ in range(CLAIMS):
                hub.send("reader", CONTENT)
                begin = time.perf_counter_ns()
                (delivery,) = hub.claim()
                hub.acknowledge(delivery)
                microseconds.append((time.perf_counter_ns() - begin) / 1000)
        print(f"claim and acknowledge, {what:45} median {statistics.median(microseconds):7.0f} µs", flush=True)


def _fill(hub: MessageHub, count: int, conversation: str | None, then: str = "") -> None:
    """Store so many rows, in slices: a transaction of the hub takes at most ten seconds."""
    for begin in range(0, count, SLICE):
        with hub._session.store.transaction() as db:
            db.execute(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                " INSERT INTO messages (message_id, sender, recipient, content, conversation_id)"
                " SELECT hex(randomblob(16)), 'sender', 'reader', ?, ? FROM n",
                (min(SLICE, count - begin), CONTENT, conversation),
            )
            if then:
                db.execute(then)


if __name__ == "__main__":
    run()
