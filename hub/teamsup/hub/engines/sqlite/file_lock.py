"""Locks that one process holds at a time, and that end with the process."""

import fcntl
import os
from pathlib import Path

from ...errors import StoreError


def try_lock(path: Path) -> int | None:
    """Take the lock on a file, which is made if need be; None while another process has it.

    The lock is held until the descriptor that is returned is closed, at the latest by the end of the process. Raises
    StoreError where the file cannot be made or locked.
    """
    try:
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(file)
            raise
    except BlockingIOError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be locked: {error.strerror}.") from error
    return file
