"""A small Discord on loopback, with as much of its REST and gateway protocol (v10) as the gateway uses.

Run as a program it is the gateway worker itself, its unmodified discord.py pointed at that Discord.
"""

import asyncio
import itertools
import json
import os
import sys
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

TOKEN = "a-token.for.tests"  # noqa: S105
MESSAGE_CONTENT = 1 << 15
BOT = {"id": "1", "username": "teamsup", "discriminator": "0", "avatar": None, "bot": True}
GUILD, CHANNEL, ANN, BOB = 10, 20, 30, 31


@dataclass
class FakeDiscord:
    """Refuses what Discord refuses: a wrong token, content without the intent, over 2,000 characters."""

    message_content_enabled: bool = True
    posted: list[dict[str, Any]] = field(default_factory=list)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    _sockets: list[web.WebSocketResponse] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1000))

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.add_routes(
            [
                web.get("/api/users/@me", self._me),
                web.get("/api/oauth2/applications/@me", self._application),
                web.post("/api/channels/{channel}/messages", self._post),
                web.get("/gateway/", self._gateway),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{port}"
        return runner

    async def say(self, author: int, content: str, *, bot: bool = False) -> int:
        """Somebody writes in the channel; the snowflake of the message."""
        number = next(self._numbers)
        message = {
            **self._message(CHANNEL, number, content),
            "author": {**BOT, "id": str(author), "username": "ann", "global_name": "Ann", "bot": bot},
            "guild_id": str(GUILD),
        }
        await self._dispatch("MESSAGE_CREATE", message)
        return number

    def _message(self, channel: int, number: int, content: str) -> dict[str, Any]:
        return {
            "id": str(number),
            "channel_id": str(channel),
            "author": BOT,
            "content": content,
            "timestamp": "2026-01-01T00:00:00+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [],
            "embeds": [],
            "pinned": False,
            "type": 0,
        }

    def _refused(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") != f"Bot {TOKEN}":
            return _json({"message": "401: Unauthorized", "code": 0}, status=401)
        return None

    async def _me(self, request: web.Request) -> web.Response:
        return self._refused(request) or _json(BOT)

    async def _application(self, request: web.Request) -> web.Response:
        application = {"id": "1", "name": "teamsup", "description": "", "icon": None, "verify_key": "", "summary": ""}
        more = {"bot_public": False, "bot_require_code_grant": False, "flags": 0, "owner": BOT}
        return self._refused(request) or _json({**application, **more})

    async def _post(self, request: web.Request) -> web.Response:
        if (refused := self._refused(request)) is not None:
            return refused
        body = await request.json()
        if len(body["content"].encode("utf-16-le")) // 2 > 2000:
            return _json({"message": "Invalid Form Body", "code": 50035}, status=400)
        known = [said for said in self.posted if said.get("nonce") == body["nonce"] and body.get("enforce_nonce")]
        if not known:
            self.posted.append(body)
        return _json(self._message(int(request.match_info["channel"]), next(self._numbers), body["content"]))

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 40000}, "s": None, "t": None})
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                break
            payload = json.loads(frame.data)
            if payload["op"] == 1:
                await socket.send_json({"op": 11, "d": None, "s": None, "t": None})
            elif payload["op"] == 2:
                await self._identify(socket, payload["d"])
        return socket

    async def _identify(self, socket: web.WebSocketResponse, identity: dict[str, Any]) -> None:
        if identity["token"] != TOKEN:
            await socket.close(code=4004)
        elif identity["intents"] & MESSAGE_CONTENT and not self.message_content_enabled:
            await socket.close(code=4014)
        else:
            self._sockets.append(socket)
            resume = self.url.replace("http", "ws") + "/gateway/"
            await self._dispatch(
                "READY",
                {
                    "v": 10,
                    "user": BOT,
                    "guilds": [],
                    "session_id": "s",
                    "resume_gateway_url": resume,
                    "application": {"id": "1", "flags": 0},
                },
            )
            self.connected.set()

    async def _dispatch(self, event: str, data: dict[str, Any]) -> None:
        for socket in self._sockets:
            await socket.send_json({"op": 0, "t": event, "s": next(self._numbers), "d": data})


def _json(data: dict[str, Any], status: int = 200) -> web.Response:
    # discord.py takes only exactly this type for JSON.
    return web.Response(body=json.dumps(data).encode(), status=status, headers={"Content-Type": "application/json"})


def run_gateway() -> None:
    import yarl
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

    from teamsup.workers.discord_gateway import Gateway
    from teamsup.workers.worker import main

    url = os.environ["FAKE_DISCORD"]
    Route.BASE = f"{url}/api"
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url.replace("http", "ws") + "/gateway/")
    main(Gateway)


if __name__ == "__main__":
    sys.exit(run_gateway())  # type: ignore[func-returns-value]
