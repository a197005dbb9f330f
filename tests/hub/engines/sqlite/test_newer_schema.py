"""Programs of this version that have a database open while a newer teamsup changes its tables."""

import asyncio
from collections.abc import Callable
from typing import ClassVar

import pytest

from helpers.mcp_session import open_session
from helpers.support import TIMEOUT_SECONDS, migrate_further, run_foreign_sql
from teamsup.config.loader import Config
from teamsup.hub import Delivery, MessageHub, SchemaTooNew, Team
from teamsup.workers.worker import Worker

Join = Callable[..., MessageHub]

SENTENCE = (
    r"messages\.db has schema \d+, written by a newer teamsup; this one knows \d+\. End this program and start it"
)
VERBS: dict[str, Callable[[MessageHub, Delivery], object]] = {
    "send": lambda hub, _: hub.send("lead", "too late"),
    "claim": lambda hub, _: hub.claim(),
    "acknowledge": lambda hub, delivery: hub.acknowledge(delivery),
    "listen": lambda hub, _: list(hub.listen(TIMEOUT_SECONDS)),
    "see who is here": lambda hub, _: hub.agents(),
    "see what waits": lambda hub, _: hub.queries.peek(),
    "heartbeat": lambda hub, _: hub.heartbeat(),
    "change a table": lambda hub, _: hub.execute("DELETE FROM messages"),
    "see whether anything has changed": lambda hub, _: hub.data_version(),
}


@pytest.mark.parametrize("has_mail", [False, True], ids=["empty mailbox", "mail waits"])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_that_the_tables_are_newer_and_changes_nothing(
    team: Team, join: Join, verb: str, has_mail: bool
) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "one")
    (held,) = scout.claim()
    if has_mail:
        lead.send("scout", "two")
    migrate_further(team)
    before = run_foreign_sql(team, "SELECT * FROM messages")

    with pytest.raises(SchemaTooNew, match=SENTENCE):
        VERBS[verb](scout, held)

    assert run_foreign_sql(team, "SELECT * FROM messages") == before


async def test_a_reader_that_waits_already_ends_too(team: Team, join: Join) -> None:
    waiting = asyncio.create_task(join("scout").wait_async(TIMEOUT_SECONDS))
    await asyncio.sleep(0)
    await asyncio.to_thread(migrate_further, team)

    with pytest.raises(SchemaTooNew, match=SENTENCE):
        await waiting


class Idle(Worker):
    """Reads its mail, and does nothing else."""

    name: ClassVar[str] = "idle"

    async def handle(self, delivery: Delivery) -> None:
        self.hub.acknowledge(delivery)


class Busy(Idle):
    """Works on a message without an end, or until it cannot report that any more."""

    name: ClassVar[str] = "busy"

    async def handle(self, delivery: Delivery) -> None:  # noqa: ARG002
        while not self._stopping.is_set():
            await self.heartbeat()


@pytest.mark.parametrize("kind", [Idle, Busy])
async def test_a_worker_ends_and_tries_nothing_again(team: Team, join: Join, kind: type[Worker]) -> None:
    join("lead").enroll(kind.name, "daemon")
    join("lead").send(kind.name, "work")

    with MessageHub(team, agent=kind.name) as hub:
        running = asyncio.create_task(kind(hub, Config(team)).run())
        await asyncio.to_thread(migrate_further, team)
        with pytest.raises(SchemaTooNew, match=SENTENCE):
            await asyncio.wait_for(running, TIMEOUT_SECONDS)


async def test_a_session_learns_it_by_its_tools_and_at_every_prompt(team: Team, join: Join) -> None:
    join("scout")
    advice = "start it again. Your user can do that in Claude Code: /mcp, then reconnect teamsup."

    async with open_session(team) as lead:
        assert lead.hook("UserPromptSubmit") == {}
        migrate_further(team)
        assert advice in await lead.refused("team_read_messages", wait_seconds=1)
        assert advice in await lead.refused("team_send_message", recipient="scout", content="too late")
        said = [lead.hook(event) for event in ("PostToolUse", "PostToolUse", "Stop", "UserPromptSubmit")]
        texts = [each.get("hookSpecificOutput", {}).get("additionalContext", "") for each in said]
        assert [advice in text for text in texts] == [True, False, False, True]
        assert texts[0].startswith("teamsup: ")
