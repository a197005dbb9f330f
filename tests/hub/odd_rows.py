"""Rows that programs may have written which know nothing of the rules, and everything that is done with them."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st

from teamsup.claude_code.rendering import (
    render_agent,
    render_deliveries,
    render_message,
    render_notice,
    render_previews,
)
from teamsup.hub import Agent, CallerError, Message, MessageHub, ReplyLoop, Team
from teamsup.hub.models import WakeStep

NAMES = st.sampled_from(["lead", "scout", "LEAD", " lead", "cron", "gateway"])
TIMES = st.sampled_from(
    ["9999-12-31 23:59:59", "0001-01-01T00:00:00+14:00", "yesterday", "2026-11-30T12:00:00Z", 1e300, -1, 1_800_000_000]
)
IDS = st.sampled_from([None, 0, -1, -(2**63), 10**15, 10**18, 2**63 - 1, 1e18, "7", 3])
LABELS = st.sampled_from(["c1", "", "x" * 300, "two\nlines", "nul\x00", "\x1b[31m", "c" * 9000])
JSON = st.sampled_from(
    [
        "{oops",
        "[1]",
        "[" * 3000,
        '{"a": ' * 3000,
        '{"options": 3, "author_name": [], "note": {}}',
        '{"user": 1e999}',
        "{}",
    ]
)
ODD = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.binary(max_size=20),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")),
)
COLUMNS = {
    "messages": {
        "id": IDS,
        "message_id": LABELS,
        "sender": NAMES,
        "recipient": NAMES,
        "message_type": LABELS,
        "content": LABELS,
        "priority": LABELS,
        "metadata": JSON,
        "status": st.sampled_from(["pending", "processed", "processing", "?"]),
        "created_at": TIMES,
        "processed_at": TIMES,
        "expires_at": TIMES,
        "conversation_id": LABELS,
        "reply_to": LABELS,
        "hops": st.sampled_from(["many", -5, 2**62, 1.5]),
    },
    "agent_status": {
        "agent_name": NAMES | LABELS,
        "status": st.sampled_from(["online", "offline", "not configured", "degraded"]),
        "last_heartbeat": TIMES,
        "metadata": JSON,
        "kind": st.sampled_from(["agent", "daemon", "console", "?"]),
    },
}


@st.composite
def rows(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A table and a row for it: each column left out, plausible or of any storage class."""
    table = draw(st.sampled_from(["messages", "messages", "agent_status"]))
    values: dict[str, Any] = {"content": "x", "sender": "cron", "message_id": draw(st.uuids()).hex}
    if table == "agent_status":
        values = {}
    for column in draw(st.lists(st.sampled_from(sorted(COLUMNS[table])), min_size=1, unique=True)):
        values[column] = draw(COLUMNS[table][column] | ODD)
    return table, values


def insert(team: Team, table: str, values: dict[str, Any], otherwise: str = "ABORT") -> None:
    """Insert a row as a foreign program does; what SQLite refuses by itself is nothing to us."""
    sql = f"INSERT OR {otherwise} INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
    db = sqlite3.connect(team.database, isolation_level=None, timeout=10)
    with contextlib.closing(db), contextlib.suppress(sqlite3.IntegrityError):
        db.execute(sql, [*values.values()])


def call_every_verb(hub: MessageHub, folder: Path) -> None:
    """All that may be done with a team whose rows are odd. Only sentences may result from it."""
    for message in hub.queries.history(limit=500):
        _render_everything(message)
        for verb in _verbs_of(hub, message):
            with contextlib.suppress(CallerError):
                verb()
    for agent in hub.agents():
        _render_agent(agent)
    for act in _verbs(hub, folder):
        with contextlib.suppress(CallerError):
            act()
    for delivery in hub.claim(100):
        _render_everything(delivery.message)
        with contextlib.suppress(ReplyLoop):  # as many hops as a program liked to write
            hub.reply(delivery, "here is my answer")


def _verbs(hub: MessageHub, folder: Path) -> list[Callable[[], object]]:
    return [
        lambda: render_previews(hub.queries.peek(50), 50),
        lambda: render_notice(hub.wake_ladder.take_wake_step(WakeStep.ANNOUNCED), WakeStep.ANNOUNCED),
        lambda: hub.queries.search("x"),
        hub.queries.stats,
        hub.maintenance.check_integrity,
        hub.queries.undeliverable,
        hub.queries.dead_letters,
        lambda: hub.maintenance.apply_all_deadlines([]),
        lambda: hub.wake_ladder.overdue_unread(0),
        lambda: hub.wake_ladder.mark_sender_notified(*hub.wake_ladder.overdue_unread(0)),
        lambda: hub.queries.history("cron"),
        lambda: hub.queries.conversation("c1"),
        lambda: hub.maintenance.count_messages_of("cron"),
        lambda: hub.maintenance.forget("nobody"),
        lambda: hub.maintenance.prune(keep=100),
        lambda: hub.maintenance.backup(folder / "copy.db"),
        lambda: hub.broadcast("to all"),
        lambda: hub.heartbeat(),
        lambda: hub.maintenance.mark_offline("scout"),
    ]


def _verbs_of(hub: MessageHub, message: Message) -> list[Callable[[], object]]:
    return [
        lambda: hub.queries.message(f"#{message.id}"),
        lambda: hub.queries.message(message.message_id),
        lambda: render_deliveries(hub.queries.trace(f"#{message.id}")),
        lambda: hub.queries.versions(message.message_id),
        lambda: hub.queries.version_labels([message.message_id], sender=message.sender),
        lambda: hub.queries.reply_labels([message.message_id], only_last=True),
        lambda: hub.queries.stored_after(message.id - 1, senders=[message.sender], conversation_prefix="c"),
        lambda: hub.queries.earlier_deliveries(message, message_type=message.message_type, limit=9),
        lambda: hub.answer(message, "an answer"),
        lambda: hub.send("lead", "a reply", reply_to=message.message_id),
    ]


def _render_everything(message: Message) -> None:
    for text in (message.message_id, message.sender, message.content, message.message_type, message.priority):
        assert isinstance(text, str)
    for label in (message.recipient, message.conversation_id, message.reply_to, message.status):
        assert label is None or isinstance(label, str)
    assert isinstance(message.hops, int)
    assert isinstance(render_message(message, "f00d"), str)
    for moment in (message.created_at, message.expires_at):
        assert moment is None or moment.astimezone() is not None


def _render_agent(agent: Agent) -> None:
    for text in (agent.name, agent.kind, agent.status, agent.note, agent.degraded):
        assert isinstance(text, str)
    assert isinstance(render_agent(agent, "lead"), str)
