"""The five tools that a model calls."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import anyio
from mcp.server.mcpserver import Context
from pydantic import Field

from teamsup.config.people_protocol import DECISION_REQUEST, MAX_OPTIONS, USER_COMM
from teamsup.config.startable_agents import find_agent, list_agents
from teamsup.hub.errors import CallerError
from teamsup.hub.models import Priority
from teamsup.terminal.formatting import to_single_line

from .participants import Participant, Participants, run_in_thread
from .rendering import (
    new_frame_mark,
    render_agent,
    render_agents,
    render_deliveries,
    render_message,
    render_names,
    render_previews,
    render_receipt,
)

_NO_HOOKS = "Answer them, or read once more before you end. Otherwise they come back."
# Claude Code gives up a call after half an hour without a message.
_PROGRESS_SECONDS = 30.0

_Content = Annotated[str, Field(description="Text, may be Markdown")]
_Priority = Annotated[Priority, Field(description="Higher is read first")]


class TeamTools:
    """The five tools that a model calls."""

    def __init__(self, participants: Participants) -> None:
        self._participants = participants

    @asynccontextmanager
    async def _caller(self, context: Context[None]) -> AsyncIterator[Participant]:
        meta: Mapping[str, Any] = context.request_context.meta or {}
        caller = await self._participants.find_caller(meta.get("claudecode/toolUseId"))
        async with caller.during_call():
            yield caller

    async def team_send_message(
        self,
        context: Context[None],
        content: _Content,
        recipient: Annotated[str | None, Field(description="Agent's name, unless reply_to")] = None,
        reply_to: Annotated[str | None, Field(description="Answers this message: #12")] = None,
        priority: _Priority = "normal",
        message_type: Annotated[str, Field(description="status_report: progress, not yet an answer")] = "message",
        expires_in: Annotated[float | None, Field(description="Seconds to read it, or to decide")] = None,
        options: Annotated[
            list[str] | None,
            Field(description="People decide among these", max_length=MAX_OPTIONS),
        ] = None,
        default: Annotated[str | None, Field(description="Option that counts at the deadline")] = None,
        default_denies: Annotated[bool, Field(description="default means: do nothing")] = False,
        deciders: Annotated[list[str] | None, Field(description="Who may decide")] = None,
        file_paths: Annotated[list[str] | None, Field(description="Attach for people on Discord: files/a.pdf")] = None,
    ) -> str:
        """Send a message to one agent or daemon of your team, or answer a message and end it."""
        asked = {"options": options, "default": default, "default_denies": default_denies, "deciders": deciders}
        metadata = {name: value for name, value in asked.items() if value}
        if metadata and message_type == "message":
            message_type = DECISION_REQUEST
        if file_paths:
            metadata["files"] = file_paths  # the gateway checks them, and reports to the agent
        how: dict[str, Any] = {
            "message_type": message_type,
            "priority": priority,
            "expires_in": expires_in,
            "metadata": metadata or None,
        }
        if recipient is None and reply_to is None:
            if message_type != DECISION_REQUEST:
                raise CallerError("Say to whom: recipient or reply_to.")
            recipient = USER_COMM
        async with self._caller(context) as caller, caller.use_read_tracker() as reader:

            def send() -> str:
                if reply_to is None:
                    message = caller.hub.send(str(recipient), content, **how)
                else:
                    message = reader.reply(reply_to, content, recipient=recipient, **how)
                return render_receipt(message, find_agent(caller.hub, message.recipient or ""))

            return await run_in_thread(send)

    async def team_read_messages(
        self,
        context: Context[None],
        wait_seconds: Annotated[float, Field(ge=0, le=86400, description="Wait this long for the first")] = 0,
        limit: Annotated[int, Field(ge=1, le=100, description="At most this many messages")] = 10,
        peek: Annotated[bool, Field(description="Previews; nothing counts as read")] = False,
        message_id: Annotated[str | None, Field(description="Read this one again: #12")] = None,
        offset: Annotated[int, Field(ge=0, description="First character, with message_id")] = 0,
    ) -> str:
        """Read your waiting messages. A returned message counts as done when you read on or end your turn."""
        async with self._caller(context) as caller:
            if message_id is not None:
                async with caller.use_read_tracker() as reader:
                    return render_message(
                        await run_in_thread(lambda: reader.reread(message_id)), new_frame_mark(), offset
                    )
            if peek:
                waiting = await run_in_thread(lambda: caller.hub.queries.peek(limit))
                return "\n".join(render_previews(waiting, limit)) or "No messages."
            return await self._read(caller, context, wait_seconds, limit)

    async def _read(self, caller: Participant, context: Context[None], seconds: float, limit: int) -> str:
        async with caller.use_read_tracker() as reader:
            await run_in_thread(reader.complete_last_read)
        began = anyio.current_time()
        while True:
            if seconds:
                await self._wait(caller, context, began, seconds)
            if text := await self._claim(caller, limit):
                return text
            # If several readers waited for one message, all but one continue to wait.
            if anyio.current_time() >= began + seconds:
                return "No messages."

    async def _wait(self, caller: Participant, context: Context[None], began: float, seconds: float) -> None:
        while (waited := anyio.current_time() - began) < seconds:
            await context.report_progress(round(waited), seconds)
            if await caller.hub.wait_async(min(_PROGRESS_SECONDS, seconds - waited)):
                return

    async def _claim(self, caller: Participant, limit: int) -> str:
        """Yield the claimable messages in the form for the model. Release them if they do not reach it."""
        async with caller.use_read_tracker() as reader:
            claimed = await run_in_thread(lambda: reader.read(limit))
            if not claimed:
                return ""
            try:
                mark = new_frame_mark()
                lines = [render_message(delivery.message, mark) for delivery in claimed]
                text = "\n".join(lines if self._participants.has_seen_hook else [*lines, _NO_HOOKS])
                await run_in_thread(lambda: reader.track(claimed))
                # The hub's work is shielded, so a call notices only here that it was cancelled.
                await anyio.lowlevel.checkpoint()
            except BaseException:
                # The call was cancelled or failed, so the model has seen nothing.
                await run_in_thread(lambda: reader.release(claimed))
                raise
        return text

    async def team_broadcast(self, context: Context[None], content: _Content, priority: _Priority = "normal") -> str:
        """Send a message to every agent and daemon of your team."""
        async with self._caller(context) as caller:
            message = await run_in_thread(lambda: caller.hub.broadcast(content, priority=priority))
            reached = await run_in_thread(lambda: caller.hub.queries.trace(message.message_id))
            return f"Stored as #{message.id} for {render_names(state.recipient for state in reached) or 'nobody'}."

    async def team_get_status(
        self,
        context: Context[None],
        agent: Annotated[str | None, Field(description="Only this agent")] = None,
        message_id: Annotated[str | None, Field(description="Show its state: #12")] = None,
    ) -> str:
        """See who is in the team and how they are, or what happened to a message."""
        async with self._caller(context) as caller:
            if message_id is not None:
                return (
                    "\n".join(render_deliveries(await run_in_thread(lambda: caller.hub.queries.trace(message_id))))
                    or "Reached nobody."
                )
            if agent is not None:
                found = await run_in_thread(lambda: find_agent(caller.hub, agent))
                if found is None:
                    raise CallerError(
                        f"There is no agent named {to_single_line(agent, 200)!r}; call this without agent to see all."
                    )
                return render_agent(found, caller.hub.agent)
            team = [found for found in await run_in_thread(lambda: list_agents(caller.hub)) if found.kind != "console"]
            return "\n".join(render_agents(team, caller.hub.agent))

    async def team_update_status(
        self,
        context: Context[None],
        status: Annotated[Literal["online", "busy"], Field(description="busy while you work")],
        note: Annotated[str, Field(max_length=500, description="What you do, for people")] = "",
    ) -> str:
        """Tell the team how you are."""
        async with self._caller(context) as caller:
            speaker = caller if caller.has_own_mailbox else self._participants.main
            speaker.set_status(status, note)
            await speaker.send_heartbeat()
            return "Told."
