"""Replace the program of the supervisor while its workers continue.

The process executes the program that is installed now. So it keeps its pid, its workers, the lock of the team, and its
state in the service manager. If this fails, the old program continues.
"""

import asyncio
import os
import signal
import subprocess

from teamsup.hub import CallerError, Team
from teamsup.hub.errors import ExitCode
from teamsup.hub.models import SUPERVISOR
from teamsup.status import team_lock
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import installed_command

from ..configuration.roles import Roles
from ..processes import resource_limits
from ..processes.process_manager import ProcessManager
from ..processes.spawner import Spawner
from ..processes.worker_logs import WorkerLogs
from ..signals import ENDING_SIGNALS
from .handover import HANDOVER_VERSION, Handover, write_handover

CAN_FOLLOW = "can follow"
"""The line that a program prints if it can take over the workers of this program."""
_CHECK_SECONDS = 60.0


class HandoverRefused(CallerError):
    """A successor cannot take over the workers, so this program continues."""

    exit_code = ExitCode.UNWELL


class Successor:
    """The program that is installed now."""

    def __init__(
        self,
        team: Team,
        manager: ProcessManager,
        spawner: Spawner,
        roles: Roles,
        logs: WorkerLogs,
        *,
        echo: bool,
    ) -> None:
        self._team = team
        self._manager = manager
        self._spawner = spawner
        self._roles = roles
        self._logs = logs
        self._echo = echo
        self._is_due = False
        self._is_forbidden = False

    def forbid(self) -> None:
        """Never execute the successor, because the team is ending, and the successor would not know that."""
        self._is_forbidden = True

    async def prepare(self) -> None:
        """Let ``execute_if_due`` replace the program, if the new program can take over the workers. Otherwise raise
        HandoverRefused.
        """
        command = [*self._command, "--can-follow", str(HANDOVER_VERSION)]
        try:
            # Another part of the supervisor may reap the process, so its output tells the result.
            ran = await asyncio.to_thread(
                subprocess.run,
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_CHECK_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise HandoverRefused(f"The supervisor was not replaced: {error}.") from error
        lines = sanitize(ran.stdout.decode(errors="replace")).strip().splitlines()
        if CAN_FOLLOW not in lines:
            why = lines[-1].removeprefix("teamsup: ") if lines else f"{command[0]} printed nothing"
            raise HandoverRefused(f"The supervisor was not replaced, and continues: {why}")
        await self._manager.orphan_killer.wait()  # the successor would not look for these orphans
        self._is_due = True

    async def replace(self) -> None:
        """Execute the program. This returns only if that is impossible."""
        try:
            await self.prepare()
        except HandoverRefused as error:
            self._log(str(error))
        self.execute_if_due()

    def execute_if_due(self) -> None:
        """Execute the program if it was prepared and the team continues. This returns otherwise, and after
        a failure.
        """
        if not self._is_due or self._is_forbidden:
            return
        self._is_due = False
        try:
            self._execute()
        except OSError as error:
            self._log(f"the supervisor was not replaced, and continues: {error}")

    def _execute(self) -> None:
        workers = self._manager.processes.values()
        for worker in workers:
            if worker.output is not None and worker.child is not None:
                worker.output.flush()
        handover = Handover(
            HANDOVER_VERSION,
            team_lock.held_lock(self._team),
            self._echo,
            self._spawner.count,
            self._roles.held,
            tuple(worker.hand_over() for worker in workers),
        )
        file = write_handover(handover, self._team.run)
        descriptors = [file, *handover.descriptors]
        command = [*self._command, "--follow", str(file)]
        self._log("hands over to the program that is installed now")
        self._logs.flush()  # execv() ends the thread that prints
        try:
            for each in descriptors:
                os.set_inheritable(each, True)
            signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)  # until the successor handles them
            resource_limits.restore_limits(is_ours=False)
            os.execv(command[0], command)  # noqa: S606 - of this installation
        finally:
            resource_limits.raise_own_limits()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
            for each in handover.descriptors:
                os.set_inheritable(each, False)
            os.close(file)

    def _log(self, line: str) -> None:
        self._logs.write(SUPERVISOR, line)

    @property
    def _command(self) -> tuple[str, ...]:
        return (*installed_command(), "start", "--team", self._team.name)
