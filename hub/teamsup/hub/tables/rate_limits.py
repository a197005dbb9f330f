"""Limit the messages of a model, because it does not notice that it repeats itself, and each message costs its reader a
turn.

All processes share two limits: a rate for each sender, and turns for each pair of agents. The limit of turns also ends
an exchange without reply_to. A message of a person or daemon to either agent of a pair starts
its count again.
"""

import math

from ..engines.engine import Transaction
from ..errors import RateLimited, ReplyLoop
from ..models import HUB_SENDER
from .clock_step import TOLERANCE_SECONDS

SENDS_PER_MINUTE = 60
"""The maximum number of messages of one sender in a minute, in a burst or spread."""

MAX_TURNS = 24
"""The number of turns between two agents until another agent must write to one of them."""

EXCHANGE_TIMEOUT_SECONDS = 600.0
"""Seconds without a message after which an exchange is over."""

_SECONDS_PER_SEND = 60.0 / SENDS_PER_MINUTE
_SELECT_PERSON_BETWEEN = """
    SELECT 1 FROM deliveries AS d JOIN messages AS m ON m.id = d.message
      JOIN agent_status AS a ON lower(a.agent_name) = lower(m.sender)
    WHERE d.message > ? AND d.recipient IN (?, ?) AND a.kind <> 'agent' AND m.sender <> ? LIMIT 1
"""
_SAVE_EXCHANGE = """
    INSERT INTO exchanges (pair, speaker, turns, last_at, since) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (pair) DO UPDATE
      SET speaker = excluded.speaker, turns = excluded.turns, last_at = excluded.last_at, since = excluded.since
"""
_SAVE_RATE = """
    INSERT INTO send_rates (sender, full_until) VALUES (?, ?)
    ON CONFLICT (sender) DO UPDATE SET full_until = excluded.full_until
"""


def count_sent_message(db: Transaction, sender: str, now: float) -> None:
    """Raise RateLimited if the sender has sent too many messages."""
    row = db.execute("SELECT full_until FROM send_rates WHERE sender = ?", (sender,)).fetchone()
    # A time more than a minute ahead was written before the clock went back.
    full_until = now if row is None or row[0] > now + 60.0 else max(row[0], now)
    wait = full_until + _SECONDS_PER_SEND - now - 60.0
    if wait > 0:
        raise RateLimited(
            f"{sender} has sent {SENDS_PER_MINUTE} messages within a minute. "
            f"It can send the next in {math.ceil(wait)} s."
        )
    db.execute(_SAVE_RATE, (sender, full_until + _SECONDS_PER_SEND))


def count_exchange_turn(db: Transaction, sender: str, recipient: str, now: float) -> None:
    """Raise ReplyLoop if two agents have taken turns too often without a person or daemon in between."""
    pair = " ".join(sorted((sender, recipient)))
    row = db.execute("SELECT speaker, turns, last_at, since FROM exchanges WHERE pair = ?", (pair,)).fetchone()
    # A time ahead of now was written before the clock went back.
    if row is None or not -TOLERANCE_SECONDS <= now - row["last_at"] <= EXCHANGE_TIMEOUT_SECONDS:
        _begin_exchange(db, pair, sender, now)
        return
    turns = row["turns"] + (row["speaker"] != sender)
    if turns <= MAX_TURNS:
        db.execute(_SAVE_EXCHANGE, (pair, sender, turns, now, row["since"]))
        return
    if not db.execute(_SELECT_PERSON_BETWEEN, (row["since"], sender, recipient, HUB_SENDER)).fetchone():
        wait = math.ceil((row["last_at"] + EXCHANGE_TIMEOUT_SECONDS - now) / 60)
        raise ReplyLoop(
            f"{sender} and {recipient} have taken {MAX_TURNS} turns without a person in between. "
            f"Ask a person, or continue in {wait} minutes."
        )
    _begin_exchange(db, pair, sender, now)


def _begin_exchange(db: Transaction, pair: str, sender: str, now: float) -> None:
    (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()
    db.execute(_SAVE_EXCHANGE, (pair, sender, 0, now, newest))
