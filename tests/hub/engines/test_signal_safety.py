"""An exception from a signal handler, wherever it hits, neither keeps the write lock nor spoils the hub."""

import functools
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

import pytest

from helpers.interruption import Interruption
from helpers.support import TIMEOUT_SECONDS
from teamsup.hub import MessageHub, StoreError, Team
from teamsup.hub.models import Delivery
from teamsup.hub.wakeup.doorbell import open_doorbell


@dataclass
class InterruptedHub:
    """Two agents, one of which is interrupted."""

    team: Team
    lead: MessageHub
    scout: MessageHub
    number: int = 0

    def send(self) -> None:
        self.number += 1
        self.lead.send("scout", f"{self.number}", message_id=f"m{self.number}")

    def claim(self) -> list[Delivery]:
        return self.scout.claim()

    def claimed(self) -> Delivery:
        self.send()
        (delivery,) = self.claim()
        return delivery

    def together(self) -> None:
        self.number += 1
        with self.lead.transaction():
            self.lead.send("scout", "first", message_id=f"first{self.number}")
            with self.lead.transaction():
                self.lead.send("scout", "second", message_id=f"second{self.number}")

    def is_free(self) -> bool:
        """Whether another connection can write at once, and other threads can read and write through these hubs."""
        with closing(sqlite3.connect(self.team.database, isolation_level=None, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        done = []

        def use() -> None:
            self.lead.heartbeat()
            self.scout.heartbeat()
            done.append(len(self.lead.agents()))

        other_thread = threading.Thread(target=use, daemon=True)
        other_thread.start()
        other_thread.join(TIMEOUT_SECONDS)
        return done == [2]


@pytest.fixture
def interrupted(team: Team) -> Iterator[InterruptedHub]:
    with (
        MessageHub(team, agent="lead", durability="normal") as lead,
        MessageHub(team, agent="scout", durability="normal") as scout,
    ):
        lead.register()
        scout.register()
        yield InterruptedHub(team, lead, scout)


def interrupt_everywhere(action: Callable[[], object], check: Callable[[], None]) -> int:
    """Interrupt the action at each of its points in turn; how many there were."""
    number = 1
    while Interruption(number).run(action):
        check()
        number += 1
    check()
    return number


# It may come between the making of a socket and the place where it is kept.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_signal_leaves_no_doorbell(team: Team) -> None:
    team.create()

    def ring_nobody() -> None:
        with open_doorbell(team.run, "scout", "topic"):
            pass

    def check() -> None:
        assert list(team.run.glob("*@*")) == []

    assert interrupt_everywhere(ring_nobody, check) > 10


def test_an_interrupted_send_is_stored_whole_or_not_at_all(interrupted: InterruptedHub) -> None:
    def check() -> None:
        assert interrupted.is_free()
        (messages, deliveries, processed) = interrupted.scout.query(
            "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM deliveries WHERE state = 'ready'),"
            " (SELECT count(*) FROM messages WHERE status <> 'pending')"
        )[0]
        assert messages == deliveries
        assert not processed

    assert interrupt_everywhere(interrupted.send, check) > 10


def test_an_interrupted_claim_leases_all_or_nothing(interrupted: InterruptedHub) -> None:
    interrupted.send()

    def check() -> None:
        assert interrupted.is_free()
        (state,) = interrupted.scout.queries.trace("m1")
        if state.state == "leased":
            assert interrupted.scout.queries.message("m1").status == "processing"
            interrupted.scout.maintenance.release_abandoned()
            interrupted.scout.execute("UPDATE deliveries SET state = 'ready', attempts = 0, lease_token = NULL")
        assert interrupted.scout.queries.message("m1").status == "pending"

    assert interrupt_everywhere(interrupted.claim, check) > 15


def test_an_interrupted_acknowledgement_ends_the_delivery_or_not(interrupted: InterruptedHub) -> None:
    held = [interrupted.claimed()]

    def check() -> None:
        assert interrupted.is_free()
        message = held[0].message.message_id
        (state,) = interrupted.scout.queries.trace(message)
        assert (state.state, interrupted.scout.queries.message(message).status) in (
            ("leased", "processing"),
            ("done", "processed"),
        )
        if state.state == "done":
            held[0] = interrupted.claimed()

    assert interrupt_everywhere(lambda: interrupted.scout.acknowledge(held[0]), check) > 10


def test_an_interrupted_reply_is_sent_and_ends_its_delivery_or_neither(interrupted: InterruptedHub) -> None:
    held = [interrupted.claimed()]

    def check() -> None:
        assert interrupted.is_free()
        message = held[0].message.message_id
        (state,) = interrupted.scout.queries.trace(message)
        replies = interrupted.scout.query("SELECT count(*) FROM messages WHERE reply_to = ?", (message,))[0][0]
        assert (state.state, replies) in (("leased", 0), ("done", 1))
        if replies:
            held[0] = interrupted.claimed()

    assert interrupt_everywhere(lambda: interrupted.scout.reply(held[0], "yes"), check) > 10


def test_an_interrupted_transaction_in_another_is_undone_with_it(interrupted: InterruptedHub) -> None:
    def check() -> None:
        assert interrupted.is_free()
        stored = [row[0] for row in interrupted.lead.query("SELECT message_id FROM messages")]
        assert {f"first{name[6:]}" for name in stored if name.startswith("second")} == {
            name for name in stored if name.startswith("first")
        }

    assert interrupt_everywhere(interrupted.together, check) > 10


def test_an_interrupted_verb_takes_no_earlier_one_of_its_transaction_along(interrupted: InterruptedHub) -> None:
    lead, number, goes_on = interrupted.lead, 0, True
    while goes_on:
        number += 1
        assert number < 10_000, "each send fails"
        is_stored = False
        with suppress(StoreError):
            with lead.transaction():
                lead.send("scout", "first", message_id=f"first{number}")
                goes_on = Interruption(number).run(functools.partial(lead.send, "scout", "second"))
            is_stored = True
        assert lead.query("SELECT count(*) FROM messages WHERE message_id = ?", (f"first{number}",))[0][0] == is_stored
    assert is_stored
    assert number > 10


def test_an_interrupted_look_leaves_the_connection_to_others(interrupted: InterruptedHub) -> None:
    def check() -> None:
        assert interrupted.is_free()

    assert interrupt_everywhere(interrupted.claim, check) > 10


def test_a_cursor_that_an_interrupt_has_left_open_does_not_hold_up_later_writes(interrupted: InterruptedHub) -> None:
    for _ in range(3):
        interrupted.send()
    left = []

    def read_in_part() -> None:
        with interrupted.scout._session.write() as db:
            left.append(db.execute("SELECT * FROM messages"))
            next(iter(left[0]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_in_part()
    interrupted.send()

    assert len(interrupted.scout.claim(10)) == 4


def test_alarms_at_random_moments_never_stop_a_team(team: Team, engine: str) -> None:
    # psycopg turns some alarms into errors of its own.
    caught = "Alarm" if engine == "sqlite" else "(Alarm, StoreError)"
    code = (
        "import random, signal, sys; from pathlib import Path; from teamsup.hub import MessageHub, StoreError, Team\n"
        "class Alarm(Exception): pass\n"
        "def ring(*_): raise Alarm\n"
        "signal.signal(signal.SIGALRM, ring)\n"
        "hub = MessageHub(Team('crew', Path(sys.argv[1])), agent='lead', durability='normal'); hub.register()\n"
        "kept = []\n"
        "for number in range(300):\n"
        "    try:\n"
        "        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.0006))\n"
        "        hub.send('lead', 'hi')\n"
        "        for delivery in hub.claim(): hub.acknowledge(delivery)\n"
        "        signal.setitimer(signal.ITIMER_REAL, 0)\n"
        f"    except {caught} as error: kept.append(error)\n"
        "hub.maintenance.release_abandoned(); hub.send('lead', 'the end')\n"
        "print(len(kept), len(hub.claim(1000)), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(team.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        interrupted, claimed = map(int, program.stdout.readline().split())
        assert interrupted > 10
        assert claimed >= 1
        with MessageHub(team, agent="scout") as scout:
            scout.register()
            assert scout.maintenance.check_integrity() == []
        program.send_signal(signal.SIGTERM)
