"""The page's files in the team's folder ``run``: the port of the page, and links that a browser is about to open."""

import contextlib
import hashlib
import html
import os
from pathlib import Path

from .access.sessions import LINK_SECONDS


def read_port(file: Path) -> int:
    """Return the port of an earlier run, or 0. The same port keeps bookmarks and open pages valid after a restart."""
    try:
        port = int(file.read_text("ascii"))
    except (OSError, ValueError):
        return 0
    return port if 0 < port <= 65535 else 0


def write_port(file: Path, port: int) -> None:
    """Store the port. If the disk refuses it, the next run may have another port."""
    with contextlib.suppress(OSError):
        new = file.with_suffix(".new")
        new.write_text(f"{port}\n", "ascii")
        new.replace(file)


def write_link(run: Path, link: str) -> Path:
    """Write a file that leads a browser to the link, and return it. All users can see a browser's arguments, so the
    secret is in a file that only its owner can read.
    """
    file = _link_file(run, link.partition("#")[2])
    with contextlib.suppress(FileNotFoundError):
        file.unlink()
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        opened.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={html.escape(link)}">\n')
    return file


def remove_link(run: Path, secret: str) -> None:
    """Remove the file of a link that was used."""
    with contextlib.suppress(OSError):
        _link_file(run, secret).unlink()


def remove_expired_links(run: Path, now: float) -> None:
    """Remove the files of links that have expired unused."""
    for file in run.glob("open-*.html"):
        with contextlib.suppress(OSError):
            if now - file.stat().st_mtime > LINK_SECONDS:
                file.unlink()


def _link_file(run: Path, secret: str) -> Path:
    digest = hashlib.sha256(f"file {secret}".encode("utf-8", "surrogatepass")).hexdigest()
    return run / f"open-{digest[:16]}.html"
