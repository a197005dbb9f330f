"""One run on one engine: traffic and chaos, then quiet, then the balance sheet."""

import asyncio
import contextlib
import os
import platform
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from fake_discord import FakeDiscord
from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub, StoreError
from workers.gateway.hammer import plan_faults

from .alert_sources import AlertSources
from .balance_sheet import BalanceSheet
from .book import Book
from .chaos import Chaos
from .growth import FLAT_FILES, FLAT_MIB, measure_growth
from .mcp_agents import McpAgents
from .people import People
from .programs import Browser, Clerk, SqlWriter
from .rig import TeamRig, open_rig
from .sampler import Sampler

_BLOWS_PER_MINUTE = 12
_PER_MINUTE = {"people": 30, "alerts": 15, "talk": 20, "runs": 6, "rows": 40}
"""How much of each kind is sent in a minute, if the machine can follow."""
_FAR_BEHIND = 12
"""Nobody sends more of a kind while so many of it are under way: a busy machine gets less to do, not a longer queue."""
_BROWSERS = 2
_PATIENCE_SECONDS = 150.0
"""The quiet time ends when everything has arrived, or when nothing has arrived for so long. Several leases and pauses
after failures may have to end one after another."""
_LOOK_SECONDS = 2.0
_PROGRESS_SECONDS = 15.0
_START_SECONDS = 90.0
_SETTLE_SECONDS = 45.0


