"""One request at the REST API, read and checked, and what can be answered."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from ..gateway.gateway import FakeGateway
from ..ids import BOT
from ..rules import REQUEST_LIMIT
from ..world.api_errors import ApiError, invalid_form_body, missing_access, missing_permissions, too_large
from ..world.drafts import FileUpload, MessageDraft
from ..world.models import FakeChannel, FakeMessage, Json
from ..world.permissions import Permission
from ..world.world import FakeWorld

RestAnswer = Json | list[Json] | None  # None: 204


@dataclass
class RestCall:
    world: FakeWorld
    gateway: FakeGateway
    names: dict[str, str]  # from the path
    query: dict[str, str]
    draft: MessageDraft = field(default_factory=MessageDraft)

    @property
    def body(self) -> Json:
        return self.draft.fields

    def number(self, name: str) -> int:
        text = self.names[name]
        if not text.isdecimal():
            raise invalid_form_body(name, "NUMBER_TYPE_COERCE", f'Value "{text}" is not snowflake.')
        return int(text)

    def channel(self) -> FakeChannel:
        """The one in the path, which the bot may view."""
        channel = self.world.channel(self.number("channel"))
        if not self.world.permissions_of(channel) & Permission.VIEW_CHANNEL:
            raise missing_access()
        return channel

    def channel_where(self, *needed: Permission) -> FakeChannel:
        channel = self.channel()
        for permission in needed:
            if not self.world.permissions_of(channel) & permission:
                raise missing_permissions()
        return channel

    def message(self) -> FakeMessage:
        return self.world.message(self.channel().id, self.number("message"))

    def limit(self, *, default: int, most: int) -> int:
        limit = int(self.query.get("limit", default))
        if not 1 <= limit <= most:
            sentence = f"int value should be between 1 and {most}."
            raise invalid_form_body("limit", "NUMBER_TYPE_MAX" if limit > most else "NUMBER_TYPE_MIN", sentence)
        return limit

    def own_application(self) -> None:
        if self.number("application") != BOT:
            raise ApiError(403, 20012, "You are not authorized to perform this action on this application")


Handler = Callable[[RestCall], RestAnswer | Awaitable[RestAnswer]]


async def read_body(request: web.Request) -> MessageDraft:
    """The body, as JSON or as a form with files. What a bot attaches may not be too much altogether."""
    if (request.content_length or 0) > REQUEST_LIMIT:
        raise too_large()
    if request.content_type == "multipart/form-data":
        return await _read_form(request)
    raw = await request.read()
    return MessageDraft(_read_fields(raw.decode())) if raw else MessageDraft()


async def _read_form(request: web.Request) -> MessageDraft:
    draft, total = MessageDraft(), 0
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        content, name, filename = bytes(await part.read(decode=True)), part.name or "", part.filename
        total += len(content)
        if total > REQUEST_LIMIT:
            raise too_large()
        if name == "payload_json":
            draft.fields = _read_fields(content.decode())
        elif name.startswith("files[") and filename:
            draft.uploads[int(name[6:-1])] = FileUpload(filename, content)
    return draft


def _read_fields(text: str) -> Json:
    try:
        fields: Json = json.loads(text)  # a list, where commands are registered
    except ValueError:
        raise ApiError(400, 50109, "The request body contains invalid JSON.") from None
    return fields
