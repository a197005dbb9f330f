"""What a bot wants to say: the body of a request, held against Discord's limits."""

import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .api_errors import empty_message, invalid_form_body, too_large, too_long
from .models import EPHEMERAL, SILENT, SUPPRESS_EMBEDS, FakeAttachment, FakeChannel, FakeMessage, Json
from .payloads import upload_limit
from .permissions import Permission
from .world import FakeWorld

MAX_CONTENT = 2000
MAX_NONCE = 25
_EMBED_LIMITS = {"title": 256, "description": 4096, "footer.text": 2048, "author.name": 256}
_FIELD_LIMITS = {"name": 256, "value": 1024}
_MAX_EMBED_TEXT = 6000
_BUTTON, _LINK, _ROW = 2, 5, 1
_SETTABLE = SUPPRESS_EMBEDS | EPHEMERAL | SILENT


@dataclass
class FileUpload:
    filename: str
    content: bytes


@dataclass
class MessageDraft:
    """The fields of a message, and the files that came with it by their number."""

    fields: Json = field(default_factory=dict)
    uploads: dict[int, FileUpload] = field(default_factory=dict)


def utf16_length(text: str) -> int:
    """In UTF-16 units, the strictest way to count: Discord's API counts characters, its client shows units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_draft(world: FakeWorld, channel: FakeChannel, draft: MessageDraft) -> None:
    """Refuses what Discord refuses, whether it is a new message or an edit."""
    if any(len(each.content) > upload_limit(world, channel) for each in draft.uploads.values()):
        raise too_large()
    fields = draft.fields
    content = fields.get("content") or ""
    if not isinstance(content, str):
        raise invalid_form_body("content", "BASE_TYPE_BAD_TYPE", "Could not interpret as string.")
    if utf16_length(content) > MAX_CONTENT:
        raise too_long("content", MAX_CONTENT)
    nonce = fields.get("nonce")
    if nonce is not None and len(str(nonce)) > MAX_NONCE:
        raise invalid_form_body("nonce", "NONCE_TYPE_TOO_LONG", f"Must be {MAX_NONCE} or fewer characters long.")
    if len(fields.get("attachments") or draft.uploads) > 10:
        raise too_long("attachments", 10)
    _check_embeds(fields.get("embeds") or [])
    _check_components(fields.get("components") or [])


def check_not_empty(draft: MessageDraft) -> None:
    fields = draft.fields
    text = (fields.get("content") or "").strip()
    if not (text or draft.uploads or any(fields.get(name) for name in ("embeds", "components", "sticker_ids", "poll"))):
        raise empty_message()


def _check_embeds(embeds: list[Json]) -> None:
    if len(embeds) > 10:
        raise too_long("embeds", 10)
    total = 0
    for number, embed in enumerate(embeds):
        for path, text, limit in _texts(embed):
            if len(text) > limit:
                raise too_long(f"embeds.{number}.{path}", limit)
            if not text and path.startswith("fields."):
                raise invalid_form_body(f"embeds.{number}.{path}", "BASE_TYPE_REQUIRED", "This field is required")
            total += len(text)
        if len(embed.get("fields", [])) > 25:
            raise too_long(f"embeds.{number}.fields", 25)
    if total > _MAX_EMBED_TEXT:
        raise invalid_form_body("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")


def _texts(embed: Json) -> Iterator[tuple[str, str, int]]:
    for path, limit in _EMBED_LIMITS.items():
        owner, _, name = path.rpartition(".")
        part = embed.get(owner, {}) if owner else embed
        yield path, str(part.get(name) or ""), limit
    for number, each in enumerate(embed.get("fields", [])):
        for name, limit in _FIELD_LIMITS.items():
            yield f"fields.{number}.{name}", str(each.get(name) or "").strip(), limit


def _check_components(rows: list[Json]) -> None:
    if len(rows) > 5:
        raise too_long("components", 5)
    seen: set[str] = set()
    for number, row in enumerate(rows):
        path = f"components.{number}"
        parts = row.get("components", [])
        if row.get("type") != _ROW:
            raise invalid_form_body(f"{path}.type", "BASE_TYPE_CHOICES", "Value must be one of (1,).")
        if not 1 <= len(parts) <= 5:
            raise invalid_form_body(f"{path}.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
        for place, part in enumerate(parts):
            _check_component(part, f"{path}.components.{place}", seen)


def _check_component(part: Json, path: str, seen: set[str]) -> None:
    if len(part.get("label") or "") > 80:
        raise too_long(f"{path}.label", 80)
    if part["type"] == _BUTTON and part.get("style") == _LINK:
        return
    custom_id = part.get("custom_id") or ""
    if not 1 <= len(custom_id) <= 100:
        raise invalid_form_body(f"{path}.custom_id", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    if custom_id in seen:
        sentence = "Component custom id cannot be duplicated"
        raise invalid_form_body(f"{path}.custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", sentence)
    seen.add(custom_id)


def apply_draft(world: FakeWorld, message: FakeMessage, draft: MessageDraft) -> None:
    """Put what the fields say into the message; what they do not name stays."""
    fields = draft.fields
    if "content" in fields:
        # Discord takes off the white space around what a message says.
        message.content = (fields["content"] or "").strip()
        set_mentions(world, message, fields.get("allowed_mentions"))
    if "embeds" in fields:
        message.embeds = [{"type": "rich", **embed} for embed in fields["embeds"] or []]
    if "components" in fields:
        message.components = fields["components"] or []
    if "flags" in fields:
        message.flags = message.flags & ~_SETTABLE | (fields["flags"] or 0) & _SETTABLE
    kept = fields.get("attachments")
    if kept is not None:
        by_id = {str(each.id): each for each in message.attachments}
        message.attachments = [by_id[str(each["id"])] for each in kept if str(each.get("id")) in by_id]
    described = {str(each.get("id")): each for each in kept or []}
    for number, upload in draft.uploads.items():
        description = described.get(str(number), {}).get("description")
        message.attachments.append(create_attachment(world, upload, description))


def create_attachment(world: FakeWorld, upload: FileUpload, description: str | None = None) -> FakeAttachment:
    kind = mimetypes.guess_type(upload.filename)[0] or "application/octet-stream"
    name, title = upload.filename, None
    if not name.isascii():
        # Discord's documentation: the title "will be present when a filename contains special characters".
        title, name = name.rpartition(".")[0] or name, re.sub(r"[^\w.-]", "", name, flags=re.ASCII)
    return FakeAttachment(world.snowflakes.next_id(), name, upload.content, kind, description, title=title)


def set_mentions(world: FakeWorld, message: FakeMessage, wanted: Json | None) -> None:
    """Who is pinged: named in the text, known there, and not kept from it by allowed_mentions."""
    channel = world.channels[message.channel]
    guild = world.guilds[channel.guild] if channel.guild is not None else None
    users = [int(number) for number in re.findall(r"<@!?(\d+)>", message.content)]
    roles = [int(number) for number in re.findall(r"<@&(\d+)>", message.content)]
    everyone = bool(re.search(r"@everyone|@here", message.content))
    answered = world.messages.get(message.reference.message) if message.reference else None
    replied = wanted is None
    if wanted is not None:
        parse = wanted.get("parse", [])
        replied = bool(wanted.get("replied_user"))
        users = [user for user in users if "users" in parse or str(user) in map(str, wanted.get("users", []))]
        roles = [role for role in roles if "roles" in parse or str(role) in map(str, wanted.get("roles", []))]
        everyone = everyone and "everyone" in parse
    if answered is not None and replied:
        users.append(answered.author)
    message.mentions = [user for user in dict.fromkeys(users) if user in world.users and user != message.author]
    message.mention_roles = [role for role in dict.fromkeys(roles) if guild is not None and role in guild.roles]
    message.mention_everyone = everyone and bool(
        world.permissions_of(channel, message.author) & Permission.MENTION_EVERYONE
    )
