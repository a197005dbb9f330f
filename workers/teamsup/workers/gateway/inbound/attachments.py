"""Download attachments into the team's folder, which only its owner may read.

A message waits only briefly for its attachments. A slow download continues, and the message contains the future path of
the file.
"""

import asyncio
import logging
import os
import re
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path

import aiohttp

from ...attached_files import attachment_folder
from ..markup import sanitize_file_name
from ..message import Attachment, InboundMessage

_DOWNLOAD_SECONDS = 120.0
_WAIT_SECONDS = 5.0  # other messages of the channel wait meanwhile
_READ_BYTES = 1 << 16
_running: set[asyncio.Task[str]] = set()
"""The downloads that continue after their message was passed on."""


async def download_attachments(inbound: InboundMessage, team_folder: Path, most: int, log: logging.Logger) -> list[str]:
    """Download attachments of up to ``most`` bytes into the team's folder. Return a line about each attachment."""
    tasks = {
        asyncio.create_task(_download_and_describe(file, path, most, log)): (file, path)
        for file, path in paths_of(inbound, team_folder)
    }
    if not tasks:
        return []
    try:
        _, slow = await asyncio.wait(tasks, timeout=_WAIT_SECONDS)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        raise
    for task in slow:
        _running.add(task)
        task.add_done_callback(_running.discard)
    return [_describe_slow(*about) if task in slow else task.result() for task, about in tasks.items()]


def _make_unique(names: Iterable[str]) -> list[str]:
    """Return names that are unique even if the file system ignores case."""
    found: dict[str, str] = {}
    for number, name in enumerate(names):
        while name.casefold() in found:
            name = f"{number}-{name}"
        found[name.casefold()] = name
    return list(found.values())


def paths_of(inbound: InboundMessage, team_folder: Path) -> list[tuple[Attachment, Path]]:
    """Return the attachments, each with its path in the team's folder. Pure."""
    folder = attachment_folder(team_folder) / str(inbound.snowflake)
    names = _make_unique(sanitize_file_name(file.name) for file in inbound.files)
    return [(file, folder / name) for file, name in zip(inbound.files, names, strict=True)]


def _describe_slow(file: Attachment, path: Path) -> str:
    wait = f"is still being downloaded; it will be {path}, unless its server stops"
    return f"({_label_of(file)}: {_describe(file)}; {wait}; {file.url})"


def _label_of(file: Attachment) -> str:
    return "attachment of the quoted message" if file.is_quoted else "attachment"


def _describe(file: Attachment) -> str:
    return f"{sanitize_file_name(file.name)}, {file.size:,} bytes, {re.sub(r'[^ -~]', '', file.kind)[:100]}"


async def _download_and_describe(file: Attachment, path: Path, most: int, log: logging.Logger) -> str:
    what, label = _describe(file), _label_of(file)
    if file.size > most:
        return f"({label}: {what}; too large to download; {file.url})"
    try:
        if not await asyncio.to_thread(_is_downloaded, path, file.size):
            async with asyncio.timeout(_DOWNLOAD_SECONDS):
                await _download(file, path, most)
    except Exception as error:  # any error of the network or the disk
        log.warning("attachment %s is not downloaded: %r", path.parent.name, error)
        why = "its server is too slow" if isinstance(error, TimeoutError) else type(error).__name__
        return f"({label}: {what}; could not be downloaded: {why}; {file.url})"
    return f"({label}: {what}; saved as {path}; {file.url})"


def _is_downloaded(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


async def _download(file: Attachment, path: Path, most: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    size = 0
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as target:
            async with (
                aiohttp.ClientSession(raise_for_status=True) as session,
                session.get(file.url, allow_redirects=False) as answer,  # Discord's addresses do not redirect
            ):
                if answer.status != HTTPStatus.OK:
                    raise ValueError(f"its server says {answer.status}")
                async for chunk in answer.content.iter_chunked(_READ_BYTES):
                    size += len(chunk)
                    if size > most:
                        raise ValueError("it is larger than Discord said")
                    await asyncio.to_thread(target.write, chunk)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
