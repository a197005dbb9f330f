"""The command hook: runs the command of [monitor-bridge] for a group without a response. It runs until it succeeds or a
response comes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import MessageHub, TeamsupError
from teamsup.terminal.command_hook import run_command, to_bounded_line

from ...backoff import backoff
from ...protocol import MONITOR_BRIDGE
from ...worker import ReportState
from ..incidents import group_table, incident_table, rendering
from ..incidents.group import IncidentGroups
from ..incidents.incident import Incident, worst_severity
from ..incidents.routes import AGENT_LABEL, TEAM
from ..sections import MonitorSection
from .escalator import Escalator

_RETRY_SECONDS, _MAX_RETRY_SECONDS = 60.0, 3600.0  # seconds until a failed command is run again

T = TypeVar("T")


class _RunInThread(Protocol):
    """Run a blocking action in a thread."""

    def __call__(self, action: Callable[..., T], /, *arguments: object) -> Awaitable[T]: ...


class CommandRunner:
    """Run the command once for each group whose escalation has reached it."""

    def __init__(
        self,
        hub: MessageHub,
        groups: IncidentGroups,
        escalator: Escalator,
        section: MonitorSection,
        in_thread: _RunInThread,
        report: ReportState,
    ) -> None:
        self._hub = hub
        self._groups = groups
        self._escalator = escalator
        self._section = section
        self._in_thread = in_thread
        self._report = report
        self._log = logging.getLogger(MONITOR_BRIDGE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: set[int] = set()
        self._failing: set[int] = set()
        """Groups for which the command has failed and will run again."""
        self._results: dict[int, tuple[float, str]] = {}
        """The results that are not stored yet, by group: the step for which the command ran, and why it failed."""

    def start(self, group: int) -> None:
        """Run the command for a group, unless it is already running."""
        if group not in self._running:
            self._running.add(group)
            self._start_task(self._run_once(group))

    async def retry(self, group: int, failure: str) -> None:
        """Run a failed command again, until it succeeds or a response comes."""
        pauses = backoff(_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        self._failing.add(group)
        while failure:
            await self._report("command", f"The command of [monitor-bridge] fails: {failure}.")
            await asyncio.sleep(next(pauses))
            try:
                found = await self._in_thread(self._open_without_response, group)
            except TeamsupError:
                continue
            if not found:
                break
            failure = await self._execute(found)
        self._failing.discard(group)
        if not self._failing:
            await self._report("command", "")

    async def _run_once(self, group: int) -> None:
        try:
            # The group may have been acknowledged since, or the command may have run in the meantime.
            since, found = await self._in_thread(self._due, group)
            if since is None or not found:
                return
            if (ran := self._results.get(group)) is None or ran[0] != since:
                self._results[group] = ran = since, await self._execute(found)
            await self._in_thread(self._store_result, group, *ran)
            del self._results[group]
            if ran[1] and not _concerns_only(MONITOR_BRIDGE, found):
                self._start_task(self.retry(group, ran[1]))
        except TeamsupError as error:
            self._log.error("the run of the command could not be stored: %s", error)
        finally:
            self._running.discard(group)

    async def _execute(self, incidents: Sequence[Incident]) -> str:
        """Return why the command failed, or an empty text."""
        text, variables = rendering.render_for_people(incidents), command_environment(incidents)
        return await run_command(self._section.command, text, variables, self._section.command_seconds)

    def _due(self, group: int) -> tuple[float | None, list[Incident]]:
        with self._hub.transaction():
            return self._escalator.command_due_since(group), incident_table.open_in_group(self._hub, group)

    def _open_without_response(self, group: int) -> list[Incident]:
        """Return the open incidents of a group, unless a response or a mute came after the command."""
        found = group_table.get_group(self._hub, group)
        if found is None or found.step != "command" or found.responded_by is not None:
            return []
        if not incident_table.needs_response(self._hub, group):
            return []
        return incident_table.open_in_group(self._hub, group)

    def _store_result(self, group: int, since: float, failure: str) -> None:
        with self._hub.transaction():
            self._escalator.mark_command_run(group, since)
            found = group_table.get_group(self._hub, group)
            if failure and found is not None:
                self._log.error("the command for incident %d failed: %s", group, failure)
                text = f"The command of [monitor-bridge] failed for incident {group}: {failure}."
                self._groups.send(found, USER_COMM, text, "command", priority="high")

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def command_environment(incidents: Sequence[Incident]) -> dict[str, str]:
    """Return the environment variables for the command. Foreign text is cut to one line of bounded length."""
    first = incidents[0]
    return {
        "TEAMSUP_INCIDENT": str(first.group_id),
        "TEAMSUP_COUNT": str(len(incidents)),
        "TEAMSUP_SOURCE": first.source,
        "TEAMSUP_SEVERITY": worst_severity(each.severity for each in incidents),
        "TEAMSUP_TITLE": to_bounded_line(first.title),
        "TEAMSUP_LINK": to_bounded_line(first.link),
    }


def _concerns_only(name: str, incidents: Sequence[Incident]) -> bool:
    """Return whether the only problem is this member of the team. That is so when the command itself fails."""
    return all(each.source == TEAM and each.labels.get(AGENT_LABEL) == name for each in incidents)
