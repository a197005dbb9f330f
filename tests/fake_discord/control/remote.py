"""The way into a Discord that is a process of its own: what people do and what can be seen, as JSON."""

import dataclasses
from typing import Any

import aiohttp
from aiohttp import web

from ..server import FakeDiscord
from ..world.api_errors import ApiError
from .disruptions import Disruptions
from .inspection import Inspection
from .user_actions import UserActions

_PATH = "/control/"


def _allowed_verbs() -> set[str]:
    return {name for part in (UserActions, Inspection, Disruptions) for name in vars(part) if not name.startswith("_")}


def control_routes(discord: FakeDiscord) -> web.RouteTableDef:
    """``POST /control/say {"text": "Hello"}`` answers ``{"result": 1234}``."""
    routes, verbs = web.RouteTableDef(), _allowed_verbs()

    @routes.post(_PATH + "{verb}")
    async def act(request: web.Request) -> web.Response:
        verb = request.match_info["verb"]
        if verb not in verbs:
            return web.json_response({"error": f"nobody can {verb}"}, status=404)
        arguments = await request.json()
        # JSON knows no bytes.
        if "files" in arguments:
            arguments["files"] = {name: text.encode() for name, text in arguments["files"].items()}
        try:
            result = await getattr(discord, verb)(*arguments.pop("args", []), **arguments)
        except (LookupError, TypeError, ApiError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response({"result": _to_json(result)})

    return routes


def _to_json(value: object) -> Any:  # noqa: ANN401 - JSON
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _to_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_to_json(each) for each in value]
    return len(value) if isinstance(value, bytes) else value


class RemoteDiscord:
    """That Discord, from another process."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def call(self, verb: str, *args: object, **arguments: object) -> Any:  # noqa: ANN401 - JSON
        """``await remote.do("say", "Hello")``: as with `FakeDiscord`, but results are plain JSON."""
        body = {**arguments, "args": args}
        async with aiohttp.ClientSession() as session, session.post(self.url + _PATH + verb, json=body) as response:
            answer = await response.json()
        if "error" in answer:
            raise LookupError(answer["error"])
        return answer["result"]
