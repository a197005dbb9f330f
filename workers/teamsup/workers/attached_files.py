"""Files that people attach to their messages: the folder, and the removal together with the message."""

import shutil
import time
from pathlib import Path

from teamsup.hub import MessageHub


def attachment_folder(team_folder: Path) -> Path:
    """Return the folder that has one subfolder for each message on Discord, named by its number."""
    return team_folder / "files" / "discord"


def remove_orphaned_files(hub: MessageHub, *, at_least_seconds: float = 86_400) -> None:
    """Remove the files whose message the hub has forgotten. Blocks.

    Keep files younger than ``at_least_seconds``, because their message may not be stored yet.
    """
    folder = attachment_folder(hub.team.folder)
    before = time.time() - at_least_seconds
    for each in folder.iterdir() if folder.is_dir() else ():
        is_kept = hub.queries.versions(f"discord:{each.name}")
        if not is_kept and each.stat().st_mtime < before:
            shutil.rmtree(each, ignore_errors=True)
