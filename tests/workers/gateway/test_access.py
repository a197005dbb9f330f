"""Who may write to the team from Discord: nobody who is not listed in some way."""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from teamsup.hub import MessageHub, Team
from teamsup.hub.sections import GatewaySection
from teamsup.workers.gateway import attachments
from teamsup.workers.gateway.access import Author, admits, could_admit
from teamsup.workers.gateway.attachments import remove_old, safe_name
from teamsup.workers.gateway.heard import File, Heard, age

SOMEBODY = Author(user=1, channel=2, guild=3, roles=frozenset({4}))


@pytest.mark.parametrize(
    ("section", "author", "is_admitted"),
    [
        (GatewaySection(), SOMEBODY, False),
        (GatewaySection(users=(1,)), SOMEBODY, True),
        (GatewaySection(users=(2,)), SOMEBODY, False),
        (GatewaySection(roles=(4,)), SOMEBODY, True),
        (GatewaySection(roles=(1,)), SOMEBODY, False),
        (GatewaySection(channels=(2,)), SOMEBODY, True),
        (GatewaySection(guilds=(3,)), SOMEBODY, True),
        (GatewaySection(channels=(2,)), Author(user=1, channel=9, guild=3, parent=2), True),
        (GatewaySection(guilds=(3,)), Author(user=1, channel=2), False),
        (GatewaySection(users=(1,)), Author(user=1, channel=2), True),
        (GatewaySection(users=(1,), guilds=(3,)), Author(user=1, channel=2, guild=3, is_bot=True), False),
        (GatewaySection(bots=(1,)), Author(user=1, channel=2, guild=3, is_bot=True), True),
        (GatewaySection(bots=(1,)), SOMEBODY, False),
    ],
)
def test_somebody_is_heard_who_is_listed(section: GatewaySection, author: Author, is_admitted: bool) -> None:
    assert admits(section, (), author) is is_admitted


def test_who_has_paired_is_heard_and_a_bot_cannot() -> None:
    assert admits(GatewaySection(), {1}, SOMEBODY)
    assert not admits(GatewaySection(), {1}, Author(user=1, channel=2, is_bot=True))


@pytest.mark.parametrize(
    ("section", "is_worth_a_look"),
    [
        (GatewaySection(), False),
        (GatewaySection(users=(9,)), True),
        (GatewaySection(roles=(9,)), True),
        (GatewaySection(bots=(9,)), True),
        (GatewaySection(channels=(2,)), True),
        (GatewaySection(channels=(9,)), False),
        (GatewaySection(guilds=(3,)), True),
    ],
)
def test_places_are_looked_into_where_somebody_could_be_heard(section: GatewaySection, is_worth_a_look: bool) -> None:
    assert could_admit(section, (), Author(user=0, channel=2, guild=3)) is is_worth_a_look


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("Bericht für März.pdf", "Bericht_für_März.pdf"),
        ("../../.ssh/authorized_keys", "_.._.ssh_authorized_keys"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("", "file"),
        ("a\nb\0c.txt", "a_b_c.txt"),
        ("-rf", "rf"),
    ],
)
def test_a_file_is_named_so_that_it_leads_nowhere_else(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize("name", ["x" * 300 + ".txt", "日" * 300 + ".txt", "." + "y" * 300, "a." + "z" * 300])
def test_a_long_name_keeps_its_end_where_it_can(name: str) -> None:
    safe = safe_name(name)

    assert 0 < len(safe.encode()) <= 100
    assert Path(safe).name == safe
    assert safe.endswith(".txt") is name.endswith(".txt")


def test_an_attachment_whose_server_is_too_slow_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "_SECONDS", 0.1)

    async def use() -> list[str]:
        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.txt"
        heard = Heard(7, SOMEBODY, "Ann", "", (File("a.txt", 5, "text/plain", url),))
        lines = await attachments.fetch(heard, tmp_path, 1000, logging.getLogger())
        server.close()
        return lines

    (line,) = asyncio.run(use())
    assert line.startswith(
        "(attachment: a.txt, 5 bytes, text/plain; could not be fetched: its server is too slow; http"
    )
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


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

    remove_old(hub)

    assert [number for number, folder in folders.items() if folder.exists()] == ["1", "3"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(60, "1m"), (3599, "59m"), (7530, "2h 5m"), (86_400, "24h 0m"), (200_000, "2d 7h")]
)
def test_an_age_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert age(seconds) == text
