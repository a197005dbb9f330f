"""Runs the command of last resort when the team itself cannot tell anybody: its hub or monitor-bridge fails."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

from teamsup.hub import Team
from teamsup.hub.last_resort import environment_of_ours
from teamsup.hub.sections import MonitorSection
from teamsup.hub.wording import duration

from .lifecycle import State
from .limits import give_back
from .member import Member

_LATE = 1.5
_SHORTEST_SECONDS = 10.0
"""A start may take so long."""
_MORE_SECONDS = 10.0
"""So long the process that runs the command may take besides."""
_AGAIN_SECONDS = 60.0


class Alarm:
    """What was observed of one outage. ``say`` keeps a line in the log."""

    def __init__(self, team: Team, say: Callable[[str], None]) -> None:
        self._team = team
        self._say = say
        self._looked_at = time.monotonic()
        self._seconds = 0.0
        self._again_at = 0.0
        self._is_raised = False
        self._running: asyncio.Task[None] | None = None

    def look(
        self, reason: str, section: MonitorSection, usual: float, environment: Callable[[], Mapping[str, str]]
    ) -> None:
        """Run the command once an outage has been observed for ``act_seconds``, and once only unless it fails.

        ``reason`` is a sentence, empty when all is well; ``usual`` is the time between two looks in seconds.
        """
        now = time.monotonic()
        passed, self._looked_at = min(now - self._looked_at, _LATE * usual), now
        if not reason:
            self._seconds, self._is_raised = 0.0, False
            return
        self._seconds += passed
        patience = max(section.act_seconds, _SHORTEST_SECONDS)
        if not section.command or self._is_raised or self._seconds < patience or now < self._again_at:
            return
        self._is_raised = True
        self._running = asyncio.create_task(self._raise(reason, section, environment()))

    async def finish(self) -> None:
        """Return once no command runs that was begun."""
        if self._running is not None:
            await self._running

    async def _raise(self, reason: str, section: MonitorSection, environment: Mapping[str, str]) -> None:
        if failure := await self._run(reason, section, environment):
            self._say(f"the command of [monitor-bridge] failed and is run again: {failure}")
            self._is_raised, self._again_at = False, time.monotonic() + _AGAIN_SECONDS

    async def _run(self, reason: str, section: MonitorSection, environment: Mapping[str, str]) -> str:
        text = (
            f"Team {self._team.name} cannot pass on alerts for {duration(self._seconds)}: {reason} "
            "No alert reaches anybody until that is mended."
        )
        self._say(f"the command of [monitor-bridge] is run: {reason}")
        try:
            # Its exit code goes to whoever reaps the children, so what counts is what it prints.
            ran = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "teamsup.hub.last_resort", str(section.command_seconds), *section.command],
                input=text.encode(),
                stdout=subprocess.PIPE,
                timeout=section.command_seconds + _MORE_SECONDS,
                check=False,
                env={**environment, **environment_of_ours(reason)},
                start_new_session=True,
                preexec_fn=partial(give_back, is_ours=False),
            )
        except Exception as error:
            # Whatever it is, it is tried again.
            return str(error)
        return ran.stdout.decode(errors="replace").strip()


def trouble_of(bridge: Member | None, act_seconds: float, now: float) -> str:
    """Return why monitor-bridge does not work, as a sentence; empty if it does or is not wanted. Pure.

    One that has died in between must have run for a while to count as well again.
    """
    if bridge is None or not bridge.wanted:
        return ""
    process = bridge.process
    steady = min(bridge.program.policy.healthy_seconds, act_seconds / 2)
    is_steady = not process.failures or (process.ready_at is not None and now - process.ready_at >= steady)
    if process.state is State.RUNNING and is_steady:
        return ""
    return f"monitor-bridge does not run: {(process.reason or process.state).rstrip('.')}."
