"""The bot's token: where it comes from, and that nobody sees it."""

import asyncio
import io
import logging
import os
from pathlib import Path

import pytest

from fake_discord import TOKEN, FakeDiscord
from fake_discord.redirect import redirect_to
from teamsup.hub import MessageHub, NotConfigured, Team
from teamsup.workers.gateway.component import GatewaySection
from teamsup.workers.gateway.connection.client import DiscordClient
from teamsup.workers.gateway.connection.connection import DiscordConnection
from teamsup.workers.gateway.connection.token import BotToken, find_token, redact_in_logs


async def test_the_token_stands_in_no_log_however_much_is_logged(team: Team) -> None:
    shown, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(shown), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        redact_in_logs(BotToken(TOKEN))

        # Every import of discord must come after the log is set up.
        async def tell(*_: str) -> None:
            pass

        async with FakeDiscord() as discord:
            redirect_to(discord.url)
            discord.faults.add("reset", "GET /users/@me")
            with MessageHub(team, agent="gateway") as hub:
                connection = DiscordConnection(
                    hub, BotToken(TOKEN), DiscordClient, tell, tell, logging.getLogger("gateway")
                )
                running = asyncio.create_task(connection.run())
                await discord.connected()
                running.cancel()
                await asyncio.wait((running,))
        try:
            raise ValueError(f"Bot {TOKEN}")
        except ValueError:
            logging.getLogger("discord").exception("with %s", TOKEN)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert "[token]" in shown.getvalue()
    assert TOKEN not in shown.getvalue()
    assert TOKEN not in repr(BotToken(TOKEN))


def test_a_token_that_cannot_be_one_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for strange in ("two words", "a\tb", "schlüssel", "a\r\nX-Evil: b"):
        monkeypatch.setenv("DISCORD_TOKEN", strange)
        with pytest.raises(NotConfigured, match="is not a Discord token") as refused:
            find_token(GatewaySection())
        assert strange not in str(refused.value)
    file = tmp_path / "token"
    file.touch(0o600)
    with pytest.raises(NotConfigured, match="is empty"):
        find_token(GatewaySection(token_file=str(file)))


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


def test_a_token_is_read_again_when_its_file_has_another_of_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text(TOKEN)
    token = find_token(GatewaySection(token_file=str(file)))
    for useless in (TOKEN, "", "two words"):
        file.write_text(useless)
        assert not token.reload()
    file.write_text("another.token.now")
    file.chmod(0o644)
    assert not token.reload()
    file.chmod(0o600)
    assert token.reload()
    assert token.text == "another.token.now"
    assert token.redact(f"{TOKEN}, another.token.now") == "[token], [token]"


def test_the_token_is_taken_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", TOKEN)
    assert find_token(GatewaySection()).text == TOKEN
    assert "DISCORD_TOKEN" not in os.environ


def test_the_token_comes_from_systemds_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    tmp_path.joinpath("discord_token").write_text(TOKEN)

    assert find_token(GatewaySection()).text == TOKEN
