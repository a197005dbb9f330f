"""Limits of the operating system: the supervisor's own, and those of its workers.

The supervisor needs two descriptors for each worker, but a select() in a worker may fail above 1,024. A core dump would
contain every secret of a process.
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


def restore_limits(is_ours: bool, nofile: int | None = None) -> None:
    """Restore the supervisor's original limits in a new process. A process of teamsup itself stays without core dumps.

    ``nofile`` is its own limit of open files. Raise ValueError or OSError if the system does not allow it.
    """
    own = _FILES if nofile is None else (nofile, max(nofile, _FILES[1]) if _FILES[1] >= 0 else _FILES[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, own)
    if not is_ours:
        resource.setrlimit(resource.RLIMIT_CORE, _CORE)
