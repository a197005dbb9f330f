"""A verb answers every request, or refuses it with one short sentence of the hub's own."""

import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from teamsup.hub import CallerError, MessageHub, StoreError, Team, UnknownRecipient
from teamsup.hub.validation import MAX_LISTED_NAMES, MAX_QUOTED_CHARACTERS

Join = Callable[..., MessageHub]
LONGEST_REFUSAL = 1000


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def round_and_round() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["again"] = value
    return value


ODD = st.one_of(
    st.sampled_from([None, True, "", "\ud83d", "a\x00b", "lead", "#1", b"lead", 2**64, -(2**64), -1, 0, 10**400]),
    st.sampled_from(
        [math.nan, math.inf, -math.inf, 1e308, 1.5, {}, [], {"a": 1}, {"a": {1, 2}}, {1: 2}, object(), int]
    ),
    st.sampled_from([{"deep": nested(5000)}, round_and_round(), "x" * 300_000, "#" + "9" * 5000, {"half": "\ud83d"}]),
    st.text(max_size=5),
)
VERBS: dict[str, Callable[..., object]] = {
    "send": lambda hub, odd: hub.send(odd[0], odd[1], metadata=odd[2]),
    "send to somebody": lambda hub, odd: hub.send("lead", odd[0], message_type=odd[1], conversation_id=odd[2]),
    "send again": lambda hub, odd: hub.send("lead", "hi", message_id=odd[0], reply_to=odd[1], priority=odd[2]),
    "send for a while": lambda hub, odd: hub.send(
        "lead", "hi", expires_in=odd[0], metadata=odd[1], message_type=odd[2]
    ),
    "broadcast": lambda hub, odd: hub.broadcast(odd[0], message_type=odd[1], metadata=odd[2]),
    "answer": lambda hub, odd: hub.answer(odd[0], odd[1], metadata=odd[2]),
    "reply": lambda hub, odd: hub.reply(odd[0], odd[1], priority=odd[2]),
    "reply to something": lambda hub, odd: hub.reply(hub.claim()[0], odd[0], message_type=odd[1], metadata=odd[2]),
    "claim": lambda hub, odd: hub.claim(odd[0], lease=odd[1], read=odd[2]),
    "mark read": lambda hub, odd: hub.mark_read(odd[0]),
    "acknowledge": lambda hub, odd: hub.acknowledge(odd[0], outcome=odd[1]),
    "acknowledge something": lambda hub, odd: hub.acknowledge(hub.claim()[0], outcome=odd[0]),
    "end unread": lambda hub, odd: hub.complete_unclaimed(odd[0], outcome=odd[1]),
    "end unread something": lambda hub, odd: hub.complete_unclaimed(hub.queries.message("#1"), outcome=odd[0]),
    "extend": lambda hub, odd: hub.extend(hub.claim()[0], odd[0]),
    "release": lambda hub, odd: hub.release(hub.claim()[0], error=odd[0], delay=odd[1]),
    "cancel": lambda hub, odd: hub.cancel(odd[0], even_if_read=odd[1]),
    "wait": lambda hub, odd: hub.wait(odd[0] if not isinstance(odd[0], int | float | type(None)) else 0),
    "wait for a step": lambda hub, odd: hub.wait(0, step=odd[0]),
    "cancel something": lambda hub, odd: hub.cancel("#1", even_if_read=odd[0]),
    "listen": lambda hub, odd: list(islice(hub.listen(0, lease=odd[0]), 1)),
    "enroll": lambda hub, odd: hub.enroll(odd[0], odd[1]),
    "register": lambda hub, odd: hub.register(odd[0], odd[1], note=odd[2]),
    "register as agent": lambda hub, odd: hub.register("agent", odd[0], note=odd[1]),
    "heartbeat": lambda hub, odd: hub.heartbeat(odd[0], note=odd[1]),
    "mark offline": lambda hub, odd: hub.maintenance.mark_offline(odd[0], odd[1]),
    "retire": lambda hub, odd: hub.maintenance.retire(odd[0]),
    "agent named": lambda hub, odd: hub.find_agent(odd[0]),
    "message": lambda hub, odd: hub.queries.message(odd[0]),
    "trace": lambda hub, odd: hub.queries.trace(odd[0]),
    "messages": lambda hub, odd: hub.queries.messages(odd),
    "trace each": lambda hub, odd: hub.queries.trace_each(odd),
    "find": lambda hub, odd: hub.queries.find(reply_to=odd[0], sender=odd[1], after=odd[2]),
    "labels": lambda hub, odd: hub.queries.labels(odd),
    "versions": lambda hub, odd: hub.queries.versions(odd[0], sender=odd[2]),
    "version labels": lambda hub, odd: hub.queries.version_labels([odd[0]], sender=odd[1]),
    "reply labels": lambda hub, odd: hub.queries.reply_labels([odd[0]], recipient=odd[1], without_types=[odd[2]]),
    "stored after": lambda hub, odd: hub.queries.stored_after(odd[0], senders=[odd[1]], conversation_prefix=odd[2]),
    "earlier": lambda hub, odd: hub.queries.earlier_deliveries(odd[0], message_type=odd[1], limit=odd[2]),
    "earlier than something": lambda hub, odd: hub.queries.earlier_deliveries(
        hub.queries.message("#1"), message_type=odd[0], limit=odd[1]
    ),
    "open before": lambda hub, odd: hub.queries.has_open_before(odd[0]),
    "history": lambda hub, odd: hub.queries.history(odd[0], limit=odd[1], before=odd[2]),
    "conversation": lambda hub, odd: hub.queries.conversation(odd[0], limit=odd[1]),
    "search": lambda hub, odd: hub.queries.search(odd[0], limit=odd[1]),
    "dead letters": lambda hub, odd: hub.queries.dead_letters(limit=odd[0]),
    "retry": lambda hub, odd: hub.maintenance.retry(odd[0], odd[1]),
    "retry something": lambda hub, odd: hub.maintenance.retry("#1", odd[0]),
    "prune": lambda hub, odd: hub.maintenance.prune(older_than=odd[0], keep=odd[1]),
    "known of": lambda hub, odd: hub.maintenance.count_messages_of(odd[0]),
    "forget": lambda hub, odd: hub.maintenance.forget(odd[0]),
    "backup": lambda hub, odd: hub.maintenance.backup(odd[0]),
    "waiting": lambda hub, odd: hub.queries.peek(odd[0]),
    "announce": lambda hub, odd: hub.wake_ladder.take_wake_step(odd[0]),
    "still unread": lambda hub, odd: hub.wake_ladder.overdue_unread(odd[0], odd[1]),
    "mark told": lambda hub, odd: hub.wake_ladder.mark_sender_notified(odd[0]),
    "rows": lambda hub, odd: hub.query("SELECT ?", (odd[0],)),
    "change": lambda hub, odd: hub.execute("UPDATE messages SET metadata = ? WHERE 0", (odd[0],)),
    "read by SQL": lambda hub, odd: hub.query(odd[0] or None),
    "change by SQL": lambda hub, odd: hub.execute(odd[0] or None),
    "open": lambda hub, odd: MessageHub(hub.team, agent=odd[0]).close(),
    "team": lambda _, odd: Team.named(odd[0]),
    "team in a folder": lambda _, odd: Team.named("crew", odd[0]),
}


