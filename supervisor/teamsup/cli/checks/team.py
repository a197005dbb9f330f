"""Doctor's checks of a team: its folder and disk, its hub, its members, and workers of the user's own."""

import grp
import os
import pwd
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote

from teamsup.config.components import WORKER_GROUP, installed_components
from teamsup.config.entry_points import find_entry_points, removal_hint
from teamsup.config.env_file import UnusableEnvFile, read_env_file
from teamsup.config.loader import load_file
from teamsup.hub import NotConfigured, Team
from teamsup.hub.engines import maintenance_progress
from teamsup.hub.engines.choice import find_address
from teamsup.hub.models import NOT_CONFIGURED, SUPERVISOR
from teamsup.hub.validation import list_names
from teamsup.status.process_state import State
from teamsup.status.team_status import ParticipantStatus, TeamStatus
from teamsup.supervisor.configuration import team_configuration
from teamsup.supervisor.configuration.program import Program
from teamsup.supervisor.health.write_lock import find_lock_owner
from teamsup.terminal.findings import CommandHint, Finding, Verdict
from teamsup.terminal.formatting import format_duration

from ..command_line import COMMANDS
from ..component_commands import find_faults

_MIN_FREE_BYTES = 2**30
_PROBE_BYTES = 4096
_RECENT_SECONDS = 86400.0
_RETRY_SECONDS = 60.0
"""Seconds. A start within this time after a planned try counts as that try."""


def check_folder(team: Team) -> list[Finding]:
    """Check whether the disk is writable, and whether other users may read, write or replace the team's files."""
    disk = [_check_disk(team.folder)] if team.folder.is_dir() else []
    return [*disk, *_check_rights(team)]


def _check_disk(folder: Path) -> Finding:
    probe = folder / f".doctor-{os.getpid()}"
    began = time.monotonic()
    try:
        free = shutil.disk_usage(folder).free
        file = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, b"\0" * _PROBE_BYTES)
            os.fsync(file)
        finally:
            os.close(file)
            probe.unlink()
    except OSError as error:
        hint = f"Free some space, or mount it for writing: df -h {folder}"
        return Finding("disk", Verdict.FAILED, f"{folder} is not writable: {error.strerror}", hint)
    text = f"takes a write in {(time.monotonic() - began) * 1000:.0f} ms, {free / 2**30:.1f} GiB are free"
    if free < _MIN_FREE_BYTES:
        return Finding("disk", Verdict.WARNING, text, f"Free some space soon: df -h {folder}")
    return Finding("disk", Verdict.OK, text)


def _check_rights(team: Team) -> Iterator[Finding]:
    for path, allowed in ((team.folder, 0o700), (team.run, 0o700), (team.logs, 0o700), *_database_files(team)):
        try:
            # Never open these files: that would drop this process's locks on the database.
            found = path.stat()
        except OSError:
            continue
        if found.st_uid not in (os.getuid(), 0):
            yield _foreign(path, found.st_uid)
        elif found.st_mode & 0o777 & ~allowed:
            text = f"other users may access {path}: {found.st_mode & 0o777:o}"
            yield Finding("rights", Verdict.FAILED, text, f"chmod {allowed:o} {quote(str(path))}")
    for path in _folders_above(team):
        with suppress(OSError):
            found = path.stat()
            if found.st_uid not in (os.getuid(), 0):
                yield _foreign(path, found.st_uid)
            elif _is_open(found):
                text = f"other users may replace files in {path}: {found.st_mode & 0o777:o}"
                yield Finding("rights", Verdict.FAILED, text, f"chmod go-w {quote(str(path))}")


def _foreign(path: Path, owner: int) -> Finding:
    hint = f"Change the owner: chown {os.getuid()} {quote(str(path))}"
    return Finding("rights", Verdict.FAILED, f"{path} belongs to user {owner}", hint)


def _folders_above(team: Team) -> list[Path]:
    """Yield the folders in which another user could replace the team's folder or configuration, up to the home folder.
    Folders behind a link count too.
    """
    home = Path(os.path.realpath(os.path.expanduser("~")))
    found: dict[Path, None] = {}
    for path in (team.folder, Path(os.path.realpath(team.folder)), Path(os.path.realpath(team.configuration))):
        for parent in path.parents:
            if parent != team.folder:
                found[parent] = None
            if parent == home:
                break
    return list(found)


