"""A worker's env_file: lines NAME=value that only the owner may read. It is read at each start of the worker."""

import stat
from pathlib import Path

Variables = tuple[tuple[str, str], ...]


class UnusableEnvFile(Exception):
    """The file cannot be used now; it may be there at the next start."""


def read_env_file(path: Path) -> Variables:
    """Return the variables in the file. Raises EnvFileTrouble, as one phrase for people."""
    from dotenv import dotenv_values  # only for those who have such a file

    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise UnusableEnvFile(f"env_file: {path} is not a file")
        if mode & 0o077:
            raise UnusableEnvFile(f"env_file: others can read {path}; run chmod 600 on it")
        with path.open(encoding="utf-8") as file:
            values = dotenv_values(stream=file, interpolate=False)
    except OSError as error:
        raise UnusableEnvFile(f"env_file: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnusableEnvFile(f"env_file: {path} cannot be read: it is not text") from error
    return tuple((key, value) for key, value in values.items() if value is not None)