@dataclass
class SoakRun:
    """The parts of a run, while it lasts."""

    rig: TeamRig
    seed: int
    say: Callable[[str], None]
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by Ctrl-C."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311
        self.people = People(self.rig.discord, random.Random(self.seed + 1))  # noqa: S311
        self.alerts = AlertSources(self.rig.team, self.rig.alert_port)
        self.agents = McpAgents(self.rig.team, self.rig.variables, self.people.book, self.alerts)
        self.writer = SqlWriter(self.rig)

    async def run(self, seconds: float) -> tuple[BalanceSheet, dict[str, Any]]:
        """Return the sheet, and what a plot needs besides."""
        await self.people.arrive()
        self.rig.start_supervisor()
        await self._wait_until_started()
        self.clerk = Clerk(self.rig)
        began = time.monotonic()
        sampler = Sampler(self.rig, began, lambda: {book.kind: len(book.first_seen) for book in self.books})
        chaos = Chaos(self.rig, self.chance, 60 / _BLOWS_PER_MINUTE - 1, began)
        browsers = [Browser(self.rig) for _ in range(_BROWSERS)]
        sessions = self.agents.tasks()
        looking = asyncio.create_task(self._look(sampler, chaos))
        # The bot answers what is said after its first visit to a channel.
        await self.rig.discord.until(
            lambda: self.ending.is_set() or any(each.send for each in self.rig.discord.gateway.live_sessions()),
            "the gateway is connected",
            patience=_START_SECONDS,
        )
        plan_faults(self.rig.discord)
        striking = asyncio.create_task(chaos.run())
        sending = [asyncio.create_task(act) for act in self._traffic()]
        await self._until(time.monotonic() + seconds)
        traffic_seconds = time.monotonic() - began
        for task in (striking, *sending):
            task.cancel()
        for result in await asyncio.gather(striking, *sending, return_exceptions=True):
            if isinstance(result, Exception):
                self.say(f"a part of the harness failed: {result!r}")
                raise result
        await chaos.calm()
        calmed = time.monotonic()
        dead = await self._become_quiet(browsers, calmed)
        quiet_seconds = time.monotonic() - calmed
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        problems = await self._settle_problems()
        if not self.ending.is_set():
            problems += [
                f"the page of browser {number} got no event after the chaos"
                for number, browser in enumerate(browsers)
                if browser.last_event < calmed
            ]
        for task in sessions:
            task.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
        await self.alerts.end()
        for close in (self.clerk.close, self.writer.close, *(browser.close for browser in browsers)):
            await asyncio.to_thread(close)
        await asyncio.to_thread(self.rig.stop)
        sheet = BalanceSheet(
            engine=self.rig.engine,
            seed=self.seed,
            seconds=traffic_seconds,
            quiet_seconds=quiet_seconds,
            machine=describe_machine(),
            rows=[book.close(is_interrupted=self.ending.is_set()) for book in self.books],
            chaos_faults=dict(chaos.counts),
            skipped=chaos.skipped,
            restarts={name: len(pids) - 1 for name, pids in self.rig.seen_processes.items()},
            sessions=self.agents.sessions,
            dead_letters=dead,
            left_processes=await asyncio.to_thread(self.rig.left_processes),
            left_files=self.rig.left_files(),
            problems=problems,
            growth=[
                *measure_growth(sampler.memory, "MiB", FLAT_MIB),
                *measure_growth([each for each in sampler.files if each.name == "files"], "files", FLAT_FILES),
                *measure_growth([each for each in sampler.files if each.name != "files"], "MiB", FLAT_MIB),
            ],
            bytes_per_message=sampler.bytes_per_message(),
            is_interrupted=self.ending.is_set(),
            notes={
                "alerts sent again": self.alerts.repeated,
                "events of pages": sum(each.events for each in browsers),
                "streams of pages": sum(each.connections for each in browsers),
                "faults of Discord": sum(self.rig.discord.faults.happened.values()),
            },
        )
        faults = [
            {"seconds": round(each.seconds, 1), "kind": each.kind, "victim": each.victim} for each in chaos.faults
        ]
        return sheet, {"series": sampler.series, "chaos_faults": faults, "troubles": self.agents.troubles}

    @property
    def books(self) -> list[Book]:
        return [self.people.book, self.alerts.book, self.agents.book, self.clerk.book, self.writer.book]

    def _traffic(self) -> list[Any]:
        async def talk() -> None:
            self.agents.to_send += 1

        async def begin_problem() -> None:
            self.alerts.begin_problem()

        async def begin_run() -> None:
            await asyncio.to_thread(self.clerk.begin_run)

        async def write_row() -> None:
            await asyncio.to_thread(self.writer.write)

        acts = {"people": self.people.ask, "alerts": begin_problem, "talk": talk, "runs": begin_run, "rows": write_row}
        books = dict(zip(acts, self.books, strict=True))
        return [self._repeat(act, 60 / _PER_MINUTE[name], books[name]) for name, act in acts.items()]

    async def _repeat(self, act: Callable[[], Any], pause: float, book: Book) -> None:
        chance = random.Random(self.chance.random())  # noqa: S311
        while True:
            if len(book.unfinished()) < _FAR_BEHIND:
                await act()
            await asyncio.sleep(pause * chance.uniform(0.3, 1.7))

    async def _until(self, moment: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ending.wait(), max(moment - time.monotonic(), 0))

    async def _wait_until_started(self) -> None:
        ends = time.monotonic() + _START_SECONDS
        while not self.ending.is_set() and "ready in" not in await asyncio.to_thread(
            self.rig.teamsup.log, "supervisor"
        ):
            if time.monotonic() > ends or (self.rig.supervisor is not None and self.rig.supervisor.poll() is not None):
                raise TimeoutError(f"The team did not start: {self.rig.read_output()[-1000:]}")
            await asyncio.sleep(0.1)

    def _look_at_ends(self) -> None:
        """Read what has arrived at the receiving ends. A store that is away is looked at again later."""
        for look in (self.people.look, self.writer.look, self.alerts.look, self.clerk.look):
            with contextlib.suppress(Exception):
                look()

    async def _look(self, sampler: Sampler, chaos: Chaos) -> None:
        said = time.monotonic()
        while True:
            await asyncio.to_thread(sampler.look)
            await asyncio.to_thread(self._look_at_ends)
            if time.monotonic() - said > _PROGRESS_SECONDS:
                said = time.monotonic()
                await asyncio.to_thread(sampler.look_at_store)
                counts = ", ".join(f"{book.kind} {len(book.first_seen)}/{len(book.sent)}" for book in self.books)
                self.say(f"{said - sampler.began:5.0f} s: {counts}; {len(chaos.faults)} faults")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _become_quiet(self, browsers: list[Browser], calmed: float) -> int:
        """Wait until everything has arrived, or nothing does any more. Return the dead letters tried again."""
        last, since, dead = -1, time.monotonic(), 0
        while not self.ending.is_set() and time.monotonic() - since < _PATIENCE_SECONDS:
            await asyncio.to_thread(self.rig.revive)
            await asyncio.to_thread(self._look_at_ends)
            dead += await asyncio.to_thread(self._retry_dead_letters)
            with contextlib.suppress(Exception):
                await asyncio.to_thread(self.writer.look_for_unwritten)
            missing = sum(len(book.unfinished()) for book in self.books)
            if not missing and all(browser.last_event > calmed for browser in browsers):
                await asyncio.sleep(_LOOK_SECONDS)  # for what comes twice
                await asyncio.to_thread(self._look_at_ends)
                break
            if missing != last:
                last, since = missing, time.monotonic()
            await self._until(time.monotonic() + 0.5)
        return dead

    def _retry_dead_letters(self) -> int:
        tried = 0
        with contextlib.suppress(StoreError), MessageHub(self.rig.team, agent="clerk") as hub:
            for letter in hub.queries.dead_letters():
                tried += hub.maintenance.retry(letter.message.message_id, letter.recipient)
        return tried

    async def _settle_problems(self) -> list[str]:
        """Return what is still wrong after some time: a worker says a little later that it is well again."""
        ends = time.monotonic() + _SETTLE_SECONDS
        while (found := await asyncio.to_thread(self._find_problems)) and time.monotonic() < ends:
            await self._until(time.monotonic() + 1)
            if self.ending.is_set():
                break
        return found

    def _find_problems(self) -> list[str]:
        with MessageHub(self.rig.team, agent="clerk") as hub:
            found = hub.maintenance.check_integrity()
        rows = run_foreign_sql(
            self.rig.team,
            "SELECT agent_name FROM agent_status WHERE status = 'degraded'",
        )
        return [*found, *(f"{name} is degraded after the chaos" for (name,) in rows)]


def describe_machine() -> str:
    """Return the machine in one line, with its load: other work shows in it."""
    memory = psutil.virtual_memory().total / (1 << 30)
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, {platform.system()}"
        f" {platform.release().split('-')[0]}, load {os.getloadavg()[0]:.1f}"
    )


async def run_engine(
    engine: str, seconds: float, seed: int, say: Callable[[str], None], logs: Path | None = None
) -> tuple[BalanceSheet, dict[str, Any]]:
    """Run on one engine, and copy the logs of its team into a folder. Raise NoServer."""
    async with FakeDiscord(seed=seed) as discord:
        with open_rig(engine, discord) as rig:
            run = SoakRun(rig, seed, say)
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, run.ending.set)
            try:
                return await run.run(seconds)
            finally:
                if logs is not None:
                    await asyncio.to_thread(rig.copy_logs, logs / engine)
