"""The gateway's process against a Discord on loopback: the conversation, who is heard, how it refuses and ends."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from fake_discord import ANN, BOB, CHANNEL, TOKEN, FakeDiscord, Rules
from gateway_process import arrival, connected, gateway, until
from teamsup.hub import MessageHub, NotConfigured, Team
from teamsup.hub.sections import GatewaySection
from teamsup.workers.gateway.bot_token import find_token

Join = Callable[..., MessageHub]


def test_an_allowed_person_is_heard_and_answered_in_the_channel(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
            asked = await discord.say("Hello")
            delivery = await arrival(user_comm)
            assert (delivery.message.message_id, delivery.message.content) == (f"discord:{asked}", "Hello")
            assert delivery.message.metadata == {"from": "Ann", "user": ANN}

            user_comm.reply(delivery, "Hi @everyone")

            await discord.until_said(["Hi @everyone"])
            said = (await discord.messages())[-1]
            assert said.reference is not None
            assert said.reference.message == asked
            assert not said.pings
            await until(lambda: user_comm.trace("#2")[0].outcome == "sent", "the answer is acknowledged")

    asyncio.run(use())


def test_nobody_else_is_heard(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
            await discord.say("let me in", author=BOB)
            allowed = await discord.say("Hello")

            assert (await arrival(user_comm)).message.message_id == f"discord:{allowed}"

    asyncio.run(use())


def test_a_long_answer_comes_in_order_in_pieces_that_discord_takes(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            text = "\n".join(f"line {number} 👋" for number in range(500))
            user_comm.enroll("gateway", "daemon")
            user_comm.send("gateway", text, conversation_id=f"discord:{CHANNEL}")

            await until(lambda: user_comm.trace("#1")[0].state == "done", "all pieces are sent")
            assert "\n".join(await discord.said()).split() == text.split()

    asyncio.run(use())


@pytest.mark.parametrize(
    ("rules", "token", "sentence"),
    [
        (Rules(), "wrong", "Discord refused the token"),
        (Rules(privileged=0), TOKEN, "switch on 'Message Content Intent'"),
    ],
)
def test_what_only_a_person_can_mend_ends_it_as_not_configured(
    team: Team, join: Join, rules: Rules, token: str, sentence: str
) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord(rules=rules) as discord, gateway(team, discord, token=token) as process:
            assert await asyncio.to_thread(process.wait, 20) == os.EX_CONFIG
        state = next(agent for agent in lead.agents() if agent.name == "gateway")
        assert state.status == "not configured"
        assert sentence in state.note
        assert token not in state.note

    asyncio.run(use())


def test_sigterm_ends_it_at_once(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord, gateway(team, discord) as process:
            await connected(lead)
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
    assert find_token(access).text == TOKEN


def test_the_token_comes_from_systemds_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    tmp_path.joinpath("discord_token").write_text(TOKEN)

    assert find_token(GatewaySection()).text == TOKEN