def _is_open(folder: os.stat_result) -> bool:
    """Return whether another user may rename files in a folder. In a sticky folder, such as /tmp, only
    their owner may.
    """
    if folder.st_mode & stat.S_ISVTX:
        return False
    return bool(folder.st_mode & stat.S_IWOTH or (folder.st_mode & stat.S_IWGRP and not _is_own_group(folder.st_gid)))


def _is_own_group(number: int) -> bool:
    """Return whether the group has only one member. Many systems give each user such a group, and let it write in new
    folders.
    """
    try:
        group, user = grp.getgrgid(number), pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _database_files(team: Team) -> Iterator[tuple[Path, int]]:
    """Yield the database's files. Other users cannot enter their folder, so only the right to write is checked."""
    for name in ("messages.db", "messages.db-wal", "messages.db-shm", "teamsup.toml"):
        yield team.folder / name, 0o644


def check_hub(team: Team, trouble: str, *, is_outdated: bool = False) -> list[Finding]:
    """Return findings about the hub: why it cannot be used, and the maintenance that is running. ``is_outdated`` means
    that this program is too old for the store.
    """
    work = maintenance_progress.read_maintenance(team.run)
    found = []
    if work is not None:
        done = f", {work.done * 100 // work.total} % done" if work.total else ""
        text = f"pid {work.pid} works on it: {work.kind} for {time.time() - work.started_at:.0f} s{done}"
        found.append(Finding("maintenance", Verdict.WARNING, text, "Wait for its end."))
    if trouble:
        hint = f"Nobody can send or read now. See: ls -l {quote(str(team.folder))}; df -h {quote(str(team.folder))}"
        if is_outdated:
            hint = "Update with: pip install -U teamsup, or uv tool upgrade teamsup, or pipx upgrade teamsup"
        elif find_address(team) is not None:
            hint = "Nobody can send or read now. Look at the server and its log. Causes: teamsup docs scale-out"
        elif holder := _describe_lock_owner(team):
            hint = f"{holder} Nobody can send until it releases the lock."
        found.append(Finding("team", Verdict.FAILED, trouble, hint))
    return found


def _describe_lock_owner(team: Team) -> str:
    """Return a sentence about the owner of the write lock, or an empty text if there is no known owner."""
    import psutil

    try:
        owner = find_lock_owner(team.database)
        if owner is None or owner.pid is None:
            return "" if owner is None else "A process that the system does not name holds the write lock."
        return f"Pid {owner.pid} ({' '.join(psutil.Process(owner.pid).cmdline())[:200]}) holds the write lock."
    except (OSError, ValueError, psutil.Error):
        return ""


def check_participants(team_status: TeamStatus, call: CommandHint) -> list[Finding]:
    """Return findings about members with a trouble, with the reasons."""
    if not team_status.is_running:
        hint = f"Agents can still write to each other. Start the daemons with: {call('start')}"
        return [Finding(SUPERVISOR, Verdict.WARNING, "is not running", hint)]
    starting = [row for row in team_status.rows if row.well and row.state == State.STARTING]
    unwell = [row for row in team_status.rows if not row.well]
    found = [] if any(row.name == SUPERVISOR for row in unwell) else [_supervisor_finding(team_status)]
    daemons = [row for row in team_status.rows if row.kind == "daemon" and row not in starting]
    if well := [row.name for row in daemons if row.well and row.pid is not None]:
        are = "is" if len(well) == 1 else "are"
        found.append(Finding("workers", Verdict.OK, f"{len(well)} {are} well: {', '.join(well)}"))
    return [
        *found,
        *(_starting_finding(row, time.time(), call) for row in starting),
        *(_participant_finding(row, call) for row in unwell),
        *(finding for row in daemons for finding in _crash_findings(row, time.time(), call)),
    ]


def _supervisor_finding(status: TeamStatus) -> Finding:
    where = "runs on another host" if status.pid is None else f"runs, pid {status.pid}"
    return Finding(SUPERVISOR, Verdict.OK, where)


def _participant_finding(row: ParticipantStatus, call: CommandHint) -> Finding:
    text = f"{row.state}: {row.note}" if row.note else row.state
    forget = f"Start its session again, or let the team forget it: {call('agents', 'rm', row.name)}"
    hint = forget if row.kind not in ("daemon", SUPERVISOR) else _hint_at_worker(row, call)
    return Finding(row.name, Verdict.FAILED, text, hint)


