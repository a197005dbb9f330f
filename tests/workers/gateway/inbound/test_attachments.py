"""Files that people attach: fetched under names that lead nowhere else, and kept as long as their message."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from fake_discord import FakeDiscord
from helpers.gateway_process import ALLOW_ANN, read_messages, running_gateway, wait_until_connected
from teamsup.hub import MessageHub, Team
from teamsup.workers.attached_files import remove_orphaned_files
from teamsup.workers.gateway.inbound import attachments
from teamsup.workers.gateway.message import Attachment, Author, InboundMessage

Join = Callable[..., MessageHub]


@contextlib.asynccontextmanager
async def serve(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Its URL."""
    runner = web.ServerRunner(web.Server(handler))  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def stored_files(folder: Path) -> list[str]:
    """Return the name and content of each file below a folder, in order."""
    return sorted(path.name.casefold() + path.read_text() for path in folder.rglob("*") if path.is_file())


async def test_files_of_one_message_are_kept_apart(tmp_path: Path) -> None:
    async def give(request: web.Request) -> web.Response:
        return web.Response(text=request.path)

    async with serve(give) as url:
        files = [Attachment(name, 2, "text/plain", f"{url}/{n}") for n, name in enumerate(["2-a", "a", "a", "A"])]
        await attachments.download_attachments(
            InboundMessage(7, Author(1, 2), "Ann", "", tuple(files)), tmp_path, 1000, logging.getLogger()
        )
    assert stored_files(tmp_path) == ["2-2-a/2", "2-a/0", "3-a/3", "a/1"]


async def test_an_attachment_does_not_lead_elsewhere(tmp_path: Path) -> None:
    asked: list[str] = []

    async def lead_elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound("/latest/meta-data/")

    async with serve(lead_elsewhere) as url:
        message = InboundMessage(7, Author(1, 2), "Ann", "", (Attachment("a.txt", 5, "text/plain", f"{url}/a.txt"),))
        (line,) = await attachments.download_attachments(message, tmp_path, 1000, logging.getLogger())
    assert asked == ["/a.txt"]
    assert "could not be downloaded" in line
    assert stored_files(tmp_path) == []


async def test_an_attachment_whose_server_is_too_slow_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "_DOWNLOAD_SECONDS", 0.1)

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.txt"
        message = InboundMessage(7, Author(user=1, channel=2), "Ann", "", (Attachment("a.txt", 5, "text/plain", url),))
        (line,) = await attachments.download_attachments(message, tmp_path, 1000, logging.getLogger())
    assert line.startswith(
        "(attachment: a.txt, 5 bytes, text/plain; could not be downloaded: its server is too slow; http"
    )
    assert stored_files(tmp_path) == []


async def test_a_download_that_hangs_holds_up_nobody_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "_WAIT_SECONDS", 0.1)
    is_told = asyncio.Event()

    async def give(request: web.Request) -> web.Response:  # noqa: ARG001
        await is_told.wait()
        return web.Response(text="at last")

    async with serve(give) as url:
        message = InboundMessage(7, Author(1, 2), "Ann", "", (Attachment("a.txt", 7, "text/plain", f"{url}/a.txt"),))
        (line,) = await attachments.download_attachments(message, tmp_path, 1000, logging.getLogger())
        path = tmp_path / "files" / "discord" / "7" / "a.txt"
        wait = f"is still being downloaded; it will be {path}, unless its server stops"
        assert line == f"(attachment: a.txt, 7 bytes, text/plain; {wait}; {url}/a.txt)"
        is_told.set()
        await asyncio.gather(*attachments._running)
        assert path.read_text() == "at last"


def test_files_go_with_the_message_that_they_belong_to(team: Team, join: Callable[..., MessageHub]) -> None:
    hub = join("gateway")
    hub.enroll("user_comm", "daemon")
    hub.send("user_comm", "x", message_id="discord:1:2")
    folders = {number: team.folder / "files" / "discord" / number for number in ("1", "2", "3")}
    for number, folder in folders.items():
        folder.mkdir(parents=True)
        (folder / "a.txt").touch()
        if number != "3":
            os.utime(folder, (0, 0))

    remove_orphaned_files(hub)

    assert [number for number, folder in folders.items() if folder.exists()] == ["1", "3"]


async def test_attachments_are_fetched_into_the_teams_folder(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord, ALLOW_ANN + "file_mib = 0.01\n"):
        await wait_until_connected(user_comm)
        files = {"report.pdf": b"x" * 5000, "large.bin": b"y" * 20_000}
        asked = await discord.say("Look:", files=files)
        alone = await discord.say("", files={"отчёт-за-май.txt": b"alone"})
        (both, only) = await read_messages(user_comm, 2)
    path = team.folder / "files" / "discord" / str(asked) / "report.pdf"
    assert path.read_bytes() == files["report.pdf"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert both.content.startswith("Look:\n(attachment: report.pdf, 5,000 bytes, ")
    assert f"saved as {path}; http" in both.content
    assert "large.bin, 20,000 bytes" in both.content
    assert "too large to download; http" in both.content
    assert not path.with_name("large.bin").exists()
    assert only.message_id == f"discord:{alone}"
    assert only.content.startswith("(attachment: отчёт-за-май.txt, 5 bytes")
    assert "/отчёт-за-май.txt; http" in only.content
    assert only.metadata["body_length"] == 0


@pytest.mark.slow
async def test_a_slow_attachment_holds_up_its_channel_only(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        other = await discord.add_channel("other")
        discord.faults.add("delay", "GET /attachments/*", seconds=3)
        slow = await discord.say("slow", files={"a.txt": b"a"})
        await discord.say("behind it")
        await discord.say("elsewhere", channel=other)
        found = await read_messages(user_comm, 3)
    assert [message.content.split("\n")[0] for message in found] == ["elsewhere", "slow", "behind it"]
    assert (team.folder / "files" / "discord" / str(slow) / "a.txt").read_bytes() == b"a"


async def test_an_attachment_that_cannot_be_fetched_is_named_anyway(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        discord.faults.add("503 before", "GET /attachments/*")
        await discord.say("broken", files={"a.txt": b"a"})
        (message,) = await read_messages(user_comm, 1)
    assert "a.txt, 1 bytes" in message.content
    assert "could not be downloaded" in message.content
