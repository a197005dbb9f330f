"""An alert that no agent takes, on Discord: who is called, the button, and its end; with a whole team."""

import asyncio
import json
import os
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import fake_discord
from fake_discord import ANN, CHANNEL, TOKEN, FakeDiscord
from helpers.support import TeamsupCommand

_FOLDER = Path(fake_discord.__file__).parent


def post(port: int, **alert: object) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/script", json.dumps(alert).encode())
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - of ours
        assert answer.status == 200


def open_alerts(teamsup: TeamsupCommand) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(teamsup.run("alerts", "--json").stdout)["incidents"]
    return found


def said(discord: FakeDiscord, words: str) -> list[fake_discord.FakeMessage]:
    """What was said with these words, in an embed or not."""
    return [
        message
        for message in discord.world.messages.values()
        if words in message.content + "".join(str(embed.get("description")) for embed in message.embeds)
    ]


def buttons(message: fake_discord.FakeMessage) -> list[dict[str, Any]]:
    return [button for row in message.components for button in row["components"]]


@pytest.mark.slow
async def test_a_person_is_called_presses_the_button_and_sees_the_end(
    teamsup: TeamsupCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(TOKEN)
    teamsup.team.folder.mkdir(parents=True)
    teamsup.team.configuration.write_text(
        f'[monitor-bridge]\nlisten = "127.0.0.1:{port}"\nmention = [{ANN}]\ncpu_percent = 100\nload_per_cpu = 0\n'
        f'[source.script]\nkind = "plain"\n'
        f'[gateway]\nusers = [{ANN}]\nhome_channel = {CHANNEL}\ntoken_file = "{token}"\n'
    )

    async with FakeDiscord() as discord:
        monkeypatch.setenv("FAKE_DISCORD", discord.url)
        monkeypatch.setenv("PYTHONPATH", f"{_FOLDER.parent}{os.pathsep}{_FOLDER / 'startup'}")
        assert (await asyncio.to_thread(teamsup.run, "start", "--detach")).returncode == 0
        try:
            await take_part(teamsup, discord, port)
        finally:
            await asyncio.to_thread(teamsup.run, "stop")


async def take_part(teamsup: TeamsupCommand, discord: FakeDiscord, port: int) -> None:
    await discord.connected()
    await asyncio.to_thread(post, port, title="disk of db1 is full", severity="critical")

    async def until_said(words: str) -> fake_discord.FakeMessage:
        await discord.until(lambda: said(discord, words), words)
        return said(discord, words)[0]

    alert = await until_said("disk of db1 is full")
    assert alert.mentions == [ANN]
    assert alert.embeds[0]["title"] == "disk of db1 is full"
    (button,) = buttons(alert)
    assert button["label"] == "Acknowledge"

    await discord.press(alert.id, button["custom_id"])
    await until_said("takes care of incident 1")
    await discord.until(lambda: not buttons(alert), "nobody can press it now")
    assert alert.content == f"{discord.world.users[ANN].name} takes care of it."
    (incident,) = await asyncio.to_thread(open_alerts, teamsup)
    assert incident["state"] == "acknowledged"
    assert incident["acknowledged_by"] == discord.world.users[ANN].name
    await asyncio.to_thread(post, port, title="disk of db1 is full", status="resolved")
    over = await until_said("Resolved after")
    assert not over.mentions
    assert len(said(discord, "takes care of incident 1")) == 1
    await discord.until(lambda: "took care of it" in alert.content, "the alert says that it is over")
    assert (alert.components, alert.mentions) == ([], [])
