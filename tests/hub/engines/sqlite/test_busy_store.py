"""A store that another program holds: listeners wait for it, senders get an error."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator

import pytest

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, count_listeners, eventually
from teamsup.hub import Delivery, MessageHub, StoreBusy, Team
from teamsup.hub.engines.sqlite import store_errors

Join = Callable[..., MessageHub]


@pytest.fixture
def short_busy_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call gives up soon."""
    monkeypatch.setattr(store_errors, "BUSY_SECONDS", 0.05)


@contextlib.contextmanager
def held(team: Team) -> Iterator[None]:
    """Another program holds the store until the block ends."""
    with contextlib.closing(sqlite3.connect(team.database, isolation_level=None, timeout=10)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


def waits(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "Waiting for it." in record.getMessage()]


def answer(hub: MessageHub) -> None:
    """Answer one message as the example of docs/hub.md does."""
    for delivery in hub.listen():
        hub.reply(delivery, "thank you")
        return


async def answer_async(hub: MessageHub) -> None:
    async for delivery in hub.listen_async():
        hub.reply(delivery, "thank you")
        return


@pytest.mark.usefixtures("short_busy_timeout")
@pytest.mark.parametrize("loop", [answer, lambda hub: asyncio.run(answer_async(hub))], ids=["listen", "listen_async"])
def test_a_listener_waits_for_a_busy_store_and_says_so_once(
    team: Team, join: Join, caplog: pytest.LogCaptureFixture, loop: Callable[[MessageHub], None]
) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "hello")
    listener = threading.Thread(target=loop, args=(scout,))
    with held(team):
        listener.start()
        eventually(lambda: waits(caplog), "a listener that waits")
        with pytest.raises(StoreBusy, match=r"messages\.db is held by another program\.$"):
            lead.send("scout", "a person gets the error at once")
    listener.join(TIMEOUT_SECONDS)

    assert [message.content for message in lead.queries.peek()] == ["thank you"]
    assert len(waits(caplog)) == 1


ENDS: dict[str, Callable[[MessageHub, Delivery], object]] = {
    "acknowledge": lambda hub, delivery: hub.acknowledge(delivery),
    "reply": lambda hub, delivery: hub.reply(delivery, "done"),
    "release": lambda hub, delivery: hub.release(delivery),
    "extend": lambda hub, delivery: hub.extend(delivery),
}


@pytest.mark.usefixtures("short_busy_timeout")
@pytest.mark.parametrize("verb", ENDS)
def test_a_reader_with_a_delivery_waits_for_a_busy_store(
    team: Team, join: Join, caplog: pytest.LogCaptureFixture, verb: str
) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "work")
    (delivery,) = scout.claim()
    failed: list[Exception] = []

    def end() -> None:
        try:
            ENDS[verb](scout, delivery)
        except Exception as error:
            failed.append(error)

    worker = threading.Thread(target=end)
    with held(team):
        worker.start()
        eventually(lambda: waits(caplog), "a worker that waits")
    worker.join(TIMEOUT_SECONDS)

    assert (failed, len(waits(caplog))) == ([], 1)


@pytest.mark.usefixtures("short_busy_timeout")
def test_a_reader_with_a_delivery_waits_no_longer_than_its_lease(team: Team, join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "work")
    (delivery,) = scout.claim(lease=0.1)
    with held(team), pytest.raises(StoreBusy):
        scout.acknowledge(delivery)


@pytest.mark.usefixtures("short_busy_timeout")
def test_a_listener_with_a_timeout_waits_no_longer_than_that(team: Team, join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "work")
    with held(team), pytest.raises(StoreBusy):
        next(iter(scout.listen(0.1)))


@pytest.mark.slow
def test_no_command_ends_with_a_traceback_when_the_store_is_busy(teamsup: TeamsupCommand) -> None:
    with MessageHub(teamsup.team, agent="scout") as scout, MessageHub(teamsup.team, agent="lead") as lead:
        scout.register()
        lead.register()
        watch = teamsup.open("watch", "--agent", "lead")
        eventually(lambda: count_listeners(teamsup.team, "lead"), "a watch")
        scout.send("lead", "hello")
        with held(teamsup.team):
            commands = [
                teamsup.open(*words)
                for words in (
                    ["read", "--agent", "lead"],
                    ["send", "scout", "hello"],
                    ["chat", "--once", "hello"],
                )
            ]
            said = [command.communicate(timeout=60)[0] for command in commands]
        os.kill(watch.pid, signal.SIGTERM)
        said.append(watch.communicate(timeout=60)[0])

    assert [command.returncode for command in commands] == [os.EX_UNAVAILABLE] * 3
    assert all("is held by another program." in text for text in said[:3])
    assert not any("Traceback" in text for text in said), said
