"""The gateway's own process between a Discord on loopback and the hub: how fast, how much, and how large it grows.

Needs tests/ on the path: ``PYTHONPATH=tests python -m benchmarks.discord_gateway``.
"""

import asyncio
import contextlib
import math
import random
import statistics
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import psutil

from fake_discord import GUILD, FakeDiscord
from helpers.gateway_process import running_gateway, wait_until_connected
from teamsup.hub import MessageHub, Team

_MESSAGES = 300
_PER_SECOND, _SECONDS = 50, 20
_HOUR = 3600  # messages: one a second for an hour
_PEOPLE = _CHANNELS = 20
_TOML = f"[gateway]\nguilds = [{GUILD}]\nmessages_per_minute = 1000\n"


class _Reader(threading.Thread):
    """user_comm's place: notes when each message has arrived in the hub, and answers where it shall."""

    def __init__(self, team: Team, *, answers: bool = False) -> None:
        super().__init__(daemon=True)
        self._team, self._answers = team, answers
        self.arrived: dict[str, float] = {}
        self._end = threading.Event()

    def run(self) -> None:
        with MessageHub(self._team, agent="user_comm") as hub:
            hub.register("daemon")
            while not self._end.is_set():
                if not hub.wait(0.2):
                    continue
                now = time.monotonic()
                for delivery in hub.claim(100):
                    self.arrived[delivery.message.message_id] = now
                    if self._answers:
                        hub.reply(delivery, f"answer to {delivery.message.content}")
                    else:
                        hub.acknowledge(delivery)

    def end(self) -> None:
        self._end.set()
        self.join()


class _Scene:
    """A Discord with many channels and people, and the gateway connected to it."""

    def __init__(self, discord: FakeDiscord, hub: MessageHub, process: psutil.Process) -> None:
        self.discord, self.hub, self.process = discord, hub, process
        self.channels: list[int] = []
        self.people: list[int] = []
        self._chance = random.Random(0)  # noqa: S311

    async def say(self, text: str) -> tuple[str, float]:
        """The message's identity, and when Discord had it: its own time is not the gateway's."""
        number = await self.discord.say(
            text, channel=self._chance.choice(self.channels), author=self._chance.choice(self.people)
        )
        return f"discord:{number}", time.monotonic()

    async def pause(self, longest: float) -> None:
        await asyncio.sleep(self._chance.uniform(longest / 2, longest))

    def mib(self) -> float:
        return self.process.memory_info().rss / 2**20


@contextlib.asynccontextmanager
async def _scene() -> AsyncIterator[tuple[Team, _Scene]]:
    with tempfile.TemporaryDirectory() as folder:
        team = Team("crew", Path(folder) / "crew")
        async with FakeDiscord() as discord, running_gateway(team, discord, _TOML) as process:
            with MessageHub(team, agent="lead") as hub:
                hub.register("daemon")  # an agent's name would stand before its words
                hub.enroll("user_comm", "daemon")
                scene = _Scene(discord, hub, psutil.Process(process.pid))
                scene.channels = [await discord.add_channel(f"channel-{number}") for number in range(_CHANNELS)]
                scene.people = [await discord.add_person(f"Person {number}") for number in range(_PEOPLE)]
                await wait_until_connected(hub)
                await asyncio.sleep(2)  # until it has caught up everywhere
                yield team, scene


async def _until(condition: Callable[[], bool], patience: float = 60.0) -> None:
    ends = time.monotonic() + patience
    while not condition() and time.monotonic() < ends:  # noqa: ASYNC110 - Discord's world rings no bell
        await asyncio.sleep(0.01)


async def latency_in() -> list[float]:
    """Milliseconds from Discord's event until a reader of the hub has it."""
    async with _scene() as (team, scene):
        reader = _Reader(team)
        reader.start()
        said = {}
        for number in range(_MESSAGES + 10):
            name, at = await scene.say(f"message {number}")
            said[name] = at
            await scene.pause(0.05)
        await _until(lambda: len(reader.arrived) >= len(said))
        reader.end()
        return [(reader.arrived[name] - at) * 1000 for name, at in list(said.items())[10:] if name in reader.arrived]


async def latency_out() -> list[float]:
    """Milliseconds from a send in the hub until Discord has the message."""
    async with _scene() as (_, scene):
        sent = {}
        for number in range(_MESSAGES + 10):
            channel = scene.channels[number % _CHANNELS]
            sent[f"message {number}"] = time.monotonic()
            await asyncio.to_thread(
                scene.hub.send, "gateway", f"message {number}", conversation_id=f"discord:{channel}"
            )
            await scene.pause(0.05)
        arrived: dict[str, float] = {}

        def all_there() -> bool:
            messages = scene.discord.world.messages.values()
            arrived.update({message.content: message.arrived for message in messages})
            return len(arrived) >= len(sent)

        await _until(all_there)
        return [(arrived[text] - at) * 1000 for text, at in list(sent.items())[10:] if text in arrived]


async def load() -> tuple[list[float], float]:
    """Milliseconds of each of many messages in a row, and seconds until the last was in the hub."""
    async with _scene() as (team, scene):
        reader = _Reader(team)
        reader.start()
        said, began = {}, time.monotonic()
        for number in range(_PER_SECOND * _SECONDS):
            await asyncio.sleep(began + number / _PER_SECOND - time.monotonic())
            name, at = await scene.say(f"message {number}")
            said[name] = at
        ended = time.monotonic()
        await _until(lambda: len(reader.arrived) >= len(said))
        behind = time.monotonic() - ended
        reader.end()
        lost = len(said) - len(reader.arrived)
        return [
            (reader.arrived[name] - at) * 1000 for name, at in said.items() if name in reader.arrived
        ], math.inf if lost else behind


async def memory() -> tuple[float, float, float, float]:
    """MiB when it has just connected, after a tenth of an hour's traffic with answers, and after all of it; seconds."""
    async with _scene() as (team, scene):
        reader = _Reader(team, answers=True)
        reader.start()
        at_first, early, began = scene.mib(), 0.0, time.monotonic()
        for number in range(_HOUR):
            await asyncio.sleep(began + number / _PER_SECOND - time.monotonic())
            await scene.say(f"message {number}")
            if number == _HOUR // 10:
                early = scene.mib()
        world = scene.discord.world
        await _until(lambda: len(world.messages) >= 2 * _HOUR, patience=300)
        seconds = time.monotonic() - began
        reader.end()
        return at_first, early, scene.mib(), seconds


def _both(milliseconds: Sequence[float]) -> str:
    ordered = sorted(milliseconds)
    return f"p50 {statistics.median(ordered):7.1f} ms   p99 {ordered[round(0.99 * (len(ordered) - 1))]:7.1f} ms"


def main() -> None:
    print(f"{'Discord event -> reader of the hub':40} {_both(asyncio.run(latency_in()))}", flush=True)
    print(f"{'send in the hub -> Discord has it':40} {_both(asyncio.run(latency_out()))}", flush=True)
    figures, behind = asyncio.run(load())
    title = f"{_PER_SECOND} messages/s in, for {_SECONDS} s"
    print(f"{title:40} {_both(figures)}   the last {behind * 1000:.0f} ms behind", flush=True)
    first, early, late, seconds = asyncio.run(memory())
    title = f"{_HOUR} messages with answers, in {seconds:.0f} s"
    print(f"{title:40} {first:.0f} MiB at first, {early:.0f} after a tenth, {late:.0f} MiB in the end", flush=True)


if __name__ == "__main__":
    main()
