"""What Claude Code's hooks tell a session's server, and what it has them say to the model.

A hook is a small program that Claude Code runs and waits for. Ours passes on what it is given, through a Unix socket
named after Claude Code's pid, and prints the answer. So hooks start quickly, know nothing, and reach the very server
that serves their session.
"""

import fcntl
import json
import logging
import os
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketListener, SocketStream

from .errors import TeamsupError
from .messages import Step
from .model_wording import announcement
from .participants import Participant, Participants, in_hub

_log = logging.getLogger(__name__)
_MAX_BYTES = 64 * 2**20
_PATIENCE_SECONDS = 5.0


def socket_path(claude: int) -> Path:
    """Where the hooks of the Claude Code of that pid look for their server; deploy/claude/hook.py says the same."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
    return Path(folder, f"teamsup-{os.getuid()}", f"claude-{claude}")


class Hooks:
    """The hooks' end at the server. Where it cannot be put up an agent hears less, and the server goes on."""

    def __init__(self, participants: Participants, claude: int) -> None:
        self._participants = participants
        self._path = socket_path(claude)
        self._is_ours = False

    async def serve(self) -> None:
        """Answer hooks until cancelled."""
        try:
            async with await self._listen() as listener:
                await listener.serve(self._attend)
        except OSError as error:
            _log.warning("no hooks: %s", error)
        finally:
            self.close()

    def close(self) -> None:
        if self._is_ours:
            with suppress(OSError):
                self._path.unlink()

    async def _attend(self, stream: SocketStream) -> None:
        async with stream:
            given: Mapping[str, Any] = {}
            with suppress(OSError, anyio.BrokenResourceError), anyio.move_on_after(_PATIENCE_SECONDS):
                given = _payload(await _received(stream))
            if given and (said := await answer(self._participants, given)):
                try:
                    await stream.send(said)
                except (OSError, anyio.BrokenResourceError):
                    # The hook has given us up, because the hub was busy perhaps. What it took away was not said.
                    await self._participants.begin_ladders()

    async def _listen(self) -> SocketListener:
        """Raises OSError where the place is not ours to take."""
        folder = self._path.parent
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise OSError(f"{folder} is not a folder of yours alone")
        # Of two servers that begin at once one must see the other.
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_served(self._path):
                raise OSError(f"another server of this Claude Code listens at {self._path} already")
            self._path.unlink(missing_ok=True)
            listener = await anyio.create_unix_listener(self._path, mode=0o600)
            self._is_ours = True
            return listener
        finally:
            os.close(lock)


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as other:
        try:
            other.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True


async def answer(participants: Participants, given: Mapping[str, Any]) -> bytes:
    """What the hook prints for Claude Code to act on, or nothing. No trouble of ours may stop a turn."""
    event = given.get("hook_event_name")
    agent_id, agent_type = given.get("agent_id"), given.get("agent_type")
    try:
        await participants.hooks_heard()
        who = participants.main
        # With `claude --agent X` the session itself has a type, but no id.
        if isinstance(agent_id, str) and isinstance(agent_type, str):
            who = await participants.subagent(agent_id, agent_type)
            if event == "PreToolUse":
                participants.expect(str(given.get("tool_use_id")), agent_id, agent_type)
        reply = await _reply(who, str(event))
        if event == "SubagentStop" and not reply and isinstance(agent_id, str):
            await participants.dismiss(agent_id)
    except TeamsupError as error:
        _log.warning("%s: %s", event, error)
        return b""
    return json.dumps(reply, ensure_ascii=False).encode() if reply else b""


async def _reply(who: Participant, event: str) -> dict[str, Any]:
    match event:
        case "SessionStart":
            # Also after /clear and a compaction, when the model has forgotten what it was told.
            await in_hub(who.hub.begin_ladder)
        case "UserPromptSubmit" | "PostToolUse" | "PostToolUseFailure":
            if text := await _announced(who, Step.ANNOUNCED):
                return {"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}
        case "Stop" | "SubagentStop":
            if text := await _announced(who, Step.ASKED):
                return {"decision": "block", "reason": text}
            await who.end_turn()
    return {}


async def _announced(who: Participant, step: Step) -> str:
    # What waits for the session is not for a subagent that merely shares its mailbox.
    if not who.has_name:
        return ""
    messages = await in_hub(lambda: who.hub.announce(step))
    return announcement(messages, step) if messages else ""


async def _received(stream: SocketStream) -> bytes:
    received = bytearray()
    with suppress(anyio.EndOfStream):
        while len(received) <= _MAX_BYTES:
            received += await stream.receive()
    return bytes(received)


def _payload(received: bytes) -> Mapping[str, Any]:
    try:
        given = json.loads(received)
    except (ValueError, RecursionError):
        return {}
    return given if isinstance(given, dict) else {}
