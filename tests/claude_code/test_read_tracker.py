"""What a session has read: what ends it, and what gives it back. The session's end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from helpers.mcp_session import open_session
from helpers.support import OpenCommand, TeamsupCommand, count_listeners, eventually, run_foreign_sql
from teamsup.claude_code import participants
from teamsup.claude_code.read_tracker import RENEW_SECONDS, ReadTracker
from teamsup.hub import MessageHub, StaleLease, Team
from teamsup.hub.message_hub import LEASE_SECONDS
from teamsup.hub.models import MAX_ATTEMPTS

Join = Callable[..., MessageHub]


def status_of(hub: MessageHub, name: str) -> str:
    agent = hub.find_agent(name)
    return "" if agent is None else agent.status


async def test_the_next_read_ends_what_the_last_one_returned(team: Team, join: Join) -> None:
    scout = join("scout")

    async with open_session(team) as lead:
        message = scout.send("lead", "one")
        await lead.call("team_read_messages")
        assert scout.queries.trace(message.message_id)[0].state == "leased"
        assert await lead.call("team_read_messages") == "No messages."
        assert scout.queries.trace(message.message_id)[0].state == "done"


async def test_a_reply_ends_the_one_message_it_answers(team: Team, join: Join) -> None:
    scout = join("scout")

    async with open_session(team) as lead:
        one, two = scout.send("lead", "one"), scout.send("lead", "two")
        await lead.call("team_read_messages")
        await lead.call("team_send_message", content="done", reply_to="#1")
        assert [scout.queries.trace(message.message_id)[0].state for message in (one, two)] == ["done", "leased"]
    (answer,) = scout.claim()
    assert (answer.message.content, answer.message.reply_to) == ("done", scout.queries.message("#1").message_id)


async def test_open_messages_of_a_session_that_ends_are_unread_again_and_the_agent_is_offline(
    team: Team, join: Join
) -> None:
    scout = join("scout")

    async with open_session(team) as lead:
        scout.send("lead", "one")
        await lead.call("team_read_messages")
    (state,) = scout.queries.trace("#1")
    assert (state.state, state.read_at) == ("ready", None)
    assert {agent.name: agent.status for agent in scout.agents()}["lead"] == "offline"


async def test_only_a_session_without_hooks_is_told_that_its_messages_come_back(team: Team, join: Join) -> None:
    scout = join("scout")

    async with open_session(team) as lead:
        scout.send("lead", "one")
        assert (await lead.call("team_read_messages")).endswith("Otherwise they come back.")
        lead.hook("UserPromptSubmit")
        scout.send("lead", "two")
        assert "come back" not in await lead.call("team_read_messages")


async def test_a_message_that_five_sessions_have_read_and_not_ended_is_given_up(join: Join) -> None:
    scout, lead = join("scout"), join("lead")
    scout.send("lead", "one")

    for _ in range(MAX_ATTEMPTS):
        session = participants.Participants(lead).main
        await read_and_leave(session)

    (state,) = scout.queries.trace("#1")
    assert (state.state, state.attempts) == ("dead", MAX_ATTEMPTS)
    (told,) = scout.claim()
    sentence = "was given up after 5 attempts: its session ended before it answered or read on"
    assert sentence in told.message.content


async def test_the_ends_of_runs_do_not_count(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    scout, lead = join("scout"), join("lead")
    scout.send("lead", "one")
    monkeypatch.setenv("TEAMSUP_RUN", "/teams/default:7#boot")

    await read_and_leave(participants.Participants(lead).main)

    (state,) = scout.queries.trace("#1")
    assert (state.state, state.attempts) == ("ready", 0)


async def read_and_leave(session: participants.Participant) -> None:
    async with session.use_read_tracker() as reader:
        reader.track(reader.read(1))
    await session.leave(is_last=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_the_server_and_gives_back_what_is_open(
    team: Team, join: Join, number: signal.Signals
) -> None:
    scout = join("scout")

    async with open_session(team) as lead:
        scout.send("lead", "one")
        await lead.call("team_read_messages")
        pid = next(agent for agent in scout.agents() if agent.name == "lead").metadata["pid"]
        os.kill(pid, number)
        await asyncio.to_thread(eventually, lambda: not psutil.pid_exists(pid), "the server has ended")
    assert scout.queries.trace("#1")[0].state == "ready"
    assert {agent.name: agent.status for agent in scout.agents()}["lead"] == "offline"


async def test_a_cancelled_read_leaves_the_message_unread(team: Team, join: Join) -> None:
    scout = join("scout")

    async with open_session(team) as lead:
        reading = asyncio.create_task(lead.call("team_read_messages", wait_seconds=60))
        await asyncio.to_thread(eventually, lambda: count_listeners(team, "lead"), "the read waits")
        reading.cancel()
        await asyncio.to_thread(eventually, lambda: not count_listeners(team, "lead"), "the read has ended")
        message = scout.send("lead", "still there?")
        assert scout.queries.trace(message.message_id)[0].read_at is None
        assert "still there?" in await lead.call("team_read_messages")


async def test_two_reads_side_by_side_do_not_end_what_the_other_returns(team: Team, join: Join) -> None:
    scout = join("scout")

    async with open_session(team) as lead:
        reads = [asyncio.create_task(lead.call("team_read_messages", wait_seconds=30, limit=1)) for _ in range(2)]
        await asyncio.to_thread(eventually, lambda: count_listeners(team, "lead") == 2, "both reads wait")
        scout.send("lead", "0")
        await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
        # What one has taken sends nobody else away.
        await asyncio.to_thread(eventually, lambda: count_listeners(team, "lead") == 1, "the other waits on")
        scout.send("lead", "1")
        assert sorted(read.splitlines()[1] for read in await asyncio.gather(*reads)) == ["0", "1"]
        assert [scout.queries.trace(f"#{number}")[0].state for number in (1, 2)] == ["leased", "leased"]
        await lead.call("team_read_messages")
        assert [scout.queries.trace(f"#{number}")[0].state for number in (1, 2)] == ["done", "done"]


def test_the_server_ends_with_its_parent_though_somebody_else_keeps_its_stdin_open(team: Team, join: Join) -> None:
    scout = join("scout")
    ours, theirs = os.pipe()
    starter = "import subprocess, sys; subprocess.Popen(sys.argv[1:]).wait()"
    server = TeamsupCommand.line("mcp", "--team", team.name, "--agent", "lead")
    with OpenCommand(
        [sys.executable, "-c", starter, *server],
        stdin=ours,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TEAMSUP_HOME": str(team.folder.parent)},
    ) as parent:
        present = eventually(lambda: [agent for agent in scout.agents() if agent.name == "lead"], "it is up")
        pid = int(present[0].metadata["pid"])
        parent.kill()
    eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, "its end")
    assert {agent.name: agent.status for agent in scout.agents()}["lead"] == "offline"
    os.close(ours)
    os.close(theirs)


async def test_a_claim_that_is_under_way_when_the_server_ends_is_given_back(team: Team, join: Join) -> None:
    scout = join("scout")

    async with open_session(team) as lead:
        pid = next(agent for agent in scout.agents() if agent.name == "lead").metadata["pid"]
        scout.send("lead", "one")
        with scout.transaction():
            scout.enroll("nobody")
            reading = asyncio.create_task(lead.call("team_read_messages"))
            await lead.call("team_get_status")
            os.kill(pid, signal.SIGTERM)
        await asyncio.to_thread(eventually, lambda: not psutil.pid_exists(pid), "the server has ended")
        reading.cancel()
    assert (scout.queries.trace("#1")[0].state, scout.queries.trace("#1")[0].read_at) == ("ready", None)


async def test_a_live_session_keeps_its_leases_and_its_presence(
    team: Team, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    scout = join("scout")
    monkeypatch.setattr(participants, "_RENEW_INTERVAL_SECONDS", 0.01)
    hub = join("lead")
    scout.send("lead", "one")
    everybody = participants.Participants(hub)

    def lease() -> object:
        return run_foreign_sql(team, "SELECT lease_expires_at FROM deliveries")[0][0]

    async with everybody.main.use_read_tracker() as reader:
        reader.track(reader.read(1))
    hub.maintenance.mark_offline("lead")
    before = lease()
    staying = asyncio.create_task(everybody.renewal_loop())
    await asyncio.to_thread(eventually, lambda: lease() != before, "the lease is prolonged")
    await asyncio.to_thread(eventually, lambda: status_of(scout, "lead") == "online", "a heartbeat")
    staying.cancel()


async def test_a_run_does_not_speak_for_a_live_session_of_its_agent(
    team: Team, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    scout = join("scout")
    session, started = join("lead"), MessageHub(team, agent="lead")
    session.register(pid=4711)
    monkeypatch.setenv("TEAMSUP_RUN", "/teams/default:7#boot")
    run = participants.Participants(started).main

    def metadata() -> object:
        return [dict(agent.metadata) for agent in scout.agents() if agent.name == "lead"]

    await asyncio.to_thread(run.join)
    await run.send_heartbeat()
    assert metadata() == [{"pid": 4711}]

    scout.maintenance.mark_offline("lead")
    await run.send_heartbeat()
    assert metadata() == [{"run": 7}]
    started.close()


async def test_a_subagent_without_a_sign_for_long_is_gone(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(participants, "_RENEW_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(participants, "_SUBAGENT_TIMEOUT_SECONDS", 0.0)
    user, hub = join("user"), join("lead")
    join("scout")
    user.send("scout", "one")
    everybody = participants.Participants(hub)

    scout = await everybody.find_subagent("a1", "scout")
    async with scout.use_read_tracker() as reader:
        reader.track(reader.read(1))
    staying = asyncio.create_task(everybody.renewal_loop())
    await asyncio.to_thread(eventually, lambda: user.queries.trace("#1")[0].state == "ready", "it is given back")
    await asyncio.to_thread(eventually, lambda: status_of(user, "scout") == "offline", "it is offline")
    staying.cancel()


async def test_a_session_that_dies_gives_back_what_it_has_read_when_its_lease_ends(team: Team, join: Join) -> None:
    scout = join("scout")

    with pytest.raises(BaseExceptionGroup):  # noqa: PT012 - the client only notices at its end
        async with open_session(team) as lead:
            scout.send("lead", "one")
            await lead.call("team_read_messages")
            pid = next(agent for agent in scout.agents() if agent.name == "lead").metadata["pid"]
            os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(eventually, lambda: not psutil.pid_exists(pid), "the server has died")
            raise RuntimeError("so does the session")
    assert scout.queries.trace("#1")[0].state == "leased"
    with MessageHub(team, agent="lead", clock=lambda: time.time() + LEASE_SECONDS + 1) as tomorrow:
        assert tomorrow.claim() == []  # it comes back after a pause
    (state,) = scout.queries.trace("#1")
    assert (state.state, state.read_at) == ("ready", None)


def test_work_that_takes_longer_than_a_lease_keeps_it_while_the_session_lives(team: Team) -> None:
    now = [1_000_000_000.0]
    with (
        MessageHub(team, agent="lead", clock=lambda: now[0]) as hub,
        MessageHub(team, agent="lead", clock=lambda: now[0]) as other,
    ):
        hub.register()
        hub.send("lead", "a long task")
        working = ReadTracker(hub)
        working.track(working.read(1))
        for _ in range(10):
            now[0] += RENEW_SECONDS
            working.renew_leases()
            assert other.claim() == []
        working.complete_last_read()
        assert hub.queries.trace("#1")[0].state == "done"


ENDS: dict[str, Callable[[ReadTracker], object]] = {
    "an answer": lambda reader: reader.reply("#1", "done"),
    "the next read": lambda reader: reader.complete_last_read(),
    "the end of the turn": lambda reader: reader.complete_delivered(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_after_a_pause_of_the_machine_a_reader_ends_what_nobody_else_has_claimed(
    team: Team, end: Callable[[ReadTracker], object]
) -> None:
    now = [1_000_000_000.0]
    with (
        MessageHub(team, agent="scout", clock=lambda: now[0]) as scout,
        MessageHub(team, agent="lead", clock=lambda: now[0]) as hub,
        MessageHub(team, agent="lead", clock=lambda: now[0]) as other,
    ):
        scout.register()
        hub.register()
        scout.send("lead", "a long task")
        reader = ReadTracker(hub)
        reader.track(reader.read(1))
        reader.mark_delivered_to_model()
        now[0] += 10 * LEASE_SECONDS
        assert other.claim() == []  # the lease has ended, and the message waits before it comes back
        end(reader)
        assert scout.queries.trace("#1")[0].state == "done"


def test_after_a_pause_of_the_machine_another_reader_keeps_what_it_has_claimed(team: Team) -> None:
    now = [1_000_000_000.0]
    with (
        MessageHub(team, agent="scout", clock=lambda: now[0]) as scout,
        MessageHub(team, agent="lead", clock=lambda: now[0]) as hub,
        MessageHub(team, agent="lead", clock=lambda: now[0]) as other,
    ):
        scout.register()
        hub.register()
        scout.send("lead", "a long task")
        reader = ReadTracker(hub)
        reader.track(reader.read(1))
        for _ in range(2):
            now[0] += 10 * LEASE_SECONDS
            claimed = other.claim()
        assert len(claimed) == 1
        with pytest.raises(StaleLease):
            reader.reply("#1", "done")
        reader.complete_last_read()
        assert scout.queries.trace("#1")[0].state == "leased"


async def test_a_reply_to_a_withdrawn_message_is_refused_once_and_may_be_repeated(team: Team, join: Join) -> None:
    scout = join("scout")

    async with open_session(team) as lead:
        message = scout.send("lead", "do it")
        await lead.call("team_read_messages")
        scout.cancel(message.message_id, even_if_read=True)
        assert "withdrawn" in await lead.refused("team_send_message", content="done", reply_to="#1")
        assert (await lead.call("team_send_message", content="done", reply_to="#1")).startswith("Stored as #2")
    assert len(scout.claim()) == 1


async def test_a_read_that_is_cancelled_while_it_claims_gives_back_what_it_claimed(team: Team, join: Join) -> None:
    scout = join("scout")

    async with open_session(team) as lead:
        with scout.transaction():
            scout.send("lead", "still there?")
            # Its claim cannot be stored before this transaction ends, and by then the call is cancelled.
            reading = asyncio.create_task(lead.call("team_read_messages"))
            await lead.call("team_get_status")
            reading.cancel()
            await lead.call("team_get_status")
        await asyncio.to_thread(eventually, lambda: scout.queries.trace("#1")[0].state == "ready", "it was given back")
        assert scout.queries.trace("#1")[0].read_at is None
        assert "still there?" in await lead.call("team_read_messages")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_hub_that_somebody_holds_does_not_keep_a_server_from_ending(
    team: Team, join: Join, number: signal.Signals
) -> None:
    scout = join("scout")

    async with open_session(team) as lead:
        assert await lead.call("team_read_messages") == "No messages."
        pid = next(agent for agent in scout.agents() if agent.name == "lead").metadata["pid"]
        with scout.transaction():
            scout.send("lead", "held")
            os.kill(pid, number)
            await asyncio.to_thread(eventually, lambda: not psutil.pid_exists(pid), "the server has ended")
