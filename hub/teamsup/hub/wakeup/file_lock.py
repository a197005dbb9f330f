"""Locks that one process holds at a time, and that end with the process."""

import fcntl
import os
from pathlib import Path

from ..errors import StoreError


def try_lock(path: Path) -> int | None:
    """Lock a file, and create it if needed. Return None while another process holds the lock.

    The lock lasts until the caller closes the returned descriptor, or the process ends. Raise StoreError if the file
    cannot be created or locked.
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
