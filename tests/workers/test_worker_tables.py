"""The tables of each worker, on each engine."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.incident_harness import FIRING, IncidentHarness, resolved
from teamsup.hub import MessageHub
from teamsup.hub.timestamps import format_time
from teamsup.workers.agent_runner.run import Cause
from teamsup.workers.agent_runner.run_table import AgentPause, RunTable
from teamsup.workers.gateway.tables import channel_table, state
from teamsup.workers.gateway.tables.chunk_table import ChunkTable, NewChunk, find_message_number
from teamsup.workers.monitor_bridge.incidents import group_table, incident_table
from teamsup.workers.monitor_bridge.incidents.routes import EscalationChain
from teamsup.workers.monitor_bridge.ingest import rejected
from teamsup.workers.monitor_bridge.mutes import mute_table
from teamsup.workers.monitor_bridge.mutes.matcher import parse_matcher
from teamsup.workers.monitor_bridge.mutes.mute import MuteRequest
from teamsup.workers.user_comm.conversations import Conversations
from teamsup.workers.user_comm.requests.relays import Relays

pytestmark = pytest.mark.both_engines

Join = Callable[..., MessageHub]
ROOT = Path(__file__).parents[2]
BIG = 2**53  # Discord's ids need more than 32 bits


def test_runs_are_counted_paused_and_found_by_their_cause(join: Join) -> None:
    table = RunTable(join("agent-runner"))
    cause = Cause("message", "m1", message_number=1, conversation="c")
    run = table.insert("gcp", cause, 100.0)
    assert table.insert("gcp", cause, 101.0) == run
    assert table.find("gcp", cause) == table.last_of_conversation("gcp", "c") == run
    started = table.record_start(run, "mark", 102.0, "command")
    assert started is not None
    assert (started.state, started.starts, started.is_decided) == ("running", 1, False)
    assert table.record_start(run, "mark", 103.0) is None
    table.update(started, state="done", ended_at=104.0, usd=0.5, tools=("Bash", "Read"))
    assert table.get(run.id) == table.latest("gcp", state="done")[0] == table.latest(before=run.id + 1)[0]
    assert table.latest()[0].tools == ("Bash", "Read")
    assert (table.usage(105.0).starts, table.usage(105.0, "gcp").usd) == (1, 0.5)
    assert table.count_since("gcp", 99.0) == (1, 0.5)

    fault, of_person = (AgentPause("agent", "gcp", why, 1.0, is_incident=why == "fault") for why in ("fault", "me"))
    assert [table.pause(fault), table.pause(of_person), table.pause(fault)] == [True, False, False]
    assert table.pauses(200.0) == [of_person]
    table.record_ticks("gcp", "hourly", 7.5)
    assert table.ticks_done() == {"gcp": ("hourly", 7.5)}
    assert table.prune(200.0, 200.0) == 1
    assert table.numbers() == set()


def test_a_mute_ends_at_its_time_or_before(join: Join) -> None:
    bridge = join("monitor-bridge")
    request = MuteRequest(matchers=(parse_matcher("job=Sicherung für Ann"),), incidents=(1, 2), seconds=60.0)
    short = mute_table.insert_mute(bridge, request, "critical", "ann", str(BIG), 1000.0)
    long = mute_table.insert_mute(bridge, replace(request, seconds=600.0), "", "ben", "", 1000.0)
    assert (short.matchers, short.incidents, short.ends_at) == (request.matchers, (1, 2), 1060.0)
    assert mute_table.unended_mutes(bridge, 1000.0) == [short, long]
    assert mute_table.unended_mutes(bridge, 1061.0) == [long]
    mute_table.end_mute(bridge, int(long.key), 1070.0)
    assert mute_table.unended_mutes(bridge, 1071.0) == []
    mute_table.prune(bridge, 1065.0)
    assert [mute.key for mute in mute_table.unended_mutes(bridge, 0.0)] == [long.key]


def test_a_channel_moves_on_only_and_keeps_its_person(join: Join) -> None:
    gateway = join("gateway")
    for seen, person in ((BIG + 5, 7), (BIG + 3, None)):
        channel_table.advance(gateway, BIG, seen, person)
    channel_table.advance(gateway, 1, 2)
    first, second = channel_table.read_cursors(gateway).values()
    assert (first.channel, first.last_seen, first.person, second.channel) == (BIG, BIG + 5, 7, 1)
    assert (channel_table.person_of(gateway, BIG), channel_table.person_of(gateway, 9)) == (7, None)
    assert channel_table.first_run(gateway, 1e9) == channel_table.first_run(gateway, 2e9)
    state.set_state(gateway, "beginning", "8")
    assert state.get_state(gateway, "beginning") == state.set_state_once(gateway, "beginning", "9") == "8"


def test_chunks_are_replaced_from_a_number_on_and_found_by_their_id(join: Join) -> None:
    gateway = join("gateway")
    message = join("lead").send("gateway", "long")
    table = ChunkTable(gateway)
    table.insert(message.id, [NewChunk("a"), NewChunk("b"), NewChunk("c")])
    table.insert(message.id, [NewChunk("B", ("", "file"))], 1)
    first, second = table.chunks_of(message.id)
    assert (first.content, second.content, second.files) == ("a", "B", ("", "file"))
    began = time.time()
    table.mark_sent(table.mark_sending(first, 5), 5, BIG)
    assert table.known_snowflakes(5, began - 1) == {BIG}
    assert table.known_snowflakes(5, time.time() + 60) == set()
    assert (find_message_number(gateway, BIG), find_message_number(gateway, 1)) == (message.id, None)


def test_a_conversation_is_assigned_again_and_its_history_begins_anew(join: Join) -> None:
    user_comm, gateway = join("user_comm"), join("gateway")
    conversations = Conversations(user_comm)
    first = gateway.send("user_comm", "one", conversation_id="c")
    for agents in (["gcp"], ["gcp", "db"]):
        conversations.assign(first, agents)
    assert conversations.assigned_agents("c") == ("gcp", "db")
    conversations.reset("c", first)
    second = gateway.send("user_comm", "two", conversation_id="c")
    assert conversations.assigned_agents("c") == ()
    assert [each.id for each in conversations.messages_before("c", second.id + 1, 9)] == [second.id]


def test_open_relays_are_counted_reminded_and_closed(join: Join) -> None:
    user_comm, console, gcp = join("user_comm"), join("console-ann"), join("gcp")
    relays = Relays(user_comm)
    question = console.send("user_comm", "How?", conversation_id="c")
    agent = user_comm.find_agent("gcp")
    assert agent is not None
    relay = relays.send(agent, "How?", question)
    (waiting,) = relays.open_relays()
    assert (waiting.number, waiting.question, waiting.is_reminded) == (relay.id, question.id, False)
    assert relays.count_by_agent() == [("gcp", 1)]
    assert (relays.count_questions_of("console-ann"), relays.count_questions_in("c")) == (1, 1)
    assert relays.last_question("console-ann", "c") == question
    assert relays.last_question("console-ann", None) is None
    relays.set_last_progress(relay.id, "half")
    relays.restart_waiting(relay.message_id, time.time() + 3600)
    relays.end_future_waiting(time.time())
    relays.send_reminder(relay, question)
    (waiting,) = relays.open_relays()
    assert (waiting.last_progress, waiting.is_reminded) == ("half", True)
    assert [each.message for each in gcp.claim(9)] == [relay]
    withdrawn = relays.withdraw(question.message_id, "c", "stop")
    assert (withdrawn.relays[0], withdrawn.agents) == (relay.message_id, ("gcp",))
    assert relays.open_relays() == []


def test_a_rejected_payload_is_counted_and_old_ones_go(join: Join) -> None:
    hub = join("monitor-bridge")
    for payload in ("{", "[", "{"):
        rejected.insert_rejected(hub, "web", [rejected.NewRejectedPayload("no JSON", payload.encode())])
    newest, oldest = rejected.list_rejected(hub)
    assert [(each.payload, each.times) for each in sorted((newest, oldest), key=lambda each: each.times)] == [
        ("[", 1),
        ("{", 2),
    ]
    assert rejected.get_rejected(hub, newest.id) == newest
    many = [rejected.NewRejectedPayload("no JSON", bytes([number])) for number in range(rejected.MAX_PER_SOURCE)]
    rejected.insert_rejected(hub, "web", many)
    assert len(rejected.list_rejected(hub)) == rejected.MAX_PER_SOURCE


def test_a_group_is_found_while_it_is_open_and_pruned_after_its_end(join: Join) -> None:
    hub = join("monitor-bridge")
    chain = EscalationChain(("gcp",), 60.0)
    group_table.create_group(hub, 1, "web", "disk", chain, 100.0, is_storm=False)
    assert group_table.find_open_group(hub, "web", "disk", is_storm=True) is None
    found = group_table.find_open_group(hub, "web", "disk")
    assert found == group_table.find_latest_group(hub, "web", "disk") == group_table.get_group(hub, 1)
    assert found is not None
    assert (found.agents, found.since, found.is_resolved) == (("gcp",), 100.0, False)
    assert group_table.count_groups_since(hub, "web", "disk", format_time(99.0), 5) == 1
    assert group_table.groups_before_storm(hub, "web", chain, format_time(99.0)) == [1]
    assert [group_table.count_message(hub, 1) for _ in range(2)] == [1, 2]
    join("gcp")
    sent = join("lead").send("gcp", "disk full")
    group_table.insert_message(hub, sent.id, 1, "gcp")
    assert group_table.messages_to(hub, 1, "gcp", 9) == [sent.id]
    assert (group_table.messages_of(hub, 1), group_table.group_of_message(hub, sent.id)) == ([(sent.id, "gcp")], 1)
    group_table.update_group(hub, 1, notify_at=150.0)
    assert group_table.active_groups(hub, ("agent",), "SELECT 1") == [1]
    group_table.update_group(hub, 1, ended_at=200.0, notify_at=None)
    group_table.prune(hub, 300.0, "SELECT 1 FROM incident_messages WHERE group_id = c.group_id AND recipient = ''")
    assert group_table.get_group(hub, 1) is None


def test_an_incident_is_found_while_it_is_open_and_counted_after_it(join: Join) -> None:
    harness = IncidentHarness(join)
    hub, began = harness.hub, format_time(time.time() - 60)
    harness.ingest(FIRING, replace(FIRING, fingerprint="other"))
    found = incident_table.open_incidents(hub)
    first = incident_table.latest_incident(hub, found[0].source, FIRING.fingerprint)
    assert first is not None
    assert first in found
    assert first == incident_table.get_incident(hub, first.id)
    assert incident_table.count_open(hub) == {"warning": 2}
    assert {each.id for each in incident_table.all_incidents(hub, 9)} == {each.id for each in found}
    assert first.group_id is not None
    assert first in incident_table.open_in_group(hub, first.group_id)
    assert incident_table.count_recurrences_since(hub, first.source, first.fingerprint, began, 5) == 1
    assert incident_table.count_opened_groups(hub, first.source, began, 5) >= 1
    harness.ingest(resolved(FIRING))
    assert len(incident_table.open_incidents(hub)) == 1


def test_every_module_with_sql_of_a_worker_is_tested_on_both_engines() -> None:
    workers = ROOT / "workers" / "teamsup" / "workers"
    texts = [path.read_text() for path in (ROOT / "tests" / "workers").rglob("test_*.py")]
    tested = "\n".join(text for text in texts if "mark.both_engines" in text)
    for path in workers.rglob("*.py"):
        if re.search(r"\bhub\.(execute|query)\(", path.read_text()):
            package, module = ".".join(path.relative_to(workers).parent.parts), path.stem
            imports = rf"workers\.{package}(\.{module} import|  *import.*\b{module}\b)"
            assert re.search(imports, tested), f"no test that is marked both_engines imports {package}.{module}"
