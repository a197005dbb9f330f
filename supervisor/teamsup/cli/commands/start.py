"""``teamsup start``."""

import argparse
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from teamsup.config.components import installed_components
from teamsup.hub import MessageHub, Team
from teamsup.hub.models import SUPERVISOR
from teamsup.status.team_lock import acquire_lock, keep_lock
from teamsup.supervisor.configuration.accepted_configuration import load_at_boot, load_at_handover
from teamsup.supervisor.control.client import WorkersNotReady, send_request
from teamsup.supervisor.health.readiness import describe_unready
from teamsup.supervisor.processes import resource_limits
from teamsup.supervisor.sd_notify import ServiceNotifier
from teamsup.terminal import progress
from teamsup.terminal.candidates import Kind, complete_as
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import command_hint

from ..arguments import add_timeout
from ..command_line import COMMANDS
from ..component_commands import find_faults

if TYPE_CHECKING:
    from teamsup.supervisor.supervisor import Supervisor


EXAMPLES = ("teamsup start --detach", "teamsup start gateway   # one worker of a running team")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="start only this worker of a running team, or those that match a pattern such as 'web-*'",
    )
    complete_as(Kind.WORKER, names)
    add_timeout(parser, 30)
    parser.add_argument(
        "--detach",
        action="store_true",
        help="run in the background; return when all workers are ready, or after --timeout with exit code 4",
    )
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--can-follow", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--follow", type=int, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    for name in arguments.names:
        print(send_request(team, f"start {name.lower()}", arguments.timeout), flush=True)
    if arguments.names:
        return 0
    if arguments.detach:
        return _detach(team, arguments.timeout)
    # asyncio imports ssl if it can, and that takes 3 MiB for months. Nothing in this process speaks TLS.
    sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]
    import asyncio

    from teamsup.supervisor.control.handover import read_handover
    from teamsup.supervisor.supervisor import Supervisor

    if arguments.can_follow is not None:
        return _check_handover(team, arguments.can_follow)
    handover = None if arguments.follow is None else read_handover(arguments.follow)
    for fault in find_faults(COMMANDS):
        # A fault in a command does not stop a worker.
        print(f"teamsup: {fault.text} {fault.remedy}", file=sys.stderr)
    resource_limits.raise_own_limits()
    team.create()
    if handover is None:
        acquire_lock(team)
    else:
        keep_lock(team, handover.lock)
    notifier = ServiceNotifier()
    with notifier.beating():
        opened = MessageHub(team, agent=SUPERVISOR)
    with opened as hub:
        configuration, trouble = load_at_boot(team) if handover is None else load_at_handover(team)
        echo = arguments.ready_fd is None if handover is None else handover.echo
        supervisor = Supervisor(team, configuration, hub, notifier, echo=echo, trouble=trouble, handover=handover)
        may_greet = arguments.ready_fd is None and handover is None
        asyncio.run(_run(team, supervisor, arguments.ready_fd, arguments.timeout, may_greet=may_greet))
    return supervisor.exit_code


def _check_handover(team: Team, version: int) -> int:
    """Print whether this program can take over the workers of a running supervisor. Otherwise raise the obstacle as an
    error.
    """
    from teamsup.supervisor.control.handover import HANDOVER_VERSION, describe_version
    from teamsup.supervisor.control.successor import CAN_FOLLOW, HandoverRefused

    if version != HANDOVER_VERSION:
        raise HandoverRefused(describe_version(version))
    MessageHub(team).close()
    print(CAN_FOLLOW)
    return 0


async def _run(team: Team, supervisor: "Supervisor", ready_fd: int | None, seconds: float, *, may_greet: bool) -> None:
    import asyncio

    async def report_ready(descriptor: int) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(supervisor.ready.wait(), seconds)
        reasons = await supervisor.requests.read_unready_reasons()
        trouble = " ".join(str(supervisor.troubles).split())
        who = next(iter(reasons)) if len(reasons) == 1 else ""
        with contextlib.suppress(BrokenPipeError):  # Ctrl-C has ended our caller
            os.write(descriptor, f"{who}\t{describe_unready(reasons)}\t{trouble}\n".encode())
        os.close(descriptor)
        # Our caller may wait for the end of our stderr.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())

    async def greet() -> None:
        await supervisor.ready.wait()
        await asyncio.to_thread(_run_terminal_commands, team)

    tasks = [asyncio.create_task(greet())] if may_greet and sys.stdout.isatty() else []
    tasks += [asyncio.create_task(report_ready(ready_fd))] if ready_fd is not None else []
    await supervisor.run()
    for task in tasks:
        task.cancel()


def _detach(team: Team, seconds: float) -> int:
    """Start this program in a new session, and wait for its report, its end, or the timeout. Raise
    WorkersNotReady.
    """
    ready_reader, ready_writer = os.pipe()
    process = subprocess.Popen(
        [
            *_own_command(),
            "start",
            "--team",
            team.name,
            "--timeout",
            str(seconds),
            "--ready-fd",
            str(ready_writer),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(ready_writer,),
    )
    os.close(ready_writer)
    try:
        with open(ready_reader, "rb") as pipe, progress.during(f"Team {team.name!r} starts"):
            line = pipe.readline().decode()
    except KeyboardInterrupt:
        process.returncode = 0  # as below
        how = command_hint(team, "stop")
        print(f"Team {team.name!r}, pid {process.pid}, is still starting. Stop it with: {how}", file=sys.stderr)
        raise
    if not line:
        # The supervisor has written the reason to our stderr.
        return process.wait()
    process.returncode = 0  # the supervisor outlives us, so Python need not warn
    who, unready, trouble = line.strip("\n").split("\t")
    if unready:
        how = command_hint(team, "logs", who) if who else command_hint(team, "ps")
        raise WorkersNotReady(f"Team {team.name!r} runs, pid {process.pid}, but {sanitize(unready)} See: {how}")
    if trouble:
        raise WorkersNotReady(f"Team {team.name!r} runs, pid {process.pid}. {sanitize(trouble)}")
    print(f"Team {team.name!r} runs, pid {process.pid}. Stop it with: {command_hint(team, 'stop')}", flush=True)
    if sys.stdout.isatty():
        _run_terminal_commands(team)
    return 0


def _own_command() -> list[str]:
    """Return the command with which this program was called, so that hints name a command that works."""
    program = [sys.argv[0]] if Path(sys.argv[0]).name == "teamsup" else ["-m", "teamsup.cli"]
    return [sys.executable, *program]


def _run_terminal_commands(team: Team) -> None:
    """Run the commands of components that print something at a start. They may print secrets, so their output goes only
    to this terminal. Each runs as a process, because its imports would stay in the supervisor for months.
    """
    for component in installed_components().values():
        if component.terminal_command and not component.fault:
            command = [*_own_command(), *component.terminal_command, "--team", team.name]
            subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