@pytest.fixture(scope="module")
def lead() -> Iterator[MessageHub]:
    folder = Path(tempfile.mkdtemp())
    with MessageHub(Team("crew", folder / "crew"), agent="lead", durability="normal") as hub:
        hub.register()
        yield hub
    shutil.rmtree(folder)


@given(st.sampled_from(sorted(VERBS)), st.tuples(ODD, ODD, ODD))
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_verb_answers_or_refuses_with_any_arguments(lead: MessageHub, verb: str, odd: tuple[Any, Any, Any]) -> None:
    lead.register()
    lead.send("lead", "something to work with")

    refusal = "answered"
    try:
        VERBS[verb](lead, odd)
    except (CallerError, StoreError) as error:
        refusal = str(error)
    assert 0 < len(refusal.encode()) < LONGEST_REFUSAL
    lead.register("agent")
    assert lead.send("lead", "goes on").id


def test_a_refusal_quotes_little_and_lists_few(join: Join) -> None:
    lead = join("lead")
    for number in range(MAX_LISTED_NAMES + 31):
        lead.enroll(f"agent-{number:03}")

    with pytest.raises(UnknownRecipient) as refused:
        lead.send("zzz", "hello")
    assert str(refused.value).endswith("agent-019, …and 32 more.")
    with pytest.raises(CallerError) as quoted:
        lead.send("n" * 5000, "hello")
    assert len(str(quoted.value)) < MAX_QUOTED_CHARACTERS + 200


WITHOUT_DESCRIPTORS = """
import os, resource, sys
from pathlib import Path
from teamsup.hub import MessageHub, Team, TeamsupError

team = Team("crew", Path(sys.argv[1]))
hub = MessageHub(team, agent="lead")
hub.register()
hub.send("lead", "hi")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
verbs = {
    "open": lambda: MessageHub(team, agent="scout"), "send": lambda: hub.send("lead", "x"),
    "nobody": lambda: hub.send("ld", "x"), "wait": lambda: hub.wait(0.01), "claim": hub.claim,
    "listen": lambda: next(hub.listen(0.01)), "watch": hub.start_watcher, "search": lambda: hub.queries.search("hi"),
    "backup": lambda: hub.maintenance.backup(Path(sys.argv[1]) / "copy"), "stats": hub.queries.stats,
    "prune": lambda: hub.maintenance.prune(keep=1), "agents": hub.agents, "heartbeat": hub.heartbeat,
}
for name, verb in verbs.items():
    try:
        verb()
    except Exception as error:
        print(name, isinstance(error, TeamsupError), repr(error)[:200])
for file in taken:
    os.close(file)
print(hub.send("lead", "again").content, len(hub.claim(10)) > 0, hub.maintenance.check_integrity())
hub.close()
"""


def test_without_a_descriptor_left_the_store_says_so_and_goes_on_later(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DESCRIPTORS, str(tmp_path / "crew")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
    *refused, last = done.stdout.splitlines()
    assert last == "again True []"
    assert all(line.split()[1] == "True" for line in refused), done.stdout
