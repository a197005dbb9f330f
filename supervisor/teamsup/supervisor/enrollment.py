"""Enroll configured workers in the hub, mark ended workers offline, and forget removed workers."""

import threading

from teamsup.hub import MessageHub

from .configuration.roles import Roles
from .configuration.team_configuration import TeamConfiguration
from .processes.process_manager import ProcessManager


class WorkerEnrollment:
    """The workers' rows in the hub. After an error the next call of write() tries again."""

    def __init__(self, hub: MessageHub, manager: ProcessManager, roles: Roles) -> None:
        self._hub = hub
        self._manager = manager
        self._roles = roles
        self._ended: set[str] = set()
        self._removed: set[str] = set()
        self._writing = threading.Lock()

    @property
    def has_changed(self) -> bool:
        """Return whether a write is due."""
        return bool(self._ended or self._removed)

    def enroll(self, configuration: TeamConfiguration) -> None:
        """Enroll the new workers of this configuration, all or none. Raise StoreError."""
        with self._hub.transaction():
            for program in configuration.programs.values():
                # A worker without heartbeats may not use the hub, and its mailbox would fill up unread.
                if program.heartbeat_seconds is not None:
                    self._hub.enroll(program.name, "daemon" if program.is_component else "agent")
            for name in configuration.agents:
                self._hub.enroll(name)

    def mark_ended(self, name: str) -> None:
        """Note that the process of a worker has ended."""
        self._ended.add(name)

    def mark_removed(self, *names: str) -> None:
        """Note that these workers are no longer configured. Messages for them are kept."""
        self._removed.update(names)

    def flush(self, configuration: TeamConfiguration) -> None:
        """Write all changes in one transaction, because each commit may take long on a busy hub. Raise StoreError."""
        if not self.has_changed or not self._writing.acquire(blocking=False):
            return
        try:
            ended, removed = set(self._ended), set(self._removed)
            gone = {name for name in removed - configuration.programs.keys() if not self._roles.runs_elsewhere(name)}
            offline = {name for name in ended if self._is_offline(name)} | (gone & set(configuration.agents))
            with self._hub.transaction():
                self._hub.maintenance.mark_offline(*offline)
                for name in gone - set(configuration.agents):
                    self._hub.maintenance.retire(name)
            self._ended.difference_update(ended)
            self._removed.difference_update(removed)
        finally:
            self._writing.release()

    def _is_offline(self, name: str) -> bool:
        """Return whether a worker sends heartbeats but does not have a running process on any host."""
        worker = self._manager.processes.get(name)
        if self._roles.runs_elsewhere(name):
            return False
        return worker is not None and worker.child is None and worker.program.heartbeat_seconds is not None
