"""Doctor's checks of the machine: versions, file system, SQLite's log, sockets, inotify, and the clock."""

import os
import platform
import socket
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from shlex import quote

from teamsup.hub import Team
from teamsup.hub.engines.choice import find_address, sqlite_version
from teamsup.terminal.findings import Finding, Verdict
from teamsup.terminal.formatting import format_duration, format_moment

_NETWORK_TYPES = frozenset({"9p", "ceph", "cifs", "glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"})
_FUSE = "fuse."
_LIMITS = Path("/proc/sys/fs/inotify")
_MIN_FREE_INSTANCES = 8
"""The number of free inotify instances that a team needs. Each waiting process needs about one."""
_MAX_AHEAD = timedelta(minutes=1)


def check_machine(team: Team, newest: datetime | None, journal: str | None, now: datetime) -> list[Finding]:
    """Return the findings about this machine. ``newest`` is the time of the newest message, if there is one;
    ``journal`` is the log of SQLite.
    """
    return [
        check_versions(),
        *check_file_system(team.folder, _read_mounts(), is_file=find_address(team) is None),
        *check_journal(journal),
        *check_sockets(team),
        *check_watches(_read_limit("max_user_instances"), _count_instances(), _read_limit("max_user_watches")),
        *check_clock(newest, now),
    ]


def check_versions() -> Finding:
    """Return the versions of Python and of the packages that a team uses."""
    from importlib.metadata import version  # takes longer to import than the rest

    python = f"Python {platform.python_version()}, SQLite {sqlite_version()}"
    return Finding("versions", Verdict.OK, f"teamsup {version('teamsup')}, {python}, {platform.system()}")


def check_file_system(folder: Path, mounts: Iterable[tuple[str, str]], *, is_file: bool) -> list[Finding]:
    """Return a failure if the folder of the team is on a disk of another machine.

    ``mounts`` are pairs of a mount point and its type. The WAL of SQLite needs memory that all processes share
    (https://www.sqlite.org/wal.html). The locks and sockets of a team need one machine too.
    """
    path = os.path.realpath(folder)
    kind, best = "", -1
    for point, each in mounts:
        if (point == "/" or path == point or path.startswith(f"{point}/")) and len(point) >= best:
            kind, best = each, len(point)
    if kind not in _NETWORK_TYPES and not kind.startswith(_FUSE):
        return [Finding("file system", Verdict.OK, f"{folder} is on {kind}")] if kind else []
    stored = "the database needs a local disk" if is_file else "locks and sockets need a local disk"
    hint = "Let TEAMSUP_HOME name a folder on a local disk"
    return [Finding("file system", Verdict.FAILED, f"{folder} is on {kind}: {stored}", f"{hint}.")]


def check_watches(instances: int | None, used: int, watches: int | None) -> list[Finding]:
    """Check whether processes of this user may still watch files. Return no finding if the system has no limit."""
    if instances is None or watches is None:
        return []
    text = f"{used} of {instances} inotify instances of this user are in use"
    if instances - used < _MIN_FREE_INSTANCES:
        more = f"sudo sysctl fs.inotify.max_user_instances={2 * instances}"
        hint = f"Writes of other programs may be found late. Allow more: {more}"
        return [Finding("inotify", Verdict.WARNING, text, hint)]
    return [Finding("inotify", Verdict.OK, f"{text}; {watches} watches are allowed")]


def check_clock(newest: datetime | None, now: datetime) -> list[Finding]:
    """Check whether the newest message is from the future. Return no finding without a message."""
    if newest is None:
        return []
    if newest - now <= _MAX_AHEAD:
        # The newest message is the last that was stored. Before it, a wrong clock may have stored one from the future.
        text = f"it is {format_moment(now)}, and the newest message is of {format_moment(newest)}"
        return [Finding("clock", Verdict.OK, text)]
    ahead = format_duration((newest - now).total_seconds())
    text = f"the newest message is {ahead} ahead of this machine's clock"
    return [
        Finding("clock", Verdict.WARNING, text, "One of the two clocks was wrong. Compare: date --utc; timedatectl")
    ]


def check_journal(journal: str | None) -> list[Finding]:
    """Check whether SQLite has a write-ahead log. Return no finding if no file stores the team."""
    if journal is None:
        return []
    if journal == "wal":
        return [Finding("journal", Verdict.OK, "the database has a write-ahead log (WAL)")]
    text = f"the database has no write-ahead log (WAL), but {journal!r}: readers and writers wait for each other"
    hint = "The file system does not allow it. Let TEAMSUP_HOME name a folder on a local disk"
    return [Finding("journal", Verdict.FAILED, text, f"{hint}; see: df -T .")]


def check_sockets(team: Team) -> list[Finding]:
    """Try to make a socket in the folder of the team's sockets. Return no finding before that folder exists."""
    folder = team.run
    if not folder.is_dir():
        return []
    path = folder / f".doctor-{os.getpid()}"
    try:
        with socket.socket(socket.AF_UNIX) as trial:
            try:
                trial.bind(str(path))
            finally:
                path.unlink(missing_ok=True)
    except OSError as error:
        text = f"no socket can be made in {folder}: {error.strerror or error}"
        return [
            Finding("sockets", Verdict.FAILED, text, f"See: ls -ld {quote(str(folder))}; df -T {quote(str(folder))}")
        ]
    if folder.parent == team.folder:
        return [Finding("sockets", Verdict.OK, f"they are in {folder}")]
    text = f"they are in {folder}, because the path of the team is too long for them"
    hint = "Give all its programs the same TMPDIR, or let TEAMSUP_HOME name a folder with a shorter path."
    return [Finding("sockets", Verdict.OK, text, hint)]


def _read_mounts() -> list[tuple[str, str]]:
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        before, _, after = line.partition(" - ")
        # The system writes blanks of a path as octal numbers.
        point = before.split()[4].encode().decode("unicode_escape", "replace")
        found.append((point, after.split()[0]))
    return found


def _read_limit(name: str) -> int | None:
    try:
        return int((_LIMITS / name).read_text())
    except (OSError, ValueError):
        return None


def _count_instances() -> int:
    """Return the number of inotify instances of this user's processes."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid != os.getuid():
                continue
            for descriptor in (process / "fd").iterdir():
                count += os.readlink(descriptor) == "anon_inode:inotify"
        except OSError:
            continue  # the process has ended
    return count
