"""Start the processes of workers, each with its environment."""

import random
from collections.abc import Collection, Mapping
from dataclasses import replace

from teamsup.config.loader import CONFIGURATION_VARIABLE
from teamsup.hub import Team
from teamsup.hub.engines.marked_processes import TAG_VARIABLE
from teamsup.status.crash import SPAWN_FAILED_PREFIX

from ..configuration.program import Program
from ..configuration.roles import Roles
from ..configuration.team_configuration import secrets_withheld_from
from .child import Child
from .lifecycle import SpawnFailed
from .orphans import GUEST_VARIABLE, process_tag


class Spawner:
    """Starts workers of one team. A worker does not get secrets that the saved teamsup.toml assigns to
    another worker.
    """

    def __init__(self, team: Team, roles: Roles) -> None:
        self._team = team
        self._roles = roles
        self.count = 0
        """Processes that were started so far."""
        self._saved_secrets: Mapping[str, Collection[str]] = {}

    def count_on(self, spawned: int) -> None:
        """Continue the count of a predecessor, so that no process gets the tag of an earlier process."""
        self.count = spawned

    def withhold(self, secrets: Mapping[str, Collection[str]]) -> None:
        """Do not give these variables to other workers; ``secrets`` contains their names and owners."""
        self._saved_secrets = secrets

    @property
    def withheld_variables(self) -> Collection[str]:
        """The names of the variables that the saved teamsup.toml hides from other workers."""
        return self._saved_secrets.keys()

    def spawn(self, program: Program) -> tuple[Child, str] | SpawnFailed:
        """Return a new process and its tag, or the reason why it could not be started."""
        self.count += 1
        tag = process_tag(self._team, program.name, self.count)
        if program.fault:
            return SpawnFailed(f"{SPAWN_FAILED_PREFIX}{program.fault}")
        if obstacle := self._roles.obstacle(program):
            return SpawnFailed(f"waits for {obstacle}", is_temporary=True, jitter=1.0)
        try:
            return Child(self._without_secrets(program), self._environment(program, tag)), tag
        except Exception as error:
            # Anything that is missing or refused, even the program, may be available at the next try.
            why, file = getattr(error, "strerror", None) or error, getattr(error, "filename", None)
            reason = f"{SPAWN_FAILED_PREFIX}{why}{f': {file}' if file else ''}"
            return SpawnFailed(reason, is_temporary=True, jitter=random.random())  # noqa: S311

    def _without_secrets(self, program: Program) -> Program:
        saved = secrets_withheld_from(program.name, self._saved_secrets)
        return replace(program, withheld_variables=tuple({*program.withheld_variables, *saved}))

    def _environment(self, program: Program, tag: str) -> dict[str, str]:
        seconds = program.heartbeat_seconds
        return {
            GUEST_VARIABLE if program.has_guests else TAG_VARIABLE: tag,
            "TEAMSUP_TEAM": self._team.name,
            "TEAMSUP_HOME": str(self._team.folder.parent),
            CONFIGURATION_VARIABLE: str(self._team.accepted_configuration),
            **self._roles.variables_of(program),
            **({} if seconds is None else {"TEAMSUP_HEARTBEAT_SECONDS": f"{seconds:g}"}),
        }
