"""Apply a changed configuration as a whole, or refuse it as a whole.

A saved teamsup.toml applies at the next reload. Some sections apply at once: those that a component itself reads again,
and those of a worker that is held until its configuration changes.
"""

import asyncio
import os
import time
from collections.abc import Container
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from teamsup.config.loader import load_file
from teamsup.hub import NotConfigured, Team, TeamsupError
from teamsup.hub.models import SUPERVISOR
from teamsup.status.process_state import ALIVE, State
from teamsup.terminal.hints import command_hint

from ..background import BackgroundTasks
from ..configuration import accepted_configuration, team_configuration
from ..configuration.reload_plan import ReloadPlan, plan_reload
from ..configuration.section_owners import follows_sections
from ..configuration.team_configuration import TeamConfiguration, secrets_of
from ..enrollment import WorkerEnrollment
from ..health.troubles import Troubles
from ..metrics_endpoint import MetricsEndpoint
from ..processes.lifecycle import needs_configuration
from ..processes.managed_process import ManagedProcess
from ..processes.process_manager import ProcessManager
from ..processes.spawner import Spawner
from ..processes.worker_logs import WorkerLogs
from ..status_publisher import StatusPublisher

_CAUSE, _SAVED = "configuration", "saved configuration"

FileStamp = tuple[int, ...] | None


