"""Runs the command of last resort when the team itself cannot tell anybody: its hub or monitor-bridge fails."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

from teamsup.config.sections import MonitorSection
from teamsup.hub import Team
from teamsup.terminal.command_hook import team_variables
from teamsup.terminal.formatting import format_duration

from ..processes.lifecycle import State
from ..processes.managed_process import ManagedProcess
from ..processes.resource_limits import restore_limits

_MAX_INTERVAL_RATIO = 1.5
_MIN_OUTAGE_SECONDS = 10.0
"""A start may take so long."""
_TIMEOUT_MARGIN_SECONDS = 10.0
"""So long the process that runs the command may take besides."""
_RETRY_SECONDS = 60.0


class OutageAlarm:
    """What was observed of one outage. ``say`` keeps a line in the log."""

    def __init__(self, team: Team, say: Callable[[str], None]) -> None:
        self._team = team
        self._log = say
        self._checked_at = time.monotonic()
        self._outage_seconds = 0.0
        self._retry_at = 0.0
        self._has_run = False
        self._task: asyncio.Task[None] | None = None

    def check(
        self, reason: str, section: MonitorSection, usual: float, environment: Callable[[], Mapping[str, str]]
    ) -> None:
        """Run the command once an outage has been observed for ``act_seconds``, and once only unless it fails.

        ``reason`` is a sentence, empty when all is well; ``usual`` is the time between two looks in seconds.
        """
        now = time.monotonic()
        passed, self._checked_at = min(now - self._checked_at, _MAX_INTERVAL_RATIO * usual), now
        if not reason:
            self._outage_seconds, self._has_run = 0.0, False
            return
        self._outage_seconds += passed
        patience = max(section.act_seconds, _MIN_OUTAGE_SECONDS)
        if not section.command or self._has_run or self._outage_seconds < patience or now < self._retry_at:
            return
        self._has_run = True
        self._task = asyncio.create_task(self._run_or_retry(reason, section, environment()))

    async def wait(self) -> None:
        """Return once no command runs that was begun."""
        if self._task is not None:
            await self._task

    async def _run_or_retry(self, reason: str, section: MonitorSection, environment: Mapping[str, str]) -> None:
        if failure := await self._run_command(reason, section, environment):
            self._log(f"the command of [monitor-bridge] failed and is run again: {failure}")
            self._has_run, self._retry_at = False, time.monotonic() + _RETRY_SECONDS

    async def _run_command(self, reason: str, section: MonitorSection, environment: Mapping[str, str]) -> str:
        text = (
            f"Team {self._team.name} cannot pass on alerts for {format_duration(self._outage_seconds)}: {reason} "
            "No alert reaches anybody until that is mended."
        )
        self._log(f"the command of [monitor-bridge] is run: {reason}")
        try:
            # Its exit code goes to whoever reaps the children, so what counts is what it prints.
            ran = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "teamsup.terminal.command_hook", str(section.command_seconds), *section.command],
                input=text.encode(),
                stdout=subprocess.PIPE,
                timeout=section.command_seconds + _TIMEOUT_MARGIN_SECONDS,
                check=False,
                env={**environment, **team_variables(reason)},
                start_new_session=True,
                preexec_fn=partial(restore_limits, is_ours=False),
            )
        except Exception as error:
            # Whatever it is, it is tried again.
            return str(error)
        return ran.stdout.decode(errors="replace").strip()


def describe_bridge_outage(bridge: ManagedProcess | None, act_seconds: float, now: float) -> str:
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
