"""Serve the hooks of a Claude Code session.

A hook is a small program that Claude Code runs and waits for. The hook of teamsup passes its input through a Unix
socket, which is named after Claude Code's pid, and prints the answer. So a hook starts quickly, does not keep a state,
and reaches the server of its own session.
"""

import fcntl
import json
import logging
import os
import select
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream, TaskStatus

from teamsup.hub.errors import SchemaTooNew, TeamsupError
from teamsup.hub.models import WakeStep
from teamsup.hub.team import LAST_TEMPORARY_FOLDER

from .participants import Participant, Participants, run_in_thread
from .permission_request import request_permission
from .rendering import render_notice, render_outdated

_log = logging.getLogger(__name__)
_MAX_PAYLOAD_BYTES = 64 * 2**20
_RECEIVE_TIMEOUT_SECONDS = 5.0
_ADDS_CONTEXT = ("UserPromptSubmit", "PostToolUse", "PostToolUseFailure")
_GEMINI_EVENTS = {"BeforeAgent": "UserPromptSubmit", "AfterTool": "PostToolUse", "AfterAgent": "Stop"}
"""From the events of Gemini CLI to their names in Claude Code. Codex CLI uses the names of Claude Code."""
_MAX_BLOCKED_STOPS = 3
"""The maximum number of times that hooks may prolong one turn. Claude Code allows eight in a row, for all hooks
together.
"""


