"""Two hosts with a gateway of one Discord token: one is killed or stopped while it speaks, and the other goes on.

``python -m soak.gateway_takeover 5`` does so that often. Discord must have each message once and in order. A host that
was stopped must say nothing when it is continued.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import psutil

import fake_discord
from fake_discord import ANN, CHANNEL, TOKEN, FakeDiscord
from helpers.postgres_server import NoServer, running_server
from helpers.support import clean_environment
from teamsup.config.components import installed_components
from teamsup.hub import MessageHub, Team

_TIMEOUT_SECONDS = 60.0
_SETTLE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 0.3


class Speaker:
    """Has the gateway say one number after another, from another thread's hub."""

    def __init__(self, hub: MessageHub, chance: random.Random) -> None:
        self._hub = hub
        self._chance = chance
        self.sent: list[str] = []

    async def speak(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            text = str(len(self.sent))
            await asyncio.to_thread(self._hub.send, "gateway", text, conversation_id=f"discord:{CHANNEL}")
            self.sent.append(text)
            await asyncio.sleep(self._chance.uniform(0, _LONGEST_PAUSE_SECONDS))


def start_host(home: Path, address: str, discord: str) -> subprocess.Popen[bytes]:
    """Start the supervisor of a host that runs only the gateway."""
    team = team_of(home)
    team.folder.mkdir(mode=0o700, parents=True)
    quiet = "".join(f"[worker.{name}]\nautostart = false\n" for name in installed_components() if name != "gateway")
    team.configuration.write_text(
        f'[team]\nhub = "{address}"\nhost = "{home.name}"\nstandby = true\n[gateway]\nusers = [{ANN}]\n{quiet}'
    )
    folder = Path(fake_discord.__file__).parent
    return subprocess.Popen(
        [sys.executable, "-m", "teamsup.cli", "start", "--team", team.name],
        env={
            **clean_environment(),
            "TEAMSUP_HOME": str(home),
            "DISCORD_TOKEN": TOKEN,
            "FAKE_DISCORD": discord,
            "PYTHONPATH": f"{folder.parent}{os.pathsep}{folder / 'startup'}",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def team_of(home: Path) -> Team:
    return Team("crew", home / "crew")


def processes_of(supervisor: subprocess.Popen[bytes]) -> list[psutil.Process]:
    found = psutil.Process(supervisor.pid)
    return [found, *found.children(recursive=True)]


def send_signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)


async def take_over(home: Path, address: str, chance: random.Random) -> float:
    """Run one takeover, and return its seconds. Raise AssertionError if Discord has something twice or not at all."""
    async with AsyncExitStack() as stack:
        discord = await stack.enter_async_context(FakeDiscord())
        alpha = start_host(home / "alpha", address, discord.url)
        stack.callback(alpha.wait)
        stack.callback(alpha.kill)
        await discord.until(
            lambda: any(discord.gateway.live_sessions()), "alpha is connected", patience=_TIMEOUT_SECONDS
        )
        hub = stack.enter_context(MessageHub(team_of(home / "alpha"), agent="lead"))
        speaker = Speaker(hub, chance)
        # Another name of the same Discord: gateways of one host refuse to share it, and these are to be on two.
        beta = start_host(home / "beta", address, discord.url.replace("127.0.0.1", "localhost"))
        stack.callback(beta.wait)
        stack.callback(beta.terminate)
        await speaker.speak(_SETTLE_SECONDS + chance.random())
        fault = chance.choice([signal.SIGKILL, signal.SIGSTOP])
        before, began = processes_of(alpha), time.monotonic()
        send_signal(before, fault)
        await speaker.speak(1.0)

        def said() -> list[str]:
            messages = discord.world.channels[CHANNEL].messages.values()
            return [each.content.removeprefix("lead: ") for each in messages]

        await discord.until(lambda: len(said()) >= len(speaker.sent), "beta speaks", patience=_TIMEOUT_SECONDS)
        seconds = time.monotonic() - began
        send_signal(before[::-1], signal.SIGCONT)  # the gateway first, as if its supervisor came too late
        await speaker.speak(_SETTLE_SECONDS)
        await discord.until(lambda: len(said()) >= len(speaker.sent), "it speaks on", patience=_TIMEOUT_SECONDS)
        assert said() == speaker.sent, f"after {fault.name}: {said()}"
        print(f"{fault.name}: {len(speaker.sent)} messages, the other host spoke after {seconds:.1f} s", flush=True)
        return seconds


def run(times: int) -> int:
    chance = random.Random(times)  # noqa: S311
    try:
        with running_server() as server:
            for _ in range(times):
                with server.schema() as address, tempfile.TemporaryDirectory() as home:
                    asyncio.run(take_over(Path(home), address, chance))
    except NoServer as error:
        print(error)
    return 0


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1])))