class ConfigurationReloader:
    """The configuration of a running team, and its changes."""

    def __init__(
        self,
        team: Team,
        configuration: TeamConfiguration,
        *,
        manager: ProcessManager,
        spawner: Spawner,
        logs: WorkerLogs,
        enrollment: WorkerEnrollment,
        metrics: MetricsEndpoint,
        publisher: StatusPublisher,
        troubles: Troubles,
        background: BackgroundTasks,
    ) -> None:
        self.configuration = configuration
        """The configuration in use."""
        self._team = team
        self._manager = manager
        self._spawner = spawner
        self._logs = logs
        self._enrollment = enrollment
        self._metrics = metrics
        self._publisher = publisher
        self._troubles = troubles
        self._background = background
        self._lock = asyncio.Lock()
        self._stamps = self._read_stamps()
        with suppress(TeamsupError):
            spawner.withhold(secrets_of(load_file(team)))
        self._is_unfinished = False
        self._changed_at = 0.0
        self._tried: set[str] = set()
        """Workers that were tried again after the last change. ``_changed_at`` is the time of the change in monotonic
        seconds.
        """
        self.note = ""
        """A note for people that the saved file waits for a reload."""

    async def reload(self) -> ReloadPlan:
        """Apply teamsup.toml, or change nothing. Raise NotConfigured for a mistake in it, StoreError or OSError if it
        cannot be applied now.
        """
        with self._publisher.show_reloading():
            async with self._lock:
                return await self._reload()

    async def _reload(self) -> ReloadPlan:
        stamps, now = self._read_stamps(), time.monotonic()
        try:
            tables = await self._saved_tables()
            new = await asyncio.to_thread(team_configuration.parse_configuration, self._team, tables)
            team_configuration.require_sound(new)
        except NotConfigured as error:
            self._stamps |= stamps
            self.show_fault(str(error))
            self._publisher.publish()
            raise
        plan = await self._apply(self._keep_spawned_values(new, new.programs), "reload")
        if self._differs(stamps):
            self._changed_at, self._tried = now, {*plan.start, *plan.restart}
        self._stamps |= stamps
        self.show_fault("")
        return plan

    def check_again(self) -> None:
        """Make the next check compare the saved file with the configuration, because the file may have changed long
        ago.
        """
        self._is_unfinished = bool(self.configuration.tables)  # no tables: the team has no file

    async def check_files(self) -> None:
        """Check the files of the configuration. After a change, show it and try held workers again.

        Also try a worker again that began before the change and is held after it.
        """
        stamps, now, held = self._read_stamps(), time.monotonic(), self._blocked_names()
        is_new = self._differs(stamps)
        if self._lock.locked() or not (is_new or self._is_unfinished or self._began_earlier(held - self._tried)):
            self._stamps = stamps | self._stamps
            return
        try:
            async with self._lock:
                # A file that was away for a moment counts as changed, even if it is back unchanged.
                self._is_unfinished = True
                if is_new:
                    self._changed_at, self._tried = now, set()
                new = await self._load_immediate_changes()
                if new.tables != self.configuration.tables or self._blocked_names():
                    await self._apply(new, "a file was saved")
        except (TeamsupError, OSError) as error:
            self._troubles.begin(_SAVED, f"The saved file cannot be applied: {error}")
        else:
            self._stamps |= stamps
            self._is_unfinished = False
            self._tried |= held
            self._troubles.end(_SAVED)

    async def _load_immediate_changes(self) -> TeamConfiguration:
        """Return the accepted configuration, with the sections of the saved file that apply at once."""
        team, accepted = self._team, self.configuration
        try:
            tables = await self._saved_tables()
            saved = await asyncio.to_thread(team_configuration.parse_configuration, team, tables)
        except NotConfigured as error:
            self.show_fault(str(error))
            return accepted
        follows = filter(follows_sections, saved.programs)
        at_once = {*follows, *self._blocked_names()} - {name for name, each in saved.programs.items() if each.fault}
        taken = accepted_configuration.replace_sections(at_once & saved.programs.keys(), tables, accepted.tables)
        how = command_hint(team, "reload")
        waits = not accepted_configuration.is_equivalent(tables, taken)
        self.show_fault(saved.fault, f"teamsup.toml has changed. Apply it with: {how}" if waits else "")
        return self._keep_spawned_values(
            await asyncio.to_thread(team_configuration.parse_configuration, team, taken), at_once
        )

    async def _saved_tables(self) -> dict[str, Any]:
        """Read the saved file. From now on, other workers do not get its secrets, even if the file is not applied."""
        tables = await asyncio.to_thread(load_file, self._team)
        self._spawner.withhold(secrets_of(tables))
        return tables

    def _keep_spawned_values(self, new: TeamConfiguration, counting: Container[str]) -> TeamConfiguration:
        """Keep the env_file values of running processes while a file is missing, or does not apply yet."""
        programs = dict(new.programs)
        for name, worker in self._manager.processes.items():
            program = programs.get(name)
            if program is not None and (program.env_file_values is None or name not in counting):
                programs[name] = replace(program, env_file_values=worker.spawned_program.env_file_values)
        return replace(new, programs=programs)

    def show_fault(self, fault: str, note: str = "") -> None:
        """Show people the fault of teamsup.toml, or the note that the saved file waits for a reload."""
        if not fault:
            self._troubles.end(_CAUSE)
        else:
            holds_one = fault in (program.fault for program in self.configuration.programs.values())
            self._troubles.begin(_CAUSE, fault if holds_one else f"The saved teamsup.toml is not in use: {fault}")
        if note and note != self.note:
            self._log(note)
        self.note = "" if fault else note

    async def _apply(self, new: TeamConfiguration, why: str) -> ReloadPlan:
        """Prepare every step that may fail, then switch to the new configuration."""
        manager, old = self._manager, self.configuration
        port = None if new.metrics_port == old.metrics_port else new.metrics_port
        with ExitStack() as undo:
            for program in new.programs.values():
                if program.name not in manager.processes:
                    self._logs.open(program.name, program.log_bytes, program.log_files)
                    undo.callback(self._logs.close_log, program.name)
                    self._logs.require_writable(program.name)
            server = self._metrics.server
            if port is not None:
                server = self._metrics.open(port)
                if server is not None:
                    undo.callback(server.close)
            await asyncio.to_thread(accepted_configuration.stage_accepted, self._team, new)
            await asyncio.to_thread(self._enrollment.enroll, new)
            accepted_configuration.activate_staged(self._team)
            undo.pop_all()
        held = self._blocked_names()
        active = {worker.name for worker in manager.processes.values() if worker.wanted} - held
        given = {name: manager.processes[name].spawned_program for name in old.programs}
        plan = replace(plan_reload(given, new.programs, active, held), metrics_port=port)
        if plan != ReloadPlan() or why == "reload":
            self._log(f"{why}: {plan}")
        self.configuration = new
        for name in plan.stop:
            manager.stop(name)
            self._background.run(self._remove_when_ended(manager.processes[name]))
        manager.configure(new.programs, {})
        manager.restart(*plan.restart)
        manager.start(*plan.start)
        self._publisher.publish()
        await self._metrics.replace(server, new.metrics_port)
        return plan

    async def _remove_when_ended(self, worker: ManagedProcess) -> None:
        """Forget a worker that is no longer configured, once its process has ended."""
        await self._manager.wait_until_left(worker, *ALIVE, State.STOPPING)
        if worker.name not in self.configuration.programs:
            self._manager.processes.pop(worker.name, None)
            self._logs.close_log(worker.name)
            self._enrollment.mark_removed(worker.name)
            self._publisher.schedule()

    def _log(self, line: str) -> None:
        self._logs.write(SUPERVISOR, line)

    def _blocked_names(self) -> set[str]:
        return {worker.name for worker in self._manager.processes.values() if needs_configuration(worker.process)}

    def _began_earlier(self, names: set[str]) -> bool:
        """Return whether one of these processes began before the last change."""
        return any(self._manager.processes[name].spawned_at < self._changed_at for name in names)

    def _differs(self, stamps: dict[Path, FileStamp]) -> bool:
        return any(self._stamps.get(path, stamp) != stamp for path, stamp in stamps.items())

    def _read_stamps(self) -> dict[Path, FileStamp]:
        programs = self.configuration.programs.values()
        files = {self._team.configuration, *(file for program in programs for file in program.watched_files)}
        return {file: _read_stamp(file) for file in files}


def _read_stamp(file: Path) -> FileStamp:
    try:
        found = os.stat(file)
    except OSError:
        return None
    # A chmod may correct a fault too, and it changes only the last of these.
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns
