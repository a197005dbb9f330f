"""Limits of the operating system: the supervisor's own, and those of its workers.

The supervisor needs two descriptors for each worker, but a select() in a worker may fail above 1,024. A core dump
contains every secret of a process.
"""

import resource

_MAX_FILES = 65536
_FILES, _CORE = resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE)
"""The limits of this process at its start."""


def raise_own_limits() -> None:
    """Raise this process's limit of open files to its maximum, and forbid core dumps."""
    soft, hard = _FILES
    most = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most) if soft != resource.RLIM_INFINITY else soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, _CORE[1]))


def restore_limits(is_ours: bool) -> None:
    """Restore the supervisor's original limits in a new process; one of teamsup's own also dumps no core."""
    resource.setrlimit(resource.RLIMIT_NOFILE, _FILES)
    if not is_ours:
        resource.setrlimit(resource.RLIMIT_CORE, _CORE)
