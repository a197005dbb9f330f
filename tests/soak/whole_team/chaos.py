"""Disturb the team at random moments. The same seed gives the same faults in the same order."""

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import psutil

from .rig import TeamRig

_JUMPS = (-3600.0, -90.0, -5.0, 5.0, 90.0, 3600.0)
"""Seconds by which the clock is wrong after a jump; the next jump may set it right."""
_RESTART_SECONDS = 1.0
"""Time until a dead supervisor or server is started again, as with RestartSec of systemd."""
_LOOKS_FOR_RUN = 100


@dataclass(frozen=True)
class Fault:
    """One disturbance of the team."""

    seconds: float
    kind: str
    victim: str


@dataclass
class Chaos:
    """Causes every kind of fault once in each round, in random order and at random moments."""

    rig: TeamRig
    chance: random.Random
    every_seconds: float
    began: float
    faults: list[Fault] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Kinds that are not possible here, with the reason."""

    def kinds(self) -> dict[str, Callable[[], Awaitable[str]]]:
        """Return the faults that are possible here, by name."""
        found: dict[str, Callable[[], Awaitable[str]]] = {
            "worker killed": self._kill_worker,
            "worker stopped and continued": self._stop_worker,
            "session's server killed": self._kill_session,
            "run killed": self._kill_run,
            "supervisor killed": self._kill_supervisor,
            "clock jump": self._jump_clock,
            "Discord's sockets cut": self._cut_discord,
        }
        if self.rig.is_disk_small:
            found["disk full"] = self._fill_disk
        else:
            self.skipped["disk full"] = "needs the right to mount a tmpfs"
        if self.rig.server is not None and self.rig.server.process is not None:
            found["server's sockets cut"] = self._cut_server
            found["server killed"] = self._kill_server
        elif self.rig.server is not None:
            self.skipped["server killed"] = "the server is not ours"
        return found

    @property
    def counts(self) -> Counter[str]:
        return Counter(fault.kind for fault in self.faults)

    async def run(self) -> None:
        """Go on until cancelled."""
        kinds = self.kinds()
        while True:
            names = sorted(kinds)
            self.chance.shuffle(names)
            for name in names:
                await asyncio.sleep(self.chance.uniform(0.5, 1.5) * self.every_seconds)
                if victim := await kinds[name]():
                    self.faults.append(Fault(time.monotonic() - self.began, name, victim))
                await asyncio.sleep(_RESTART_SECONDS)
                await asyncio.to_thread(self.rig.revive)

    def _choose(self, found: dict[str, psutil.Process]) -> tuple[str, psutil.Process] | None:
        return (name, found[name]) if found and (name := self.chance.choice(sorted(found))) else None

    def _workers(self) -> dict[str, psutil.Process]:
        return {name: process for name, process in self.rig.workers().items() if name != "supervisor"}

    async def _kill_worker(self) -> str:
        return self._kill(self._choose(self._workers()))

    async def _kill_session(self) -> str:
        return self._kill(self._choose(self.rig.sessions()))

    async def _kill_run(self) -> str:
        for _ in range(_LOOKS_FOR_RUN):
            with contextlib.suppress(Exception):  # the store may be away
                if found := await asyncio.to_thread(self.rig.runs):
                    return self._kill(self._choose(found))
            await asyncio.sleep(0.1)
        return ""

    def _kill(self, victim: tuple[str, psutil.Process] | None) -> str:
        if victim is None:
            return ""
        with contextlib.suppress(psutil.Error):
            victim[1].kill()
            return victim[0]
        return ""

    async def _stop_worker(self) -> str:
        if (victim := self._choose(self._workers())) is None:
            return ""
        name, process = victim
        try:
            with contextlib.suppress(psutil.Error):
                process.suspend()
                await asyncio.sleep(self.chance.uniform(0.2, 4.0))
        finally:
            with contextlib.suppress(psutil.Error):
                process.resume()
        return name

    async def _kill_supervisor(self) -> str:
        await asyncio.to_thread(self.rig.kill_supervisor)
        return "supervisor"

    async def _jump_clock(self) -> str:
        offset = self.chance.choice([*_JUMPS, 0.0])
        self.rig.clock.jump(offset)
        return f"{offset:+.0f} s"

    async def _cut_discord(self) -> str:
        trouble = self.chance.choice(
            (self.rig.discord.cut, self.rig.discord.forget_sessions, self.rig.discord.ask_to_reconnect)
        )
        await trouble()
        return trouble.__name__

    async def _fill_disk(self) -> str:
        with self.rig.filled_disk():
            await asyncio.sleep(self.chance.uniform(0.5, 3.0))
        return "disk"

    async def _cut_server(self) -> str:
        assert self.rig.server is not None

        def cut() -> None:
            with self.rig.server.connect() as connection:  # type: ignore[union-attr]
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )

        with contextlib.suppress(Exception):  # it may be starting again
            await asyncio.to_thread(cut)
        return "all connections"

    async def _kill_server(self) -> str:
        assert self.rig.server is not None
        await asyncio.to_thread(self.rig.server.stop, signal.SIGKILL)
        await asyncio.sleep(self.chance.uniform(0.0, _RESTART_SECONDS))
        await asyncio.to_thread(self.rig.server.start)
        return "postgres"

    async def calm(self) -> None:
        """Undo what lasts: the clock is right, the faults of Discord are over, and everything runs."""
        self.rig.clock.jump(0.0)
        self.rig.discord.faults.clear()
        await asyncio.to_thread(self.rig.revive)
