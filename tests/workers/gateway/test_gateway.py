"""The gateway's process against a Discord on loopback."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support import eventually
from teamsup.hub import Delivery, MessageHub, NotConfigured, Team
from teamsup.hub.sections import GatewaySection
from teamsup.workers.discord_gateway import find_token
from workers.fake_discord import ANN, BOB, CHANNEL, TOKEN, FakeDiscord

Join = Callable[..., MessageHub]


@asynccontextmanager
async def gateway(team: Team, discord: FakeDiscord, token: str = TOKEN) -> AsyncIterator[subprocess.Popen[bytes]]:
    team.create()
    team.configuration.write_text(f"[gateway]\nusers = [{ANN}]\n")
    runner = await discord.start()
    environment = {**os.environ, "TEAMSUP_HOME": str(team.folder.parent), "DISCORD_TOKEN": token}
    process = subprocess.Popen(  # noqa: ASYNC220 - it is only started here
        [sys.executable, "-m", "workers.fake_discord", "--team", team.name],
        env={**environment, "FAKE_DISCORD": discord.url, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    try:
        yield process
    finally:
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) in (0, os.EX_CONFIG)
        await runner.cleanup()


async def arrival(hub: MessageHub) -> Delivery:
    assert await hub.wait_async(20)
    (delivery,) = await asyncio.to_thread(hub.claim)
    return delivery


async def until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(eventually, condition, what)


def test_an_allowed_person_is_heard_and_answered_in_the_channel(team: Team, join: Join) -> None:
    async def use() -> None:
        discord, user_comm = FakeDiscord(), join("user_comm")
        async with gateway(team, discord):
            await asyncio.wait_for(discord.connected.wait(), 20)
            asked = await discord.say(ANN, "Hello")
            delivery = await arrival(user_comm)
            assert (delivery.message.message_id, delivery.message.content) == (f"discord:{asked}", "Hello")
            assert delivery.message.metadata == {"from": "Ann", "user": ANN}

            user_comm.reply(delivery, "Hi @everyone")

            await until(lambda: discord.posted, "the answer")
            (said,) = discord.posted
            assert said["content"] == "Hi @everyone"
            assert said["allowed_mentions"]["parse"] == []
            assert said["message_reference"]["message_id"] == asked
            await until(lambda: user_comm.trace("#2")[0].outcome == "sent", "the answer is acknowledged")

    asyncio.run(use())


def test_nobody_else_is_heard(team: Team, join: Join) -> None:
    async def use() -> None:
        discord, user_comm = FakeDiscord(), join("user_comm")
        async with gateway(team, discord):
            await asyncio.wait_for(discord.connected.wait(), 20)
            await discord.say(BOB, "let me in")
            await discord.say(ANN, "I am a bot", bot=True)
            allowed = await discord.say(ANN, "Hello")

            assert (await arrival(user_comm)).message.message_id == f"discord:{allowed}"

    asyncio.run(use())


def test_a_long_answer_comes_in_order_in_pieces_that_discord_takes(team: Team, join: Join) -> None:
    async def use() -> None:
        discord, user_comm = FakeDiscord(), join("user_comm")
        async with gateway(team, discord):
            text = "\n".join(f"line {number} 👋" for number in range(500))
            user_comm.enroll("gateway", "daemon")
            user_comm.send("gateway", text, conversation_id=f"discord:{CHANNEL}")

            await until(lambda: user_comm.trace("#1")[0].state == "done", "all pieces are sent")
            assert "".join(said["content"] + "\n" for said in discord.posted).split() == text.split()

    asyncio.run(use())


@pytest.mark.parametrize(
    ("discord", "token", "sentence"),
    [
        (FakeDiscord(), "wrong", "Discord refused the token"),
        (FakeDiscord(message_content_enabled=False), TOKEN, "switch on 'Message Content Intent'"),
    ],
)
def test_what_only_a_person_can_mend_ends_it_as_not_configured(
    team: Team, join: Join, discord: FakeDiscord, token: str, sentence: str
) -> None:
    async def use() -> None:
        lead = join("lead")
        async with gateway(team, discord, token) as process:
            assert await asyncio.to_thread(process.wait, 20) == os.EX_CONFIG
        state = next(agent for agent in lead.agents() if agent.name == "gateway")
        assert state.status == "not configured"
        assert sentence in state.note
        assert token not in state.note

    asyncio.run(use())


def test_sigterm_ends_it_at_once(team: Team, join: Join) -> None:
    async def use() -> None:
        discord, lead = FakeDiscord(), join("lead")
        async with gateway(team, discord) as process:
            await asyncio.wait_for(discord.connected.wait(), 20)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 10) == 0
        assert next(agent for agent in lead.agents() if agent.name == "gateway").status == "offline"

    asyncio.run(use())


def test_the_token_comes_from_a_file_that_only_its_owner_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    file = tmp_path / "token"
    access = GatewaySection(token_file=str(file))
    with pytest.raises(NotConfigured, match="cannot be read"):
        find_token(access)

    for unreadable in (str(tmp_path), "a\0b", "~nobody-of-that-name/token"):
        with pytest.raises(NotConfigured, match="cannot be read"):
            find_token(GatewaySection(token_file=unreadable))

    file.write_text(TOKEN + "\n")
    file.chmod(0o644)
    with pytest.raises(NotConfigured, match="run chmod 600"):
        find_token(access)

    file.chmod(0o600)
    assert find_token(access) == TOKEN


def test_the_token_comes_from_systemds_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    tmp_path.joinpath("discord_token").write_text(TOKEN)

    assert find_token(GatewaySection()) == TOKEN
