"""The gateway, killed every few seconds while Discord and the network fail, and the books on what was answered.

``python -m workers.gateway.hammer 1000`` lets people write that many messages.
"""

import asyncio
import contextlib
import logging
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fake_discord import BOT, GUILD, FakeDiscord
from helpers.gateway_process import start_gateway, wait_until_connected
from teamsup.hub import MessageHub, StaleLease, StoreError, Team

_CHANNELS = 20
_PEOPLE = 5
_PATIENCE = 90.0
_TOML = f"[gateway]\nguilds = [{GUILD}]\nmessages_per_minute = 1000\ncatch_up_messages = 100000\n"


@dataclass(frozen=True)
class GatewayTally:
    """What people wrote and what they read, channel by channel."""

    asked: int
    kills: int
    seconds: float
    unanswered: int
    answered_twice: int
    out_of_order: int
    not_understood: list[str]
    troubles: Counter[str] = field(default_factory=Counter)

    @property
    def balanced(self) -> bool:
        return not (self.unanswered or self.answered_twice or self.out_of_order or self.not_understood)


async def hammer(team: Team, messages: int, *, every: float = 4.0, pause: float = 0.05, seed: int = 0) -> GatewayTally:
    """People write so many messages, one each ``pause`` seconds; the gateway is killed about ``every`` seconds."""
    team.create()
    team.configuration.write_text(_TOML)
    chance = random.Random(seed)  # noqa: S311
    began = time.monotonic()
    async with FakeDiscord(seed=seed) as discord:
        channels = [await discord.add_channel(f"channel-{number}") for number in range(_CHANNELS)]
        people = [await discord.add_person(f"Person {number}") for number in range(_PEOPLE)]
        plan_faults(discord)
        with MessageHub(team, agent="user_comm", durability="normal") as user_comm:
            user_comm.register()
            answering = asyncio.create_task(_answer_questions(user_comm))
            troubling = asyncio.create_task(_disrupt(discord, chance))
            killing = _RepeatedKills(team, discord, every, chance)
            try:
                # What was said before the bot was ever there is not for it.
                await wait_until_connected(user_comm)
                asked: dict[int, list[str]] = {channel: [] for channel in channels}
                for number in range(messages):
                    channel = chance.choice(channels)
                    asked[channel].append(f"question {number}")
                    await discord.say(f"question {number}", channel=channel, author=chance.choice(people))
                    await asyncio.sleep(pause)
                troubling.cancel()
                await killing.end()
                discord.faults.clear()
                await _wait_until_answered(discord, asked)
            finally:
                for task in (answering, troubling):
                    task.cancel()
                await asyncio.wait((answering, troubling))
                await killing.end()
                killing.stop()
        return await _count_answers(discord, asked, killing.kills, time.monotonic() - began)


def plan_faults(discord: FakeDiscord) -> None:
    """Let some requests and events fail, as Discord and the network do."""
    for kind, share in (
        ("lost reply", 0.04),
        ("reset", 0.04),
        ("503 after", 0.03),
        ("503 before", 0.03),
        ("429", 0.03),
    ):
        discord.faults.add(kind, "POST /channels/*/messages", times=None, chance=share, seconds=0.3)  # type: ignore[arg-type]
    for kind in ("503 before", "reset"):
        discord.faults.add(kind, "GET /channels/*/messages", times=None, chance=0.03)  # type: ignore[arg-type]
    discord.faults.add("refuse", "op RESUME", times=None, chance=0.3)
    discord.faults.add("close", "op RESUME", times=None, chance=0.1, code=4009)
    for kind in ("drop", "twice", "reconnect"):
        discord.faults.add(kind, "event MESSAGE_CREATE", times=None, chance=0.003)  # type: ignore[arg-type]


async def _disrupt(discord: FakeDiscord, chance: random.Random) -> None:
    while True:
        await asyncio.sleep(chance.uniform(3.0, 6.0))
        trouble = chance.choice((discord.cut, discord.forget_sessions, discord.ask_to_reconnect))
        await trouble()
        discord.faults.happened[trouble.__name__.replace("_", " ")] += 1


async def _answer_questions(user_comm: MessageHub) -> None:
    """What user_comm would do, as fast as it can."""
    while True:
        await user_comm.wait_async(1.0)
        with contextlib.suppress(StoreError, StaleLease):
            for delivery in await asyncio.to_thread(user_comm.claim, 10):
                text = f"answer to {delivery.message.content.splitlines()[0]}"
                if delivery.message.sender == "gateway" and delivery.message.reply_to is None:
                    await asyncio.to_thread(user_comm.reply, delivery, text)
                else:
                    await asyncio.to_thread(user_comm.acknowledge, delivery)


class _RepeatedKills:
    """A gateway that is killed and started again, over and over, until the end; the last one stays."""

    def __init__(self, team: Team, discord: FakeDiscord, every: float, chance: random.Random) -> None:
        self._team, self._discord, self._every, self._chance = team, discord, every, chance
        self._process: subprocess.Popen[bytes] | None = start_gateway(team, discord)
        self.kills = 0
        self._task = asyncio.create_task(self._run())

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))
        if self._process is None:
            self._process = start_gateway(self._team, self._discord)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every * self._chance.uniform(0.5, 1.5))
            assert self._process is not None
            process, self._process = self._process, None
            process.kill()
            process.wait(10)
            self.kills += 1
            await asyncio.sleep(self._chance.uniform(0.0, 0.5))
            self._process = start_gateway(self._team, self._discord)


async def _wait_until_answered(discord: FakeDiscord, asked: dict[int, list[str]]) -> None:
    """Or until nothing has happened for so long that nothing will."""
    wanted, last, since = sum(map(len, asked.values())), -1, time.monotonic()
    while time.monotonic() - since < _PATIENCE:
        said = sum([len(await discord.said(channel)) for channel in asked])
        if said >= wanted:
            await asyncio.sleep(2.0)  # for what comes twice
            return
        if said != last:
            last, since = said, time.monotonic()
        await asyncio.sleep(0.1)


async def _count_answers(discord: FakeDiscord, asked: dict[int, list[str]], kills: int, seconds: float) -> GatewayTally:
    unanswered = twice = disorder = 0
    strange: list[str] = []
    for channel, questions in asked.items():
        wanted = [f"answer to {question}" for question in questions]
        said = await discord.said(channel, author=BOT)
        counted = Counter(said)
        strange += [text for text in said if text not in wanted]
        unanswered += sum(text not in counted for text in wanted)
        twice += sum(times - 1 for text, times in counted.items() if text in wanted)
        # The first time each was said, held against the order of asking.
        firsts = list(dict.fromkeys(text for text in said if text in wanted))
        disorder += sum(one != other for one, other in zip(firsts, (t for t in wanted if t in counted), strict=True))
    total = sum(map(len, asked.values()))
    return GatewayTally(total, kills, seconds, unanswered, twice, disorder, strange, discord.faults.happened)


def main() -> None:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    # What this Discord could not make out of a request that was cut off by a kill.
    logging.basicConfig(level=logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        books = asyncio.run(hammer(Team("crew", Path(folder) / "crew"), messages))
    print(
        f"{books.asked} messages in {_CHANNELS} channels in {books.seconds:.0f} s, gateway killed {books.kills} times: "
        f"{books.unanswered} unanswered, {books.answered_twice} answered twice, {books.out_of_order} out of order"
    )
    for trouble, times in sorted(books.troubles.items()):
        print(f"{times:6} x {trouble}")
    for text in books.not_understood:
        print(f"not asked for: {text}")
    sys.exit(not books.balanced)


if __name__ == "__main__":
    main()
