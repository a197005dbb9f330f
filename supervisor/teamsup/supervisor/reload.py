"""A changed configuration: taken over as a whole, or refused as a whole. Also: what a file that was saved changes.

A saved teamsup.toml counts at the next reload. Two exceptions need no reload: the sections that user_comm reads by
itself, and the sections of a worker that is held until its configuration changes.
"""

import asyncio
import os
from collections.abc import Container
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teamsup.hub import NotConfigured, TeamsupError
from teamsup.hub.command_line import command_line
from teamsup.hub.settings import saved_tables

from . import configuration, configuration_file
from .configuration import Configuration, secrets_of
from .lifecycle import is_held
from .plan import Plan, make_plan

if TYPE_CHECKING:
    from .supervisor import Supervisor

_READS_BY_ITSELF = "user_comm"
_CAUSE, _SAVED = "configuration", "saved configuration"

Stamp = tuple[int, ...] | None


class Reload:
    """The configuration of a team that runs, and its changes."""

    def __init__(self, supervisor: "Supervisor") -> None:
        self._supervisor = supervisor
        self._lock = asyncio.Lock()
        self._stamps = self._stamps_now()
        with suppress(TeamsupError):
            supervisor.crew.saved_secrets = secrets_of(saved_tables(supervisor.team))
        self._is_unfinished = False
        self.note = ""
        """For people: that the saved file waits for a reload."""

    async def all(self) -> Plan:
        """Take over teamsup.toml, or change nothing.

        Raises NotConfigured for a mistake in it, StoreError or OSError when it cannot be taken over now.
        """
        async with self._lock:
            stamps = self._stamps_now()
            try:
                tables = await self._saved_tables()
                new = await asyncio.to_thread(configuration.read, self._supervisor.team, tables)
                configuration.require_sound(new)
            except NotConfigured as error:
                self._stamps |= stamps
                self.show(str(error))
                self._supervisor.publish()
                raise
            plan = await self._take_over(self._with_given_values(new, new.programs), "reload")
            self._stamps |= stamps
            self.show("")
            return plan

    async def follow(self) -> None:
        """Where a file of the configuration was changed, show it, and try again the workers that are held."""
        stamps = self._stamps_now()
        is_old = all(self._stamps.get(path, stamp) == stamp for path, stamp in stamps.items())
        if self._lock.locked() or (is_old and not self._is_unfinished):
            self._stamps = stamps | self._stamps
            return
        try:
            async with self._lock:
                # A file that was away for a moment is news also when it is back as it was.
                self._is_unfinished = True
                new = await self._without_reload()
                if new.tables != self._supervisor.settings.tables or self._held():
                    await self._take_over(new, "a file was saved")
        except (TeamsupError, OSError) as error:
            self._supervisor.troubles.begin(_SAVED, f"What was saved cannot be taken over: {error}")
        else:
            self._stamps |= stamps
            self._is_unfinished = False
            self._supervisor.troubles.end(_SAVED)

    async def _without_reload(self) -> Configuration:
        """Return what was accepted, with what counts of the saved file at once."""
        team, accepted = self._supervisor.team, self._supervisor.settings
        try:
            tables = await self._saved_tables()
            saved = await asyncio.to_thread(configuration.read, team, tables)
        except NotConfigured as error:
            self.show(str(error))
            return accepted
        at_once = {_READS_BY_ITSELF, *self._held()} - {name for name, each in saved.programs.items() if each.fault}
        taken = configuration_file.with_sections_of(at_once & saved.programs.keys(), tables, accepted.tables)
        how = command_line(team, "reload")
        waits = not configuration_file.says_the_same(tables, taken)
        self.show(saved.fault, f"teamsup.toml has changed. Take it over with: {how}" if waits else "")
        return self._with_given_values(await asyncio.to_thread(configuration.read, team, taken), at_once)

    async def _saved_tables(self) -> dict[str, Any]:
        """Read the saved file. Its secrets are kept from others at once, also if the file is not taken over."""
        tables = await asyncio.to_thread(saved_tables, self._supervisor.team)
        self._supervisor.crew.saved_secrets = secrets_of(tables)
        return tables

    def _with_given_values(self, new: Configuration, counting: Container[str]) -> Configuration:
        """What processes were given of their env_files goes on where a file is away, or does not count yet."""
        programs = dict(new.programs)
        for name, member in self._supervisor.crew.members.items():
            program = programs.get(name)
            if program is not None and (program.env_file_values is None or name not in counting):
                programs[name] = replace(program, env_file_values=member.given_program.env_file_values)
        return replace(new, programs=programs)

    def show(self, fault: str, note: str = "") -> None:
        """Show what is wrong in teamsup.toml, or that it waits for a reload."""
        if not fault:
            self._supervisor.troubles.end(_CAUSE)
        else:
            holds_one = fault in (program.fault for program in self._supervisor.settings.programs.values())
            self._supervisor.troubles.begin(
                _CAUSE, fault if holds_one else f"The saved teamsup.toml is not in use: {fault}"
            )
        if note and note != self.note:
            self._supervisor.say(note)
        self.note = "" if fault else note

    async def _take_over(self, new: Configuration, why: str) -> Plan:
        """Prepare all that may fail, then switch."""
        supervisor, old = self._supervisor, self._supervisor.settings
        port = None if new.metrics_port == old.metrics_port else new.metrics_port
        with ExitStack() as undo:
            for program in new.programs.values():
                if program.name not in supervisor.crew.members:
                    supervisor.journal.open(program.name, program.log_bytes, program.log_files)
                    undo.callback(supervisor.journal.forget, program.name)
                    supervisor.journal.require(program.name)
            metrics = supervisor.metrics
            if port is not None:
                metrics = supervisor.open_metrics(port)
                if metrics is not None:
                    undo.callback(metrics.close)
            await asyncio.to_thread(configuration_file.stage, supervisor.team, new)
            await asyncio.to_thread(supervisor.membership.enroll, new)
            configuration_file.switch(supervisor.team)
            undo.pop_all()
        held = self._held()
        active = {member.name for member in supervisor.crew.members.values() if member.wanted} - held
        given = {name: supervisor.crew.members[name].given_program for name in old.programs}
        plan = replace(make_plan(given, new.programs, active, held), metrics_port=port)
        if plan != Plan() or why == "reload":
            supervisor.say(f"{why}: {plan}")
        supervisor.settings = new
        for name in plan.stop:
            supervisor.remove(name)
        supervisor.crew.configure(new.programs, {})
        supervisor.crew.restart(*plan.restart)
        supervisor.crew.start(*plan.start)
        supervisor.publish()
        await supervisor.replace_metrics(metrics)
        return plan

    def _held(self) -> set[str]:
        return {member.name for member in self._supervisor.crew.members.values() if is_held(member.process)}

    def _stamps_now(self) -> dict[Path, Stamp]:
        programs = self._supervisor.settings.programs.values()
        files = {self._supervisor.team.configuration, *(file for program in programs for file in program.files)}
        return {file: _stamp(file) for file in files}


def _stamp(file: Path) -> Stamp:
    try:
        found = os.stat(file)
    except OSError:
        return None
    # A chmod mends as well, and changes only the last of these.
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns
