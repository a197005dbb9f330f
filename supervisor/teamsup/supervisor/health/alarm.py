"""Run the command hook when the team cannot notify people, because its hub or the worker that watches it fails."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

from teamsup.config.components import CommandHook
from teamsup.hub import Team
from teamsup.status.process_state import State
from teamsup.terminal.command_hook import team_variables
from teamsup.terminal.formatting import format_duration

from ..processes.managed_process import ManagedProcess
from ..processes.resource_limits import restore_limits

_HOOK_COMMAND = (sys.executable, "-m", "teamsup.terminal.command_hook")
_MAX_INTERVAL_RATIO = 1.5
_MIN_OUTAGE_SECONDS = 10.0
"""The minimum seconds of an outage before the command runs, because a start may take as long."""
_TIMEOUT_MARGIN_SECONDS = 10.0
"""Seconds for which the process that runs the command may exceed the command's time limit."""
_RETRY_SECONDS = 60.0


class OutageAlarm:
    """The observation of outages. ``log`` writes a line to the log."""

    def __init__(self, team: Team, log: Callable[[str], None]) -> None:
        self._team = team
        self._log = log
        self._checked_at = time.monotonic()
        self._outage_seconds = 0.0
        self._retry_at = 0.0
        self._has_run = False
        self._task: asyncio.Task[None] | None = None

    def check(
        self, reason: str, command_hook: CommandHook, usual: float, environment: Callable[[], Mapping[str, str]]
    ) -> None:
        """Run the command when an outage has been observed for ``after_seconds``. Run it again only if it fails.

        ``reason`` is a sentence, or empty if there is no outage. ``usual`` is the usual time between two checks in
        seconds.
        """
        now = time.monotonic()
        passed, self._checked_at = min(now - self._checked_at, _MAX_INTERVAL_RATIO * usual), now
        if not reason:
            self._outage_seconds, self._has_run = 0.0, False
            return
        self._outage_seconds += passed
        deadline = max(command_hook.after_seconds, _MIN_OUTAGE_SECONDS)
        if not command_hook.command or self._has_run or self._outage_seconds < deadline or now < self._retry_at:
            return
        self._has_run = True
        self._task = asyncio.create_task(self._run_or_retry(reason, command_hook, environment()))

    async def wait(self) -> None:
        """Wait until no started command runs any more."""
        if self._task is not None:
            await self._task

    async def _run_or_retry(self, reason: str, command_hook: CommandHook, environment: Mapping[str, str]) -> None:
        if failure := await self._run_command(reason, command_hook, environment):
            self._log(f"the command of [{command_hook.worker}] failed and is run again: {failure}")
            self._has_run, self._retry_at = False, time.monotonic() + _RETRY_SECONDS

    async def _run_command(self, reason: str, command_hook: CommandHook, environment: Mapping[str, str]) -> str:
        text = (
            f"Team {self._team.name} cannot pass on alerts for {format_duration(self._outage_seconds)}: {reason} "
            "Nobody gets alerts until this is corrected."
        )
        self._log(f"the command of [{command_hook.worker}] is run: {reason}")
        try:
            # Another part of the supervisor reaps the process and gets the exit code, so only its output shows the
            # result.
            ran = await asyncio.to_thread(
                subprocess.run,
                [
                    *_HOOK_COMMAND,
                    str(command_hook.timeout_seconds),
                    *command_hook.command,
                ],
                input=text.encode(),
                stdout=subprocess.PIPE,
                timeout=command_hook.timeout_seconds + _TIMEOUT_MARGIN_SECONDS,
                check=False,
                env={**environment, **team_variables(reason)},
                start_new_session=True,
                preexec_fn=partial(restore_limits, is_ours=False),
            )
        except Exception as error:
            # Return any error, so that the command is tried again.
            return str(error)
        return ran.stdout.decode(errors="replace").strip()


def describe_watcher_outage(watcher: ManagedProcess | None, after_seconds: float, now: float) -> str:
    """Return why the worker that watches the team does not work, or an empty text if it works or is not wanted. Pure.
    After a crash it counts as working only when it has run for a while.
    """
    if watcher is None or not watcher.wanted:
        return ""
    process = watcher.process
    steady = min(watcher.program.policy.healthy_seconds, after_seconds / 2)
    is_steady = not process.failures or (process.ready_at is not None and now - process.ready_at >= steady)
    if process.state is State.RUNNING and is_steady:
        return ""
    return f"{watcher.name} does not run: {(process.reason or process.state).rstrip('.')}."
