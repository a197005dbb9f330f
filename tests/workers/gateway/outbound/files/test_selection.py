"""Files that go to Discord: those of agents, and texts that are too long."""

import os
from collections.abc import Callable

import pytest

from fake_discord import BOT, CHANNEL
from helpers.gateway_process import gateway_with_hub, read_messages, send_to_gateway, wait_until, wait_until_sent
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.outbound.chunking import split
from teamsup.workers.gateway.outbound.files import selection

Join = Callable[..., MessageHub]
SAYING = f"POST /channels/{CHANNEL}/messages"


def test_file_names_are_made_safe() -> None:
    assert selection.file_name_of("/x/a b\n(1)é.txt") == "a_b_1_é.txt"
    assert selection.file_name_of("/x/..") == "file"


@pytest.mark.slow
async def test_an_answer_of_30000_characters_goes_as_a_file_with_its_beginning(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        text = "Here it is:\n\n```python\n" + "print('x' * 40)\n" * 2000 + "```\n"
        await wait_until_sent(user_comm, send_to_gateway(user_comm, text))
        (message,) = await discord.messages(author=BOT)
        (attachment,) = message.attachments
        assert (attachment.filename, attachment.content.decode()) == ("answer.md", text)
        assert message.content.startswith("Here it is:")
        assert "answer.md" in message.content


async def test_files_of_agents_go_with_the_answer_and_what_cannot_is_named(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        content = os.urandom(3 << 20)
        _file(team, "re port.pdf", content)
        _file(team, "large.bin", bytes(11 << 20))
        wanted = ["files/re port.pdf", "files/large.bin", "../secret", str(team.database), "files/missing"]
        message = send_to_gateway(user_comm, "See this", metadata={"files": wanted})
        await wait_until_sent(user_comm, message)
        (shown,) = await discord.messages(author=BOT)
        assert [(each.filename, each.content) for each in shown.attachments] == [("re_port.pdf", content)]
        notes = [
            "large.bin is not attached: it has 11.0 MiB, and at most 10 MiB may be sent here.",
            "secret, missing are not attached: there is no such readable file.",
            "messages.db is not attached: only files below files/ in the team's folder, or below files_from, are sent.",
        ]
        assert shown.content == "\n\n".join(("See this", *notes))
        (told,) = await read_messages(user_comm, 1)
        assert (told.message_type, told.reply_to) == ("error", message.message_id)
        assert told.content == f"Message #{message.id} went to Discord without a file. {' '.join(notes)}"


@pytest.mark.slow
async def test_a_file_that_goes_away_while_it_waits_is_named(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        for name in ("a.txt", "b.txt"):
            _file(team, name, name.encode())
        discord.faults.add("503 before", SAYING, times=1)
        message = send_to_gateway(user_comm, "See this", metadata={"files": ["files/a.txt", "files/b.txt"]})
        await wait_until(lambda: any(each.status == 503 for each in discord.rest.requests), "it was tried")
        (team.folder / "files" / "a.txt").unlink()
        await wait_until_sent(user_comm, message)
        shown, note = await discord.messages(author=BOT)
        assert (shown.content, [each.filename for each in shown.attachments]) == ("See this", ["b.txt"])
        assert note.content == "a.txt is not attached: there is no such readable file."
        (told,) = await read_messages(user_comm, 1)
        assert note.content in told.content


@pytest.mark.slow
async def test_an_answer_with_files_that_are_too_large_for_discord_is_sent_as_text(
    team: Team, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        monkeypatch.setattr("fake_discord.world.drafts.upload_limit", lambda *_: 1000)
        text = "\n\n".join(f"Part {number}. " + "word " * 300 for number in range(7))
        _file(team, "some.bin", bytes(2000))
        first = send_to_gateway(user_comm, text)
        second = send_to_gateway(user_comm, "See this", metadata={"files": ["files/some.bin"]})
        await wait_until_sent(user_comm, first, second)
        said = [piece.strip() for piece in split(text)]
        assert await discord.said() == [*said, "See this", "Discord did not accept: some.bin."]


def _file(team: Team, name: str, content: bytes) -> None:
    (team.folder / "files").mkdir(exist_ok=True)
    (team.folder / "files" / name).write_bytes(content)
