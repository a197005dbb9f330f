"""The teammates inside a session, which are members of an agent team of Claude Code, and their mailboxes.

Every half second Claude Code reads the mailbox of an idle teammate, a JSON file. It removes the delivered messages. The
format of the file and of its lock is that of Claude Code 2.1.332.
"""

import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from teamsup.hub.engines.process_identity import identity_of
from teamsup.hub.errors import TeamsupError
from teamsup.hub.models import Message
from teamsup.hub.team import fold_case

from .rendering import new_frame_mark, render_message

NATIVE_INBOX = "native_inbox"
"""The key in the presence of a session's agent: why a mailbox of its teammates cannot be written."""
STALE_LOCK_SECONDS = 10.0
"""Seconds after which Claude Code takes over a lock that its holder has not renewed."""
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")
_SENDER = "teamsup"
_MARK = "teamsup_message_id"


class UnusableInbox(TeamsupError):
    """A mailbox of Claude Code cannot be written now. It was not changed."""


@dataclass(frozen=True, slots=True)
class Teammate:
    """A native teammate: its name in teamsup, which is the name of its type, and the file that Claude Code reads for
    it.
    """

    agent: str
    inbox: Path


def agent_of_type(agent_type: str) -> str:
    """Return the team's name for a subagent or teammate of this type. Claude Code puts the plugin's name and a colon
    before it.
    """
    return fold_case(agent_type.rpartition(":")[2])


def teams_folder() -> Path:
    """Return the folder where Claude Code keeps its agent teams."""
    return Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude") / "teams"


def find_teammates(teams: Path, claude: int) -> list[Teammate]:
    """Return the teammates inside the session of this living process of Claude Code."""
    started = identity_of(claude).rpartition(" ")[2]
    found: dict[str, Teammate] = {}
    for path in sorted(teams.glob("*/config.json")):
        # The file may be half removed, or belong to another program.
        with suppress(OSError, ValueError, RecursionError):
            config = json.loads(path.read_bytes())
            found |= {each.agent: each for each in parse_teammates(config, path.parent, claude, started)}
    return list(found.values())


def parse_teammates(config: object, folder: Path, claude: int, started: str) -> Iterator[Teammate]:
    """Yield the teammates in the config.json of a team, if the process ``claude`` leads it. ``started`` is the start of
    that process in the system's form, or empty.
    """
    match config:
        case {"leadProcess": {"pid": int(pid), **process}, "leadAgentId": lead, "members": [*members]}:
            pass
        case _:
            return
    if pid != claude or (started and process.get("procStart", started) != started):
        return
    for member in members:
        match member:
            # A teammate in its own pane is a session with its own server.
            case {"agentId": str(number), "name": str(name), "agentType": str(kind), "backendType": "in-process"}:
                if number != lead and (agent := agent_of_type(kind)):
                    yield Teammate(agent, folder / "inboxes" / f"{_UNSAFE.sub('-', name)}.json")


def put_messages(inbox: Path, messages: Sequence[Message]) -> None:
    """Append these messages to a mailbox, except those that are already in it. Raise UnusableInbox."""
    if not messages:
        return
    try:
        inbox.parent.mkdir(mode=0o700, exist_ok=True)
        with _hold_lock(inbox):
            entries = _read_entries(inbox)
            known = {entry.get(_MARK) for entry in entries if isinstance(entry, dict)}
            if new := [_make_entry(message) for message in messages if message.message_id not in known]:
                _replace(inbox, [*entries, *new])
    except OSError as error:
        raise UnusableInbox(f"{inbox} cannot be written: {error.strerror or error}") from None


def _make_entry(message: Message) -> dict[str, Any]:
    act = f'answer it with team_send_message(reply_to="#{message.id}"), or read it with team_read_messages'
    return {
        "from": _SENDER,
        "text": f"{render_message(message, new_frame_mark())}\nIt stays unread until you act: {act}.",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "read": False,
        _MARK: message.message_id,
    }


@contextmanager
def _hold_lock(inbox: Path) -> Iterator[None]:
    """Hold Claude Code's lock, a folder. Raise UnusableInbox if another process has it."""
    lock = inbox.with_name(f"{inbox.name}.lock")
    try:
        lock.mkdir()
    except FileExistsError:
        if time.time() - lock.stat().st_mtime < STALE_LOCK_SECONDS:
            raise UnusableInbox(f"{inbox} is locked") from None
        lock.rmdir()
        lock.mkdir()
    try:
        yield
    finally:
        with suppress(OSError):
            lock.rmdir()


def _read_entries(inbox: Path) -> list[Any]:
    try:
        if not stat.S_ISREG(inbox.lstat().st_mode):
            raise UnusableInbox(f"{inbox} is not a file")
        entries = json.loads(inbox.read_bytes())
    except FileNotFoundError:
        return []
    except (ValueError, RecursionError):
        raise UnusableInbox(f"{inbox} is not JSON") from None
    if not isinstance(entries, list):
        raise UnusableInbox(f"{inbox} is not a list")
    return entries


def _replace(inbox: Path, entries: Sequence[object]) -> None:
    """Replace the file atomically, because Claude Code reads it without the lock."""
    descriptor, name = tempfile.mkstemp(prefix=f".{inbox.name}.", dir=inbox.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as new:
            json.dump(entries, new, indent=2)
            with suppress(FileNotFoundError):
                os.fchmod(new.fileno(), stat.S_IMODE(inbox.stat().st_mode))
        os.replace(name, inbox)
    except BaseException:
        os.unlink(name)
        raise
