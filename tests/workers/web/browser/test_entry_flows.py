"""A person acts in the page, and the rest of the team learns it: on Discord, as an agent, in the lists."""

import asyncio
import json
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

import fake_discord
from fake_discord import ANN, CHANNEL, TOKEN, FakeDiscord
from helpers.browser import Browser
from helpers.support import TeamsupCommand, eventually
from teamsup.config.components import installed_tables
from teamsup.hub import MessageHub
from teamsup.workers.agent_runner.run_table import RunTable
from teamsup.workers.web.access.sessions import create_link

pytestmark = pytest.mark.slow  # a browser takes seconds

_FOLDER = Path(fake_discord.__file__).parent
_STAND_IN = Path(fake_discord.__file__).parents[1] / "helpers" / "stand_in_agent.py"


def post(port: int, **alert: object) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/script", json.dumps(alert).encode())
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - of ours
        assert answer.status == 200


def said(discord: FakeDiscord, words: str) -> list[fake_discord.FakeMessage]:
    """The messages on Discord with these words, in an embed or not."""
    return [
        message
        for message in discord.world.messages.values()
        if words in message.content + "".join(str(embed.get("description")) for embed in message.embeds)
    ]


def sign_in(browser: Browser, hub: MessageHub, person: str) -> None:
    """Open the page of a running team as that person."""

    def find_address() -> str:
        agent = hub.find_agent("web")
        return "" if agent is None else str(agent.metadata.get("address", ""))

    address = eventually(find_address, "the address of the page")
    browser.open(f"{address}/sign-in#{create_link(hub, person, time.time())}")
    browser.wait_for("live since", "#liveness")


@contextmanager
def open_hub(teamsup: TeamsupCommand, agent: str) -> Iterator[MessageHub]:
    with MessageHub(teamsup.team, agent=agent) as hub:
        for tables in installed_tables():
            hub.maintenance.use_component(tables)
        hub.register()
        yield hub


@pytest.fixture
def started(teamsup: TeamsupCommand) -> Iterator[Callable[[str], MessageHub]]:
    """Starts a team with these sections, and returns its hub as the agent lead has it."""
    with ExitStack() as stack:

        def start(toml: str) -> MessageHub:
            teamsup.team.folder.mkdir(parents=True)
            teamsup.team.configuration.write_text(f"[worker.fork-server]\nautostart = false\n{toml}")
            assert teamsup.run("start", "--detach").returncode == 0
            stack.callback(teamsup.run, "stop")
            return stack.enter_context(open_hub(teamsup, "lead"))

        yield start


async def test_an_incident_acknowledged_in_the_page_is_acknowledged_on_discord(
    browser: Browser,
    started: Callable[[str], MessageHub],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(TOKEN)
    toml = (
        f'[monitor-bridge]\nlisten = "127.0.0.1:{port}"\ncpu_percent = 100\nload_per_cpu = 0\n'
        f'[source.script]\nkind = "plain"\n[web]\noperators = ["ann"]\n'
        f'[gateway]\nusers = [{ANN}]\nhome_channel = {CHANNEL}\ntoken_file = "{token}"\n'
    )
    async with FakeDiscord() as discord:
        monkeypatch.setenv("FAKE_DISCORD", discord.url)
        monkeypatch.setenv("PYTHONPATH", f"{_FOLDER.parent}{os.pathsep}{_FOLDER / 'startup'}")
        hub = await asyncio.to_thread(started, toml)
        await discord.connected()
        await asyncio.to_thread(sign_in, browser, hub, "ann")
        await asyncio.to_thread(post, port, title="disk of db1 is full <script>alert(1)</script>", severity="critical")
        await asyncio.to_thread(browser.wait_for, "1 thing needs you", "#needs")
        await asyncio.to_thread(browser.wait_for, "disk of db1 is full <script>", "#need-incident-1")
        await discord.until(lambda: said(discord, "disk of db1 is full"), "the alert on Discord")
        (alert,) = said(discord, "disk of db1 is full")
        assert alert.components

        await asyncio.to_thread(browser.click, "#-incidents-1-ack")
        await asyncio.to_thread(browser.wait_for, "ann takes care of incident 1")
        await discord.until(lambda: said(discord, "ann takes care of incident 1"), "the others learn it")
        await discord.until(lambda: not alert.components, "nobody can press the button now")
        await asyncio.to_thread(
            browser.wait_until, lambda: "need" not in browser.text("#need-incident-1"), "it is over"
        )

        await asyncio.to_thread(browser.open, browser.driver.current_url.split("?")[0].rstrip("/") + "/incidents/1")
        await asyncio.to_thread(browser.wait_for, "ann acknowledged it.")
        assert [error for error in browser.errors() if "favicon" not in error] == []


def test_a_decision_made_in_the_page_reaches_the_agent(browser: Browser, started: Callable[[str], MessageHub]) -> None:
    lead = started('[web]\noperators = ["ann"]\n')
    sign_in(browser, lead, "ann")
    options = {"options": ["grow it", "wait"], "default": "wait"}
    asked = lead.send("user_comm", "Grow the volume?", message_type="opinion_request", metadata=options, expires_in=600)
    browser.wait_for("Grow the volume?", "#needs")
    browser.wait_for("then wait counts", "#needs")

    browser.click(f"#-decisions-{asked.id}-option-0")
    browser.wait_for(f"ann has decided #{asked.id}: grow it")
    assert lead.wait(20)
    (answer,) = lead.claim()
    assert (answer.message.content, answer.message.metadata["by"]) == ("grow it", "ann")
    browser.wait_until(lambda: "Grow the volume?" not in browser.text("#needs"), "it is decided")


def test_a_run_is_stopped_in_the_page_after_a_question(
    browser: Browser, started: Callable[[str], MessageHub], tmp_path: Path
) -> None:
    command = json.dumps([sys.executable, "-S", str(_STAND_IN)])
    environment = f'{{ SIGNS = "{tmp_path}", EFFECTS = "{tmp_path / "effects"}" }}'
    lead = started(
        f'[web]\noperators = ["ann"]\n[agent.gcp]\nstart = ["message"]\n'
        f"command = {command}\nenvironment = {environment}\n"
    )
    lead.enroll("gcp")
    lead.send("gcp", "wait never")
    eventually(lambda: RunTable(lead).latest(state="running"), "it runs")
    sign_in(browser, lead, "ann")
    browser.click("#to-runs")
    browser.wait_for("wait never", "main")
    browser.open(f"{browser.driver.current_url.split('?')[0]}/1")
    browser.click("#-runs-1-stop")
    browser.wait_for("Its processes end.")
    assert RunTable(lead).latest()[0].state == "running"

    browser.click("#confirm")
    browser.wait_for("Run 1 of gcp is being stopped.")
    run = eventually(partial(_stopped, lead), "the run is stopped")
    assert run == "ann stopped it"


def _stopped(hub: MessageHub) -> str:
    run = RunTable(hub).latest()[0]
    return run.reason if run.state == "stopped" else ""