def _starting_finding(row: ParticipantStatus, now: float, call: CommandHint) -> Finding:
    """Return a warning about a worker that is starting, or a failure if it has crashed several times. ``now`` is in
    Unix seconds.
    """
    uptime = row.uptime_seconds or 0.0
    text = f"{row.state} for {format_duration(uptime)}"
    last = row.crashes[-1] if row.crashes else None
    if last is None or last.next_try_at is None or now - uptime - last.next_try_at > _RETRY_SECONDS:
        return Finding(row.name, Verdict.WARNING, text, _hint_at_worker(row, call))
    if last.failures == 1:
        return Finding(row.name, Verdict.WARNING, f"{text}, after a crash: {last.reason}", _hint_at_worker(row, call))
    text += f", after {last.failures} crashes in a row, last: {last.reason}"
    return Finding(row.name, Verdict.FAILED, text, _hint_at_worker(row, call))


def _crash_findings(row: ParticipantStatus, now: float, call: CommandHint) -> Iterator[Finding]:
    """Yield a warning about a worker that runs again, for a day after its crash. ``now`` is in Unix seconds."""
    last = row.crashes[-1] if row.well and row.pid is not None and row.crashes else None
    if last is not None and last.reason != NOT_CONFIGURED and now - last.at < _RECENT_SECONDS:
        text = f"is well now; it last died {format_duration(now - last.at)} ago: {last.reason}"
        yield Finding(row.name, Verdict.WARNING, text, _hint_at_worker(row, call))


def _hint_at_worker(row: ParticipantStatus, call: CommandHint) -> str:
    return f"See: {call('ps', row.name)}; {call('logs', row.name)}"


def check_configuration(team: Team, call: CommandHint) -> list[Finding]:
    """Check whether packages can be loaded, teamsup.toml can be applied, and the user's own workers can be started."""
    unloadable = {each.name: each.fault for each in installed_components().values() if each.fault}
    found = [_unloadable_finding(name, fault, call) for name, fault in unloadable.items()]
    found += [
        Finding(f"command {each.name}", Verdict.FAILED, each.text.rstrip("."), each.remedy)
        for each in find_faults(COMMANDS)
    ]
    if not team.configuration.exists():
        return found
    try:
        programs = list(team_configuration.parse_configuration(team, load_file(team)).programs.values())
    except NotConfigured as error:
        # An unknown section may be one of a package that cannot be loaded; a reload would not load it either.
        hint = f"First correct the package of {list_names(list(unloadable))}" if unloadable else _reload_hint(call)
        return [*found, Finding("configuration", Verdict.FAILED, str(error).rstrip("."), hint)]
    if mistake := next((each.fault for each in programs if each.fault and each.name not in unloadable), ""):
        return [*found, Finding("configuration", Verdict.FAILED, mistake.rstrip("."), _reload_hint(call))]
    if not unloadable:
        found.append(Finding("configuration", Verdict.OK, f"{team.configuration} can be applied"))
    return [*found, *(_check_program(program, call) for program in programs if not program.is_component)]


def _reload_hint(call: CommandHint) -> str:
    return f"Correct it, then run: {call('reload')}"


def _unloadable_finding(name: str, fault: str, call: CommandHint) -> Finding:
    points = find_entry_points(WORKER_GROUP).get(name, ())
    remedy = "Update or remove its package"
    if len(points) == 1:
        remedy += f": pip install --upgrade {points[0].package}, or {removal_hint(points)}"
    elif points:
        remedy = f"Run: {removal_hint(points)}"
    hint = f"{remedy}. A team sees that at its next start: {call('stop')}; {call('start')}"
    return Finding(name, Verdict.FAILED, fault.rstrip("."), hint)


def _check_program(program: Program, call: CommandHint) -> Finding:
    name = f"[worker.{program.name}]"
    if trouble := _find_program_fault(program):
        verdict = Verdict.FAILED if program.autostart else Verdict.WARNING
        return Finding(
            program.name, verdict, f"{name} {trouble}", f"Correct it, then run: {call('restart', program.name)}"
        )
    return Finding(program.name, Verdict.OK, f"{name} can be started")


def _find_program_fault(program: Program) -> str:
    if not program.directory.is_dir():
        return f"directory: there is no folder {program.directory}"
    if program.env_file is not None:
        try:
            read_env_file(program.env_file)
        except UnusableEnvFile as error:
            return str(error)
    command = program.command[0]
    path = dict(program.environment).get("PATH")
    # A command with a slash is looked up from its directory.
    found = str(program.directory / command) if "/" in command else command
    if shutil.which(found, path=path) is None:
        return f"command: there is no program {command!r}"
    return ""


def is_not_configured(row: ParticipantStatus | None) -> bool:
    """Return whether this optional part of the team is not configured."""
    return row is not None and row.state == NOT_CONFIGURED and row.well
