"""A worker's env_file: lines NAME=value that only the owner may read. Each start of the worker reads it."""

import io
from pathlib import Path

from teamsup.config.secret_file import UnusableSecretFile, read_secret_file

Variables = tuple[tuple[str, str], ...]


class UnusableEnvFile(Exception):
    """The file cannot be used now; the next start tries again."""


def read_env_file(path: Path) -> Variables:
    """Return the variables in the file. Raise UnusableEnvFile, whose text is for people."""
    from dotenv import dotenv_values  # only workers with an env_file need it

    try:
        values = dotenv_values(stream=io.StringIO(read_secret_file(path)), interpolate=False)
    except UnusableSecretFile as error:
        raise UnusableEnvFile(f"env_file: {error}") from error
    return tuple((key, value) for key, value in values.items() if value is not None)
