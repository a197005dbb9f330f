"""docs/architecture.md follows a question from Discord to its answer there: that is the way which it really takes."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fake_discord import TOKEN, FakeDiscord
from helpers.gateway_process import ALLOW_ANN, wait_until, wait_until_connected
from helpers.support import TIMEOUT_SECONDS, clean_environment, run_foreign_sql
from teamsup.hub import MessageHub, Team

PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
MAX_STEPS = 25
PROGRAMS = {
    "gateway": ("fake_discord.redirect", "teamsup.workers.gateway.discord_gateway"),
    "user_comm": ("teamsup.workers.user_comm.user_comm_daemon",),
}


def described_walk() -> dict[str, list[str]]:
    """Return the steps of the page by their process, in order: lines such as ``1. gateway: `inbound.inbox` …``."""
    steps: dict[str, list[str]] = {name: [] for name in PROGRAMS}
    for process, module in re.findall(r"^\d+\. (\w+): `([\w.]+)`", PAGE.read_text("utf-8"), re.MULTILINE):
        steps[process].append(module)
    return steps


def test_the_walk_is_short() -> None:
    assert 0 < sum(len(steps) for steps in described_walk().values()) <= MAX_STEPS


@pytest.mark.slow
async def test_a_question_and_its_answer_take_the_way_that_the_page_describes(
    team: Team, join: Callable[..., MessageHub], tmp_path: Path
) -> None:
    files = {name: tmp_path / name for name in PROGRAMS}

    team.create()
    team.configuration.write_text(ALLOW_ANN)
    hub = join("observer")
    async with FakeDiscord() as discord:
        with recorded(team, discord, files):
            await wait_until_connected(hub)
            await wait_until(lambda: hub.find_agent("user_comm"), "user_comm runs")
            await converse(team, discord, 1)
            for file in files.values():
                file.touch()
            await converse(team, discord, 2)
            found = {name: file.read_text().splitlines() for name, file in files.items()}

    described = described_walk()
    for process, modules in found.items():
        assert set(modules) == set(described[process])
        assert without_loops(modules) == without_loops(described[process])


async def converse(team: Team, discord: FakeDiscord, times: int) -> None:
    """Say hello, and wait for this many answers in all and for the end of each delivery."""
    await discord.say("Hello")
    await discord.until_said(["Hi there! 👋"] * times)
    open_deliveries = "SELECT 1 FROM deliveries WHERE done_at IS NULL"
    await wait_until(lambda: not run_foreign_sql(team, open_deliveries), "all of it is done")


def without_loops(modules: list[str]) -> list[str]:
    """Return the modules but for the loops, which may still be ending what came before."""
    return [each for each in modules if each not in ("worker", "gateway.app", "user_comm.user_comm_daemon")]


@contextlib.contextmanager
def recorded(team: Team, discord: FakeDiscord, files: dict[str, Path]) -> Iterator[None]:
    """Run both processes, each with its file of the modules that it enters."""
    environment = clean_environment() | {
        "TEAMSUP_HOME": str(team.folder.parent),
        "DISCORD_TOKEN": TOKEN,
        "FAKE_DISCORD": discord.url,
        "PYTHONPATH": str(Path(__file__).parent),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "helpers.walk_recorder", *program, "--team", team.name],
            env=environment | {"WALK_FILE": str(files[name])},
        )
        for name, program in PROGRAMS.items()
    ]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(TIMEOUT_SECONDS)
