"""The process of one worker: start it, read its output, stop it."""

import ctypes
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from dataclasses import dataclass

from teamsup.config.env_file import read_env_file
from teamsup.hub.errors import ExitCode

from ..configuration.program import Program
from ..sd_notify import SERVICE_VARIABLES
from .output_lines import OutputLines
from .resource_limits import restore_limits

_CHUNK_BYTES = 16384  # bytes: read from one worker before the others have their turn
_MAX_FINAL_CHUNKS = 16
_PR_SET_PDEATHSIG = 1
_INHERITED = {
    **{name: value for name, value in os.environ.items() if name not in SERVICE_VARIABLES},
    "PYTHONUNBUFFERED": "1",
    # SIGABRT makes a Python program print its stacks.
    "PYTHONFAULTHANDLER": "1",
}
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def inherited_environment(withheld: Container[str]) -> dict[str, str]:
    """Return the environment of this process without these variables, for a new process."""
    return {name: value for name, value in _INHERITED.items() if name not in withheld}


@dataclass(frozen=True, slots=True)
class HandedChild:
    """A running process. ``output`` is the descriptor of its pipe."""

    pid: int
    output: int
    environment: Mapping[str, str]
    env_file_values: tuple[tuple[str, str], ...]


class Child:
    """A process in its own session, so that Ctrl-C reaches only the supervisor.

    On Linux the kernel kills it when the supervisor dies. Elsewhere a worker notices that its parent's pid has changed.
    """

    def __init__(self, program: Program, environment: Mapping[str, str]) -> None:
        """Start the process. ``environment`` is added to the program's own environment.

        Raise UnusableEnvFile, or OSError or another error of Popen, when the command cannot be run now.
        """
        supervisor, is_ours, limits = os.getpid(), program.is_component, program.limits
        from_file = () if program.env_file is None else read_env_file(program.env_file)

        def die_with_supervisor() -> None:
            # Other threads may hold locks between fork and exec. So take no lock, and make only system calls that were
            # looked up before.
            restore_limits(is_ours, limits.nofile)
            if limits.nice is not None:
                os.setpriority(os.PRIO_PROCESS, 0, limits.nice)
            if _prctl is not None:
                _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != supervisor:
                    os._exit(ExitCode.NOT_NOW)

        self.env_file_values: tuple[tuple[str, str], ...] = tuple(from_file)
        self.environment = {
            **inherited_environment(program.withheld_variables),
            **dict(from_file),
            **dict(program.environment),
            **environment,
        }
        """The environment at its start. Commands such as checks later use it too."""
        _require_program(program)
        try:
            self._process: subprocess.Popen[bytes] | _AdoptedProcess = subprocess.Popen(
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_supervisor,
                cwd=program.directory,
                umask=-1 if limits.umask is None else limits.umask,
                env=self.environment,
            )
        except subprocess.SubprocessError as error:
            # Python does not report which step failed between fork and exec.
            raise OSError(errno.EPERM, f"the system refuses nofile = {limits.nofile}, nice = {limits.nice}") from error
        if not (program.ready or program.alive):
            self.environment = {}
        self._open_output()

    def _open_output(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - asked for
        self.output = self._process.stdout.fileno()
        os.set_blocking(self.output, False)
        self._lines = OutputLines()

    def hand_over(self) -> HandedChild:
        """Return the state for a successor."""
        return HandedChild(self.pid, self.output, self.environment, self.env_file_values)

    @property
    def has_unfinished(self) -> bool:
        """Return whether there is a beginning of a line that has not been passed on yet."""
        return self._lines.has_unfinished

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """The exit code: None while it runs, negative for a signal.

        Reading the code first kills the process group, because another group may get the same number afterwards.
        """
        if self._process.returncode is None and _has_ended(self.pid):
            self.kill()
        return self._process.poll()

    def terminate(self, number: int = signal.SIGTERM) -> None:
        """Ask the process to end."""
        self._signal(number)
        # A stopped process would never receive the signal.
        self._signal(signal.SIGCONT)

    def send_signal(self, number: int) -> None:
        """Send a signal only to the process, not to its group."""
        with suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, number)

    def dump_stacks(self) -> None:
        """Send SIGABRT. A Python program then prints the stack of every thread and dies."""
        self._signal(signal.SIGABRT)
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        """Send a signal to the process and its group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def read_lines(self, record: Callable[[list[str]], None]) -> bool:
        """Pass on the lines that are available, at most those of one read. Return False at the end of the output."""
        try:
            chunk = os.read(self.output, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        if lines := self._lines.add(chunk):
            record(lines)
        if not chunk:
            self.flush(record)
        return bool(chunk)

    def close(self, record: Callable[[list[str]], None]) -> None:
        """Pass on the last lines of an ended process."""
        for _ in range(_MAX_FINAL_CHUNKS):
            if not self.read_lines(record):
                break
        self.flush(record)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def flush(self, record: Callable[[list[str]], None]) -> None:
        """Pass on the unfinished line."""
        if lines := self._lines.flush():
            record(lines)


class AdoptedChild(Child):
    """A child of this process that an earlier program has started."""

    def __init__(self, handed: HandedChild) -> None:
        self._process = _AdoptedProcess(handed.pid, handed.output)
        self.environment, self.env_file_values = dict(handed.environment), handed.env_file_values
        self._open_output()


class _AdoptedProcess:
    """The part of a Popen that a Child uses, for a process that an earlier program has started."""

    def __init__(self, pid: int, output: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout = open(output, "rb", buffering=0)  # noqa: SIM115 - Child.close() closes it

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _require_program(program: Program) -> None:
    """Raise FileNotFoundError before a fork, because forks are expensive if many missing programs are tried again and
    again.
    """
    name = program.command[0]
    if os.sep in name and program.directory.is_dir() and not (program.directory / name).exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
