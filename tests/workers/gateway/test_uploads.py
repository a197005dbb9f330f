"""Files that go to Discord: those of agents, and texts that are too long."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fake_discord import BOT, CHANNEL
from gateway_process import running, say, sent
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway import uploads
from teamsup.workers.gateway.text import pieces

Join = Callable[..., MessageHub]
SAYING = f"POST /channels/{CHANNEL}/messages"


def test_file_names_are_made_safe() -> None:
    assert uploads.safe_name(Path("/x/a b\n(1)é.txt")) == "a_b_1_.txt"
    assert uploads.safe_name(Path("/x/..")) == "file"


def test_an_answer_of_30000_characters_goes_as_a_file_with_its_beginning(team: Team, join: Join) -> None:
    async def use() -> None:
        async with running(team, join) as (discord, user_comm):
            text = "Here it is:\n\n```python\n" + "print('x' * 40)\n" * 2000 + "```\n"
            await sent(user_comm, say(user_comm, text))
            (message,) = await discord.messages(author=BOT)
            (attachment,) = message.attachments
            assert (attachment.filename, attachment.content.decode()) == ("answer.md", text)
            assert message.content.startswith("Here it is:")
            assert "answer.md" in message.content

    asyncio.run(use())


def test_files_of_agents_go_with_the_answer_and_what_cannot_is_named(team: Team, join: Join, tmp_path: Path) -> None:
    async def use() -> None:
        async with running(team, join) as (discord, user_comm):
            content = os.urandom(3 << 20)
            team.folder.joinpath("re port.pdf").write_bytes(content)
            large = tmp_path / "large.bin"
            large.write_bytes(bytes(11 << 20))
            wanted = ["re port.pdf", str(large), "../secret", str(team.database), "missing"]
            await sent(user_comm, say(user_comm, "See this", metadata={"files": wanted}))
            (message,) = await discord.messages(author=BOT)
            assert [(each.filename, each.content) for each in message.attachments] == [("re_port.pdf", content)]
            said = message.content
            assert said.startswith("See this")
            assert "large.bin is not attached: it has 11.0 MiB, and at most 10 MiB may be sent here." in said
            assert said.count("there is no such file") == 3

    asyncio.run(use())


def test_what_discord_finds_too_large_goes_as_text_alone(
    team: Team, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use() -> None:
        async with running(team, join) as (discord, user_comm):
            monkeypatch.setattr("fake_discord.drafts.upload_limit", lambda *_: 1000)
            text = "\n\n".join(f"Part {number}. " + "word " * 300 for number in range(7))
            team.folder.joinpath("some.bin").write_bytes(bytes(2000))
            first = say(user_comm, text)
            second = say(user_comm, "See this", metadata={"files": ["some.bin"]})
            await sent(user_comm, first, second)
            said = [piece.strip() for piece in pieces(text)]
            assert await discord.said() == [*said, "See this", "Discord did not take: some.bin."]

    asyncio.run(use())
