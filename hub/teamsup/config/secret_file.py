"""Files that hold secrets, such as a token: only their owner may read them."""

import os
import stat
from pathlib import Path


class UnusableSecretFile(Exception):
    """The file cannot be used now. The text of the error is for people, and names the file."""


def read_secret_file(named: str | Path) -> str:
    """Return the text of a file that only its owner may read. Raise UnusableSecretFile.

    Expand ``~`` and ``$CREDENTIALS_DIRECTORY`` if the path is a text. systemd protects the latter folder itself, so the
    mode of its files does not matter.
    """
    try:
        file = named if isinstance(named, Path) else Path(os.path.expandvars(named)).expanduser()
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):
            raise UnusableSecretFile(f"{file} cannot be read: it is not a file")
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if mode & 0o077 and not (credentials and file.is_relative_to(credentials)):
            raise UnusableSecretFile(f"others can read {file}; run chmod 600 on it")
        return file.read_text("utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        reason = "it is not text" if isinstance(error, UnicodeError) else getattr(error, "strerror", None) or str(error)
        raise UnusableSecretFile(f"{named} cannot be read: {reason}") from error
