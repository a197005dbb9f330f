"""An MCP client of the SDK's first generation that a test steers: orders in on stdin, events out on stdout, one a line.

It runs in an environment of its own, because the SDK's generations cannot be installed side by side. Results go out as
they came over the wire, whose names both generations know.
"""

import json
import os
import sys
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.types import CancelledNotification


def emit(name: str, event: str, value: object) -> None:
    print(json.dumps({"name": name, "event": event, "value": value}), flush=True)


class SteeredSession:
    """The calls that run, by the name the test gave them."""

    def __init__(self, session: ClientSession, calls: TaskGroup) -> None:
        self._session = session
        self._calls = calls
        self._running: dict[str, tuple[int, anyio.CancelScope]] = {}

    async def obey(self, verb: str, name: str, **details: Any) -> None:  # noqa: ANN401
        if verb == "list":
            tools = (await self._session.list_tools()).tools
            emit(name, "tools", [tool.model_dump(mode="json", by_alias=True) for tool in tools])
        elif verb == "call":
            await self._calls.start(self._call, name, details["tool"], details["arguments"])
        elif verb == "cancel":
            await self._cancel(name)

    async def _call(
        self, name: str, tool: str, arguments: dict[str, Any], *, task_status: anyio.abc.TaskStatus[None]
    ) -> None:
        async def told(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001
            emit(name, "progress", [progress, total])

        with anyio.CancelScope() as scope:
            self._running[name] = self._session._request_id, scope  # type: ignore[attr-defined]
            task_status.started()
            result = await self._session.call_tool(tool, arguments, progress_callback=told)
            emit(name, "result", result.model_dump(mode="json", by_alias=True))

    async def _cancel(self, name: str) -> None:
        """This generation tells the server nothing of a call that it gives up, so we do."""
        request, scope = self._running.pop(name)
        notification = {"method": "notifications/cancelled", "params": {"requestId": request}}
        await self._session.send_notification(CancelledNotification.model_validate(notification))
        scope.cancel()
        emit(name, "cancelled", None)


async def main(command: list[str]) -> None:
    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    async with stdio_client(server) as streams, ClientSession(*streams) as session, anyio.create_task_group() as calls:
        emit("", "initialized", (await session.initialize()).model_dump(mode="json", by_alias=True))
        steered = SteeredSession(session, calls)
        async for order in anyio.wrap_file(sys.stdin):
            await steered.obey(**json.loads(order))
        calls.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:])