def socket_paths(claude: int) -> list[Path]:
    """Return the paths at which the server of a session may listen, the preferred path first.

    deploy/claude/hook.py tries the same paths.
    """
    parents = (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"), LAST_TEMPORARY_FOLDER)
    return [Path(parent, f"teamsup-{os.getuid()}", f"claude-{claude}") for parent in parents if parent]


class _AlreadyServed(OSError):
    """Another server of this Claude Code listens at the path."""


class HookServer:
    """The socket for hooks. If it cannot be opened, the agent gets fewer announcements, and the MCP server
    continues.
    """

    def __init__(self, participants: Participants, claude: int) -> None:
        self._participants = participants
        self._paths = socket_paths(claude)
        self._bound: Path | None = None
        self._has_reported_outdated = False

    async def serve(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Answer hooks until cancelled. Count as started once hooks can connect."""
        try:
            listener = await self._bind()
        except OSError as error:
            _log.warning("no hooks: %s", error)
            task_status.started()
            return
        async with listener:
            task_status.started()
            await listener.serve(self._serve_one)

    def close(self) -> None:
        if self._bound:
            with suppress(OSError):
                self._bound.unlink()

    async def _serve_one(self, stream: SocketStream) -> None:
        async with stream:
            given: Mapping[str, Any] = {}
            with suppress(OSError, anyio.BrokenResourceError), anyio.move_on_after(_RECEIVE_TIMEOUT_SECONDS):
                given = _parse_payload(await _receive(stream))
            try:
                await self._respond(stream, given)
            except SchemaTooNew as error:
                await self._report_outdated(stream, str(given.get("hook_event_name")), error)
            except TeamsupError as error:
                _log.warning("%s: %s", given.get("hook_event_name"), error)
            except Exception:
                # No error here may end the server, because all tools of the session depend on it.
                _log.exception("hook %s", given.get("hook_event_name"))

    async def _respond(self, stream: SocketStream, given: Mapping[str, Any]) -> None:
        who = await caller_of(self._participants, given)
        if who is None:
            return
        if _begins_turn(given):
            who.reset_blocked_stops()
        if given.get("hook_event_name") == "StopFailure":
            await who.report_failure(str(given.get("error")), str(given.get("last_assistant_message") or ""))
            return
        if given.get("hook_event_name") == "PermissionRequest":
            if output := await request_permission(who.hub, given, lambda: _is_awaited(stream)):
                await _send_output(stream, output)
            return
        output = await hook_output(who, str(given.get("hook_event_name")))
        if given.get("hook_event_name") == "SubagentStop" and not output:
            await self._participants.remove_subagent(str(given.get("agent_id")))
        if not output:
            return
        if not await _send_output(stream, output):
            # The hook has stopped waiting, perhaps because the hub was busy. So its announcements did not reach the
            # model.
            await run_in_thread(who.hub.wake_ladder.reset_wake_steps)

    async def _report_outdated(self, stream: SocketStream, event: str, error: SchemaTooNew) -> None:
        """Report at every prompt, and once in a running turn, that this server is outdated. Other messages of the team
        do not reach the session any more.
        """
        if event == "UserPromptSubmit" or (event in _ADDS_CONTEXT and not self._has_reported_outdated):
            self._has_reported_outdated = await _send_output(
                stream, _context_output(event, f"teamsup: {render_outdated(error)}")
            )

    async def _bind(self) -> SocketListener:
        """Listen on the socket of this session, at the first path that can be used. Raise OSError if there is none, or
        if another server of this session listens.
        """
        troubles = []
        for path in self._paths:
            try:
                listener = await _listen(path)
            except _AlreadyServed:
                raise
            except OSError as error:
                # The folder does not exist, others may use it, or its path is too long for the address of a socket.
                troubles.append(str(error))
                continue
            self._bound = path
            return listener
        raise OSError("; ".join(troubles))


async def _listen(path: Path) -> SocketListener:
    """Listen at the path. Raise OSError if its folder cannot be used, and _AlreadyServed if another server listens."""
    lock = _lock_folder(path.parent)
    try:
        _remove_unserved(path)
        return await anyio.create_unix_listener(path, mode=0o600)
    finally:
        os.close(lock)


def _lock_folder(folder: Path) -> int:
    """Lock the folder. If two servers start at once, one must notice the other. Return the lock to close. Raise OSError
    if another user may write in the folder.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise OSError(f"{folder} is not a folder of yours alone")
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _remove_unserved(path: Path) -> None:
    if _is_served(path):
        raise _AlreadyServed(f"another server of this Claude Code listens at {path} already")
    path.unlink(missing_ok=True)


async def _send_output(stream: SocketStream, output: Mapping[str, Any]) -> bool:
    """Send the output. Return whether the hook was still connected."""
    try:
        await stream.send(json.dumps(output, ensure_ascii=False).encode(errors="replace"))
    except (OSError, anyio.BrokenResourceError):
        return False
    return True


def _is_awaited(stream: SocketStream) -> bool:
    """Return whether the hook is still waiting. It has already closed its own side, so only a hang-up shows its end."""
    poll = select.poll()
    poll.register(stream.extra(SocketAttribute.raw_socket), 0)  # noqa: S610 - an attribute of the stream
    return not poll.poll(0)


def _context_output(event: str, text: str) -> dict[str, Any]:
    return {"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as other:
        try:
            other.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True


async def caller_of(participants: Participants, given: Mapping[str, Any]) -> Participant | None:
    """Return the participant to which the hook belongs, or None if it does not need an output."""
    agent_id, agent_type = given.get("agent_id"), given.get("agent_type")
    # With `claude --agent X` the session itself has a type, but no id.
    is_subagent = isinstance(agent_id, str) and isinstance(agent_type, str)
    match given.get("hook_event_name"):
        case None:
            return None
        case "PreToolUse":
            # Do this at once, in memory: Claude Code makes the call even if a busy hub delays our answer.
            subagent = (str(agent_id), str(agent_type)) if is_subagent else None
            participants.announce_call(str(given.get("tool_use_id")), subagent)
            return None
    await participants.record_hook()
    return await participants.find_subagent(str(agent_id), str(agent_type)) if is_subagent else participants.main


def _begins_turn(given: Mapping[str, Any]) -> bool:
    """Return whether this hook is the first of a turn. The event that wakes an idle session begins a turn without a
    prompt.
    """
    return given.get("hook_event_name") == "UserPromptSubmit" or given.get("stop_hook_active") is False


async def hook_output(who: Participant, event: str) -> dict[str, Any]:
    """Return the output of the hook for Claude Code, or nothing."""
    match event:
        case "SessionStart":
            # This event also follows /clear and a compaction. The model has then forgotten earlier notices.
            await run_in_thread(who.hub.wake_ladder.reset_wake_steps)
            await who.clear_turn()
        case _ if event in _ADDS_CONTEXT:
            await who.begin_turn()
            if text := await _take_wake_step(who, WakeStep.ANNOUNCED):
                return _context_output(event, text)
        case "Stop" | "SubagentStop":
            # At the maximum the messages are not marked as asked, so the wake ladder continues.
            if who.blocked_stops < _MAX_BLOCKED_STOPS and (text := await _take_wake_step(who, WakeStep.ASKED)):
                who.record_blocked_stop()
                return {"decision": "block", "reason": text}
            await who.end_turn()
    return {}


async def _take_wake_step(who: Participant, step: WakeStep) -> str:
    # Messages that wait for the session are not for a subagent that only shares its mailbox.
    if not (who.has_own_mailbox and who.can_read):
        return ""
    messages = await run_in_thread(lambda: who.hub.wake_ladder.take_wake_step(step))
    return render_notice(messages, step) if messages else ""


async def _receive(stream: SocketStream) -> bytes:
    received = bytearray()
    with suppress(anyio.EndOfStream):
        while len(received) <= _MAX_PAYLOAD_BYTES:
            received += await stream.receive()
    return bytes(received)


def _parse_payload(received: bytes) -> Mapping[str, Any]:
    try:
        given = json.loads(received)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(given, dict):
        return {}
    event = given.get("hook_event_name")
    return {**given, "hook_event_name": _GEMINI_EVENTS[event]} if event in [*_GEMINI_EVENTS] else given
